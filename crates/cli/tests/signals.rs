//! A signal ends a run, and nothing of the run survives it.

mod common;

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::saferun;
use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(20);

/// Polls until the condition holds.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A run of two tasks that never end and have noted their process ids.
fn endless(dir: &Path, extra: &[&str]) -> Child {
    let script = "trap '' TERM; echo $$ > pid-{}; while :; do sleep 0.05; done";
    let child = saferun(dir)
        .args(["run", "-j", "2", "--grace", "200ms"])
        .args(extra)
        .args([script, ":::", "a", "b"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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

fn ends_with(signal: Signal, code: i32, extra: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let mut child = endless(dir.path(), extra);
    let pids = pids(dir.path());
    let runner = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(runner, signal).unwrap();
    let mut status = None;
    until("the run's end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(code), "{signal:?} {extra:?}");
    until("the tasks' end", || !pids.iter().any(|&pid| is_alive(pid)));
}

#[test]
fn interrupt_terminate_and_hangup() {
    for extra in [&[][..], &["--containment", "tree"]] {
        ends_with(Signal::INT, 130, extra);
        ends_with(Signal::TERM, 143, extra);
        ends_with(Signal::HUP, 129, extra);
    }
}
