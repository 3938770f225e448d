//! The demo: its parts, and that nothing is left of one that was interrupted.

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{saferun, stderr, stdout, until, with_input};
use rustix::process::{Pid, Signal, kill_process};
use saferun_testbed::survivors::Marker;

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn lines_are_made_and_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let lines = saferun(dir.path())
        .args(["__lines", "2M"])
        .output()
        .unwrap();
    assert!(lines.status.success(), "{}", stderr(&lines));
    assert_eq!(lines.stdout.len(), 2 << 20);
    let mut sort = saferun(dir.path());
    sort.arg("__sort");
    let sorted = with_input(sort, &lines.stdout);
    assert!(sorted.status.success() && sorted.stdout.is_empty());
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mark = Marker::unique();
    let mut command: Command = saferun(dir.path());
    mark.mark(&mut command);
    let child = command
        .arg("demo")
        .env("TMPDIR", dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the first run's start", || {
        std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .any(|entry| {
                std::fs::read_to_string(entry.path().join("events.json"))
                    .is_ok_and(|text| text.contains("task_started"))
            })
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("One by one:"),
        "{}",
        stdout(&output)
    );
    assert!(is_empty(dir.path()));
    let left = mark.wait_gone(std::time::Duration::from_secs(20));
    assert!(left.is_empty(), "{left:?}");
}
