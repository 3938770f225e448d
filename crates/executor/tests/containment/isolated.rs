//! A PID namespace around the tasks: nothing in it outlives the guard.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Signal;
use saferun_executor::guard::probe;
use saferun_testbed::program;

use crate::support::{Runner, example, group_dirs, signal, state, until, with_environment};
use crate::survivors::{KINDS, STORM};

/// Those that kill run one by one, so that not too many storms rage at once.
static STORMS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    STORMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether namespaces can be had; says why not.
fn permitted() -> bool {
    match probe() {
        Ok(()) => true,
        Err(why) => {
            println!("skipped: {why}");
            false
        }
    }
}

/// The guard of a run, by the run's name among its arguments.
fn guard_of(runner: &Runner) -> u32 {
    let find = || {
        let all = std::fs::read_dir("/proc").expect("/proc").flatten();
        all.filter_map(|dir| dir.file_name().to_str()?.parse().ok())
            .find(|pid: &u32| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                line.split(|&byte| byte == 0)
                    .any(|word| word == runner.id.as_bytes())
            })
    };
    // It may just be becoming its program, and shows no arguments for a moment.
    until("the guard is there", || find().is_some());
    find().expect("a guard")
}

#[test]
fn nothing_survives_when_runner_and_guard_are_killed_at_once() {
    let _alone = alone();
    if !permitted() {
        return;
    }
    for mode in ["pid", "pid-tree"] {
        for (kind, command) in KINDS.into_iter().chain([("a storm", STORM)]) {
            let mut runner = Runner::start(mode, &[command]);
            let (mark, guard) = (runner.mark(), guard_of(&runner));
            until("the task is there", || {
                with_environment(&mark).len() > 1 || kind == "plain"
            });
            // So that it can't do anything about the runner's end.
            signal(guard, Signal::STOP);
            until("the guard stands still", || state(guard) == Some('T'));
            runner.kill_runner();
            signal(guard, Signal::KILL);
            until(&format!("{mode}, {kind}: nothing is left"), || {
                with_environment(&mark).is_empty() && with_environment(&mark).is_empty()
            });
            runner.process.wait().expect("a status");
            // What nobody is left to remove, the next run in the same place does.
            let next = Runner::start("best", &["true"]);
            until("the groups are swept", || group_dirs(&runner.id).is_empty());
            assert_eq!(next.finish(), Some(7));
        }
    }
}

#[test]
fn the_guard_ends_all_and_removes_the_groups_when_the_runner_is_killed() {
    let _alone = alone();
    if !permitted() {
        return;
    }
    for mode in ["pid", "pid-tree"] {
        for (kind, command) in [KINDS[3], KINDS[4], KINDS[5]] {
            let mut runner = Runner::start(mode, &[command]);
            let mark = runner.mark();
            runner.kill_runner();
            runner.process.wait().expect("a status");
            until(&format!("{mode}, {kind}: all is gone"), || {
                with_environment(&mark).is_empty() && group_dirs(&runner.id).is_empty()
            });
        }
    }
}

#[test]
fn a_run_that_ends_in_order_leaves_nothing() {
    if !permitted() {
        return;
    }
    for mode in ["pid", "pid-tree"] {
        let runner = Runner::start(mode, &["setsid sleep 600 & sleep 600", "(sleep 600 &)"]);
        let (mark, id) = (runner.mark(), runner.id.clone());
        assert_eq!(runner.finish(), Some(7), "{mode}");
        assert_eq!(with_environment(&mark), [0u32; 0], "{mode}");
        assert!(group_dirs(&id).is_empty(), "{mode}");
    }
}

/// What a command in the runner wrote to the file named by its only argument, once it is whole.
fn answer(command: &mut Command, file: &std::path::Path) -> String {
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("the runner starts");
    let mut text = String::new();
    until("the task has answered", || {
        text = std::fs::read_to_string(file).unwrap_or_default();
        text.ends_with("end\n")
    });
    drop(child.stdin.take());
    assert_eq!(child.wait().expect("a status").code(), Some(7));
    text
}

/// A directory with a copy of the runner that everybody may enter.
fn open_to_all() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir_in("/tmp").expect("a directory");
    let mode = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), mode).expect("opened");
    let runner = dir.path().join("runner");
    program::copy(&example("runner"), &runner).expect("a copy");
    (dir, runner)
}

/// Lists whom a task sees, who it is and where it is.
fn looks_around(file: &std::path::Path) -> String {
    format!(
        "(sleep 0.01 &); sleep 0.2; {{ echo pid $$; echo self $(readlink /proc/self | wc -l); \
         echo user $(id -u); echo here $(pwd); \
         for p in /proc/[0-9]*; do echo sees $(tr '\\0' ' ' <$p/cmdline | head -c 60); done; \
         grep -l '^State:.Z' /proc/[0-9]*/status; echo end; }} >'{}' 2>/dev/null",
        file.display()
    )
}

fn check(said: &str, user: &str, here: &str) {
    let pid: u32 = said
        .lines()
        .find_map(|line| line.strip_prefix("pid "))
        .and_then(|pid| pid.parse().ok())
        .expect("a pid");
    assert!(pid > 1 && pid < 100, "{said}");
    assert!(said.contains(&format!("user {user}\n")), "{said}");
    assert!(said.contains(&format!("here {here}\n")), "{said}");
    let sees = said.lines().filter(|line| line.starts_with("sees "));
    // The guard, the shell, and what the shell starts for this.
    assert!((2..=5).contains(&sees.count()), "{said}");
    assert!(!said.contains("/status"), "an ended process: {said}");
}

#[test]
fn a_task_sees_its_namespace_only() {
    if !permitted() {
        return;
    }
    let (dir, runner) = open_to_all();
    for mode in ["pid", "pid-tree"] {
        let file = dir.path().join(mode);
        let mut command = Command::new(&runner);
        command
            .args([mode, &looks_around(&file)])
            .current_dir(dir.path());
        let user = rustix::process::geteuid().as_raw().to_string();
        let said = answer(&mut command, &file);
        check(&said, &user, &dir.path().display().to_string());
    }
}

#[test]
fn an_ordinary_user_has_it_by_a_user_namespace() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become an ordinary user");
        return;
    }
    let (dir, runner) = open_to_all();
    let file = dir.path().join("answer");
    let tried = Command::new("unshare")
        .args(["-U", "-p", "-f", "--mount-proc", "true"])
        .uid(65534)
        .gid(65534)
        .output();
    match tried {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("skipped: no user namespace for an ordinary user: {why}");
            return;
        }
        Err(error) => {
            println!("skipped: no unshare: {error}");
            return;
        }
    }
    let mut command = Command::new(&runner);
    command
        .args(["pid", &looks_around(&file)])
        .current_dir(dir.path())
        .uid(65534)
        .gid(65534);
    let said = answer(&mut command, &file);
    check(&said, "65534", &dir.path().display().to_string());
}

#[test]
fn where_it_is_forbidden_the_cause_is_named() {
    let script = "echo 0 >/proc/sys/user/max_user_namespaces && \
        exec setpriv --bounding-set=-all --inh-caps=-all \"$0\" pid true";
    let output = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", script])
        .arg(example("runner"))
        .output();
    let output = match output {
        Ok(output) if output.status.code() == Some(99) => output,
        Ok(output) => {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("skipped: no user namespace to forbid others in: {why}");
            return;
        }
        Err(error) => {
            println!("skipped: no unshare: {error}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("user.max_user_namespaces is 0") && said.contains("permit"),
        "{said}"
    );
}
