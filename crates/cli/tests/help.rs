//! What the command says of itself.

mod common;

use std::process::Stdio;

use common::{saferun, stderr, stdout};

#[test]
fn help_texts() {
    let dir = tempfile::tempdir().unwrap();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_short", &["-h"]),
        ("run_help", &["run", "--help"]),
        ("run_help_short", &["run", "-h"]),
        ("status_help", &["status", "--help"]),
        ("demo_help", &["demo", "--help"]),
    ] {
        let output = saferun(dir.path())
            .args(arguments)
            .env("COLUMNS", "100")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        insta::assert_snapshot!(name, stdout(&output));
    }
}

#[test]
fn no_arguments_at_all_is_a_question() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Usage: saferun"));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["--version"],
        &["status"],
        &["status", "--why"],
        &["status", "--json"],
        &["completions", "bash"],
        &["run", "--dry-run", "echo", ":::", "a", "b"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = saferun(dir.path())
            .args(arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn status_answers_on_standard_output() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["status", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["machine"]["total_bytes"].as_u64().unwrap() > 0);
    assert!(answer["plan"]["budget_bytes"].is_u64());
    let output = saferun(dir.path())
        .args(["status", "--why"])
        .output()
        .unwrap();
    assert!(stdout(&output).contains("What memory there is"));
    assert!(stderr(&output).is_empty());
}

#[test]
fn completions_are_a_script() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["completions", "bash"])
        .output()
        .unwrap();
    assert!(stdout(&output).contains("--keep-order"));
}
