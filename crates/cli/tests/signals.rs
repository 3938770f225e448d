//! A signal ends a run, and nothing of the run survives it.

mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{saferun, until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A run of two tasks that never end and have noted their process ids.
fn endless(dir: &Path, extra: &[&str]) -> Child {
    let script = "trap '' TERM; echo $$ > pid-{}; while :; do sleep 0.05; done";
    let child = saferun(dir)
        .args(["run", "-j", "2", "--json=events"])
        .args(extra)
        .args([script, ":::", "a", "b"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // As a shell does it, so that a signal can reach what a terminal would reach.
        .process_group(0)
        .spawn()
        .unwrap();
    until("the tasks' start", || pids(dir).len() == 2);
    child
}

fn pids(dir: &Path) -> Vec<i32> {
    ["pid-a", "pid-b"]
        .iter()
        .filter_map(|name| {
            std::fs::read_to_string(dir.join(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .collect()
}

fn is_alive(pid: i32) -> bool {
    // An ended process that nobody has waited for is dead enough.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    })
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}

fn code_of(child: &mut Child) -> Option<i32> {
    let mut status = None;
    until("the run's end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap().code()
}

fn ends_with(signal: Signal, code: i32, extra: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = endless(dir.path(), &[&["--grace", "200ms"], extra].concat());
    let pids = pids(dir.path());
    kill_process(pid(&child), signal).unwrap();
    assert_eq!(code_of(&mut child), Some(code), "{signal:?} {extra:?}");
    until("the tasks' end", || !pids.iter().any(|&pid| is_alive(pid)));
}

#[test]
fn interrupt_terminate_and_hangup() {
    for extra in [&[][..], &["--containment", "tree"]] {
        ends_with(Signal::INT, 130, extra);
        ends_with(Signal::TERM, 143, extra);
        if is_ignored(Signal::HUP) {
            println!("skipped: HUP is ignored here, as below nohup, and so it is by a run");
        } else {
            ends_with(Signal::HUP, 129, extra);
        }
    }
}

fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap();
    let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

/// As below a container's or a sandbox's entry: the group and the session that it is in began
/// outside of its PID namespace, where their number is 0.
#[test]
fn a_session_from_outside_of_the_namespace() {
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let probe = Command::new("unshare").args(namespace).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: no PID namespace can be made here");
        return;
    }
    for containment in ["best", "tree"] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            "{} run --containment {containment} -j2 --grace 200ms 'echo > began-{{}}; sleep 60' ::: a b & \
             n=0; while [ ! -e began-a ] || [ ! -e began-b ]; do \
                 sleep 0.01; n=$((n + 1)); [ $n -lt 1000 ] || exit 1; \
             done; \
             kill -INT $!; wait $!; echo \"ended with $?\"",
            saferun(dir.path()).get_program().display(),
        );
        let output = Command::new("unshare")
            .args(namespace)
            .args(["sh", "-c", &script])
            .current_dir(dir.path())
            .env_remove("SAFERUN_SUPERVISED")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.contains("ended with 130"),
            "{containment}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// As in a container whose first process we are: what nobody else waits for falls to us.
#[test]
fn as_the_first_process_no_orphan_is_left_a_zombie() {
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let probe = Command::new("unshare").args(namespace).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        println!("skipped: no PID namespace can be made here");
        return;
    }
    for containment in ["best", "tree"] {
        let dir = tempfile::tempdir().unwrap();
        // The orphan notes its process id and ends; then its entry must go while the task runs.
        let task = "( sh -c 'echo $$ > orphan; exit 3' & ); n=0; \
            until [ -s orphan ]; do sleep 0.01; done; pid=$(cat orphan); \
            while read -r line < /proc/$pid/stat; do \
                case $line in *') Z 1 '*) n=$((n + 1)); [ $n -lt 1000 ] || exit 9;; *') Z '*) break;; esac; \
                sleep 0.01; \
            done 2>/dev/null; exit 7";
        let output = Command::new("unshare")
            .args(namespace)
            .arg(saferun(dir.path()).get_program())
            .args([
                "run",
                "--containment",
                containment,
                "-j2",
                "--",
                "sh",
                "-c",
                task,
            ])
            .current_dir(dir.path())
            .env("XDG_STATE_HOME", dir.path())
            .env_remove("SAFERUN_SUPERVISED")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("exit status 7"), "{containment}: {said}");
    }
}

#[test]
fn a_second_signal_kills_what_is_deaf() {
    for extra in [&[][..], &["--containment", "tree"]] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = endless(dir.path(), &[&["--grace", "600s"], extra].concat());
        let pids = pids(dir.path());
        kill_process_group(pid(&child), Signal::INT).unwrap();
        until("the first signal's word", || {
            std::fs::read_to_string(dir.path().join("events"))
                .is_ok_and(|text| text.contains("\"stopping\""))
        });
        assert!(pids.iter().all(|&pid| is_alive(pid)));
        kill_process_group(pid(&child), Signal::TERM).unwrap();
        // The first signal is the reason of the end.
        assert_eq!(code_of(&mut child), Some(130), "{extra:?}");
        until("the tasks' end", || !pids.iter().any(|&pid| is_alive(pid)));
    }
}

/// What the tasks have counted up to.
fn counts(dir: &Path) -> Vec<String> {
    ["count-a", "count-b"]
        .iter()
        .map(|name| std::fs::read_to_string(dir.join(name)).unwrap_or_default())
        .collect()
}

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

#[test]
fn a_stop_from_the_terminal_freezes_and_going_on_thaws() {
    for extra in [&[][..], &["--containment", "tree"]] {
        let dir = tempfile::tempdir().unwrap();
        let script =
            "echo $$ > pid-{}; n=0; while :; do n=$((n + 1)); echo $n > count-{}; sleep 0.01; done";
        let mut child = saferun(dir.path())
            .args(["run", "-j", "2", "--grace", "200ms"])
            .args(extra)
            .args([script, ":::", "a", "b"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        until("the tasks' start", || {
            pids(dir.path()).len() == 2 && counts(dir.path()).iter().all(|n| !n.is_empty())
        });
        let runner = i32::try_from(child.id()).unwrap();
        kill_process_group(pid(&child), Signal::TSTP).unwrap();
        until("saferun's own stop", || state(runner) == Some('T'));
        until("the tasks' stop", || {
            let before = counts(dir.path());
            // Long against what a task needs for a step; a slow machine only asks once more.
            std::thread::sleep(Duration::from_millis(200));
            before == counts(dir.path())
        });
        let stopped = counts(dir.path());
        assert!(pids(dir.path()).iter().all(|&pid| is_alive(pid)));
        kill_process_group(pid(&child), Signal::CONT).unwrap();
        until("the tasks' going on", || {
            let now = counts(dir.path());
            now.iter()
                .zip(&stopped)
                .all(|(now, before)| !now.is_empty() && now != before)
        });
        kill_process_group(pid(&child), Signal::INT).unwrap();
        assert_eq!(code_of(&mut child), Some(130), "{extra:?}");
    }
}
