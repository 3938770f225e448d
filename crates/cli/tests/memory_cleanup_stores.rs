//! What has expired of saferun's own stores is removed when that is asked for, and nothing else.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use saferun_history::store::{Retention, Store};
use saferun_history::{End, Ran, Row};
use serde_json::Value;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn expired_artifacts_are_removed_when_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let session = |name: &str, touched: &str| {
        let path = dir.path().join(".saferun/artifacts").join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("manifest.json"), "{}").unwrap();
        for what in [path.join("manifest.json"), path.clone()] {
            let status = Command::new("touch")
                .args(["-d", touched])
                .arg(what)
                .status();
            assert!(status.unwrap().success());
        }
        path
    };
    let (old, new) = (session("old", "40 days ago"), session("new", "1 day ago"));
    let artifacts = |arguments: &[&str]| {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"))
            .args(["--only", "artifacts", "--json"])
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)["steps"][0].clone()
    };
    let step = artifacts(&[]);
    assert_eq!(step["outcome"], "planned", "{step}");
    assert!(
        step["acts"][0].as_str().unwrap().contains("session old"),
        "{step}"
    );
    assert!(old.exists());
    let step = artifacts(&["--force"]);
    assert_eq!(step["outcome"], "done", "{step}");
    assert!(!old.exists() && new.exists());
    let step = artifacts(&["--force"]);
    assert_eq!(step["outcome"], "nothing-to-gain", "{step}");
}

fn row(number: usize, days: i64) -> Row {
    let command: Vec<String> = (0..40)
        .map(|word| format!("word-{number}-{word}"))
        .collect();
    let mut row = Row::of(&Ran {
        command: &command,
        template: None,
        items: &[],
        directory: "/",
        agent: None,
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    row.at_ms = i64::try_from(now.as_millis()).unwrap() - days * 86_400_000;
    row.peak_bytes = 1 << 20;
    row.end = End::Exited(0);
    row
}

fn size(state: &Path) -> u64 {
    let entries = std::fs::read_dir(state.join("saferun")).unwrap();
    entries
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum()
}

#[test]
fn attempts_that_have_expired_are_removed_and_the_file_becomes_smaller() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("saferun/history.sqlite");
    let history = |arguments: &[&str]| {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"))
            .args(["--only", "history", "--json"])
            .args(arguments)
            .env("XDG_STATE_HOME", state.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        json(&output)
    };
    let step = history(&["--force"])["steps"][0].clone();
    assert_eq!(step["outcome"], "nothing-to-gain", "{step}");
    assert!(!path.exists(), "a look makes no history");

    let mut rows: Vec<Row> = (0..2000).map(|number| row(number, 400)).collect();
    rows.extend([row(2000, 30), row(2001, 0)]);
    let all = Retention {
        most_days: u32::MAX,
        ..Retention::default()
    };
    Store::open(&path).unwrap().add(&rows, &all).unwrap();
    let before = size(state.path());
    assert!(before > 1 << 20, "{before}");
    for arguments in [&[][..], &["--force", "--dry-run"]] {
        let step = history(arguments)["steps"][0].clone();
        assert_eq!(step["outcome"], "planned", "{step}");
        assert!(
            step["acts"][0].as_str().unwrap().contains("2000 attempts"),
            "{step}"
        );
        assert!(step["at_most_bytes"].as_u64().unwrap() > 1 << 20, "{step}");
    }
    let store = Store::open_existing(&path).unwrap().unwrap();
    assert_eq!(store.expired(&Retention::default()).unwrap().rows, 2000);
    drop(store);

    let answer = history(&["--force"]);
    let step = &answer["steps"][0];
    assert_eq!(step["outcome"], "done", "{step}");
    println!("{step}");
    let bytes = |key: &str| step[key].as_u64().unwrap();
    assert!(
        bytes("before_bytes") > bytes("after_bytes") + (1 << 20),
        "{step}"
    );
    assert!(size(state.path()) < before / 4);
    // Space on a disk is no memory; where this place lies in memory it is.
    let in_memory = saferun_memory::is_in_memory(state.path());
    let memory = &answer["memory"];
    assert_eq!(step["figure"], if in_memory { "files" } else { "disk" });
    assert_eq!(memory["freed_bytes"] == 0, !in_memory, "{memory}");
    assert_eq!(memory["disk_given_back_bytes"] == 0, in_memory, "{memory}");
    let store = Store::open_existing(&path).unwrap().unwrap();
    let none = Retention {
        most_rows: 0,
        ..Retention::default()
    };
    assert_eq!(store.expired(&none).unwrap().rows, 2, "what is young stays");
    drop(store);

    let step = history(&["--force"])["steps"][0].clone();
    assert_eq!(step["outcome"], "nothing-to-gain", "{step}");
}
