//! Tasks in a PID namespace, and a scope of one's own, as a user has them.

mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{saferun, stderr, stdout, until};
use rustix::process::{Pid, Signal, kill_process};

/// Whether a PID namespace can be had; says why not.
fn permitted(dir: &Path) -> bool {
    let output = saferun(dir)
        .args(["run", "--isolate", "pid", "true"])
        .output()
        .unwrap();
    if output.status.code() == Some(2) && stderr(&output).contains("no PID namespace can be had") {
        println!("skipped: {}", stderr(&output).trim());
        return false;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    true
}

const TIERS: [&[&str]; 2] = [&[], &["--containment", "tree"]];

#[test]
fn what_tasks_say_and_how_they_end_comes_through() {
    let dir = tempfile::tempdir().unwrap();
    if !permitted(dir.path()) {
        return;
    }
    let script = dir.path().join("script");
    let text = "#!/bin/sh\necho $1 in $(pwd) as $(id -u)\nexit $1\n";
    saferun_testbed::program::write(&script, text).unwrap();
    for tier in TIERS {
        let run = |arguments: &[&str]| {
            let mut command = saferun(dir.path());
            command.args(["run", "--isolate", "pid", "-j", "2", "-k"]);
            command.args(tier).args(arguments).output().unwrap()
        };
        let output = run(&["./script", ":::", "0", "7"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let here = dir.path().canonicalize().unwrap().display().to_string();
        let user = rustix::process::geteuid().as_raw();
        assert_eq!(
            stdout(&output),
            format!("0 in {here} as {user}\n7 in {here} as {user}\n")
        );
        assert!(stderr(&output).contains("exit code 7") || stderr(&output).contains('7'));
        let output = run(&["--timeout", "200ms", "sleep", ":::", "60"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let output = run(&["no-such-program", ":::", "a"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        // What it leaves behind is ended with it.
        let output = run(&[": {}; (setsid sleep 600 &) ; echo $$", ":::", "a", "b"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        for line in stdout(&output).lines() {
            assert!(line.parse::<u32>().unwrap() < 100, "{line}");
        }
    }
}

/// A run of two tasks that never end, in its own process group.
fn endless(dir: &Path, tier: &[&str], json: &str) -> Child {
    let script = "trap '' TERM; : >started-{}; while :; do sleep 0.05; done";
    let child = saferun(dir)
        .args(["run", "--isolate", "pid", "-j", "2", "--grace", "100ms"])
        .arg(format!("--json={json}"))
        .args(tier)
        .args([script, ":::", "a", "b"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the tasks' start", || {
        ["a", "b"]
            .iter()
            .all(|name| dir.join(format!("started-{name}")).exists())
            && tasks(&dir.join(json)).len() >= 2
    });
    child
}

/// The processes of tasks that were started, as they are seen from outside.
fn tasks(json: &Path) -> Vec<i32> {
    let text = std::fs::read_to_string(json).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|event| event["pid"].as_i64()?.try_into().ok())
        .collect()
}

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
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

#[test]
fn ctrl_z_stops_and_ctrl_c_ends_all() {
    let dir = tempfile::tempdir().unwrap();
    if !permitted(dir.path()) {
        return;
    }
    for (number, tier) in TIERS.into_iter().enumerate() {
        let json = format!("events-{number}");
        let mut child = endless(dir.path(), tier, &json);
        let tasks = tasks(&dir.path().join(&json));
        let me = child.id().try_into().unwrap();
        kill_process(pid(&child), Signal::TSTP).unwrap();
        until("the stop", || state(me) == Some('T'));
        kill_process(pid(&child), Signal::CONT).unwrap();
        until("that it goes on", || state(me) != Some('T'));
        assert!(tasks.iter().all(|task| is_alive(*task)));
        kill_process(pid(&child), Signal::INT).unwrap();
        assert_eq!(code_of(&mut child), Some(130));
        until("the tasks' end", || {
            !tasks.iter().any(|task| is_alive(*task))
        });
        for name in ["a", "b"] {
            std::fs::remove_file(dir.path().join(format!("started-{name}"))).unwrap();
        }
    }
}

/// The guard of this run: the child of it that was started as a guard.
fn guard_of(run: u32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{run}/task/{run}/children")).ok()?;
    children
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(|pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|&byte| byte == 0)
                .any(|word| word == saferun_cli::GUARD_MODE.as_bytes())
        })
}

#[test]
fn tasks_that_were_lost_with_the_guard_run_again() {
    let dir = tempfile::tempdir().unwrap();
    if !permitted(dir.path()) {
        return;
    }
    for tier in TIERS {
        let script = "[ -e again-{} ] && echo {} done && exit; : >again-{}; sleep 600";
        let child = saferun(dir.path())
            .args(["run", "--isolate", "pid", "-j", "2", "-k", "-v"])
            .args(tier)
            .args([script, ":::", "a", "b"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let markers = ["a", "b"].map(|name| dir.path().join(format!("again-{name}")));
        until("the tasks' start", || {
            markers.iter().all(|path| path.exists())
        });
        let mut guard = None;
        until("the guard", || {
            guard = guard_of(child.id());
            guard.is_some()
        });
        kill_process(Pid::from_raw(guard.unwrap()).unwrap(), Signal::KILL).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "a done\nb done\n");
        assert!(
            stderr(&output).contains("there is a new one"),
            "{}",
            stderr(&output)
        );
        for path in markers {
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn where_it_is_forbidden_the_run_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo 0 >/proc/sys/user/max_user_namespaces || exit 77; \
        exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" run --isolate pid --containment tree true";
    let output = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", script])
        .arg(saferun(dir.path()).get_program())
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .env("XDG_STATE_HOME", dir.path())
        .env("XDG_CONFIG_HOME", dir.path())
        .output();
    let output = match output {
        Ok(output) if output.status.code() == Some(2) => output,
        Ok(output) => {
            println!(
                "skipped: no user namespace to forbid others in: {}",
                stderr(&output)
            );
            return;
        }
        Err(error) => {
            println!("skipped: no unshare: {error}");
            return;
        }
    };
    let said = stderr(&output);
    let lines: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(lines[0].contains("user.max_user_namespaces is 0"), "{said}");
}

#[test]
fn status_says_whether_both_can_be_had() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["status", "--why"])
        .output()
        .unwrap();
    let said = stdout(&output);
    for name in [
        "cgroup v2",
        "cgroup v1",
        "process trees",
        "isolation",
        "scope",
    ] {
        assert!(said.contains(name), "{said}");
    }
    assert!(said.contains("PID namespace can be had"), "{said}");
}

#[test]
fn without_a_scope_the_run_goes_on_and_says_why_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    for tier in TIERS {
        let output = saferun(dir.path())
            .args(["run", "--scope", "auto", "--progress", "none"])
            .args(tier)
            .args(["echo", "went on"])
            // Nobody to ask is found here, whatever this machine has.
            .env("PATH", "/nowhere:/bin:/usr/bin")
            .env("XDG_RUNTIME_DIR", dir.path())
            .env_remove("SAFERUN_RUN")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stdout(&output), "went on\n");
        let said = stderr(&output);
        let lines = said
            .lines()
            .filter(|line| line.contains("no scope of our own: "));
        // Where our own group will do already, there is nothing to say.
        assert!(lines.count() <= 1, "{said}");
    }
}

#[test]
fn the_marks_of_a_scope_are_no_concern_of_tasks_nor_asked_twice() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["run", "--scope", "auto", "--progress", "none", "env"])
        .env("SAFERUN_SCOPED", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stdout(&output).contains("SAFERUN_SCOPED"));
    assert!(
        !stderr(&output).contains("no scope of our own"),
        "{}",
        stderr(&output)
    );
}
