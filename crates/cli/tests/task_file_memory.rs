//! Task files with real memory in a small machine, where a group can be made.

mod common;

use std::path::Path;
use std::process::{Output, Stdio};

use common::stderr;
use saferun_testbed::cage::Cage;
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// The example program beside the tests' own directory.
fn workload() -> String {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/workload");
    assert!(
        path.exists(),
        "{} isn't built: cargo build -p saferun-cli --examples",
        path.display()
    );
    path.into_os_string().into_string().unwrap()
}

fn caged(cage: &Cage, dir: &Path, file: &str, arguments: &[&str]) -> Output {
    std::fs::write(dir.join("tasks.toml"), file).unwrap();
    cage.command(assert_cmd::cargo::cargo_bin!("saferun"))
        .args(["run", "--json=events", "--no-history", "-f", "tasks.toml"])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_remove("SAFERUN_SUPERVISED")
        .output()
        .unwrap()
}

fn events(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("events")).unwrap();
    let event = |line| serde_json::from_str(line).unwrap();
    text.lines().map(event).collect()
}

fn place(events: &[Value], kind: &str, name: &str) -> Option<usize> {
    (events.iter()).position(|event| event["event"] == kind && event["name"] == name)
}

#[test]
fn what_is_declared_above_the_budget_is_never_started() {
    let Some(cage) = Cage::for_test("taskfile", 300 * MIB) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = r#"
        [[task]]
        name = "huge"
        memory = "4G"
        run = "touch ran"
        [[task]]
        name = "then"
        run = "touch ran"
        after = "huge"
        [[task]]
        name = "small"
        memory = "8M"
        run = "touch small"
        "#;
    let output = caged(&cage, dir.path(), file, &["-j", "auto"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("given up: huge: it is said to need 4 GiB"),
        "{said}"
    );
    assert!(
        said.contains("1 done, 0 failed, 1 given up, 1 skipped"),
        "{said}"
    );
    assert!(!dir.path().join("ran").exists() && dir.path().join("small").exists());
    let events = events(dir.path());
    assert_eq!(place(&events, "task_started", "huge"), None);
    let then = &events[place(&events, "task_concluded", "then").unwrap()];
    assert_eq!(then["failed"]["name"], "huge");
}

#[test]
fn declared_peaks_keep_tasks_apart_that_do_not_fit_together() {
    let Some(cage) = Cage::for_test("taskfile", 300 * MIB) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    // Each is small for a while, so that only its word tells what it will need.
    let task = |name: &str| {
        format!(
            "[[task]]\nname = '{name}'\nmemory = '170M'\n\
             run = \"echo {name} begins >> record; sleep 0.3; {} hog --seconds 0.2 --peak 160M && echo {name} ends >> record\"\n",
            workload()
        )
    };
    let file = format!("{}{}{}", task("a"), task("b"), task("c"));
    let output = caged(
        &cage,
        dir.path(),
        &file,
        &["-j", "auto", "--preempt", "never"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = std::fs::read_to_string(dir.path().join("record")).unwrap();
    assert_eq!(
        record,
        "a begins\na ends\nb begins\nb ends\nc begins\nc ends\n"
    );
    assert_eq!(cage.local_kills().unwrap(), 0);
}

#[test]
fn a_task_that_was_ended_to_make_room_is_no_failure_for_what_waits() {
    let Some(cage) = Cage::for_test("taskfile", 300 * MIB) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut file = String::new();
    for number in 0..6 {
        file.push_str(&format!(
            "[[task]]\nname = 'hog {number}'\nrun = ['{}', 'hog', '--seconds', '1', '--peak', '150M']\n\
             [[task]]\nname = 'then {number}'\nrun = 'true'\nafter = 'hog {number}'\n",
            workload()
        ));
    }
    let output = caged(&cage, dir.path(), &file, &["-j", "auto"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let events = events(dir.path());
    let end = events.last().unwrap();
    assert_eq!((&end["done"], &end["skipped"]), (&12.into(), &0.into()));
    assert!(end["restarted"].as_u64() > Some(0), "{said}");
    for number in 0..6 {
        let hog = place(&events, "task_concluded", &format!("hog {number}"));
        let then = place(&events, "task_started", &format!("then {number}"));
        assert!(then > hog && hog.is_some(), "{number}");
    }
}
