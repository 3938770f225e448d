//! The `memory-cleanup` program as a person and a program use it.

use std::process::{Command, Output};

use serde_json::Value;

fn memory_cleanup(arguments: &[&str]) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"))
        .args(arguments)
        .output()
        .expect("starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Whether a line is `[Word] RSS: 12MB, Heap: 3/4MB`.
fn is_memory_line(line: &str, word: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let figures = line
        .strip_prefix(&format!("[{word}] RSS: "))
        .and_then(|rest| rest.split_once("MB, Heap: "));
    let Some((rss, heap)) = figures else {
        return false;
    };
    let heap = heap
        .strip_suffix("MB")
        .and_then(|heap| heap.split_once('/'));
    number(rss) && heap.is_some_and(|(used, total)| number(used) && number(total))
}

#[test]
fn without_force_it_says_what_there_is_and_what_could_be_done() {
    let output = memory_cleanup(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("Memory Usage:"));
    assert!(is_memory_line(lines.next().unwrap(), "Before"), "{text}");
    assert!(
        !text.contains("[After]") && !text.contains("Freed:"),
        "{text}"
    );
    assert!(output.stderr.is_empty());
}

#[test]
fn with_force_it_says_what_was_done_and_what_that_brought() {
    let output = memory_cleanup(&["--force", "--only", "allocator"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Memory Usage:");
    let place = |wanted: &str| lines.iter().position(|line| line.starts_with(wanted));
    let results = place("Cleanup Results:").expect("results");
    let freed = place("Freed: ").expect("what was freed");
    assert!(results < freed && lines[freed].ends_with("MB"), "{text}");
    assert!(is_memory_line(lines.last().unwrap(), "After"), "{text}");
}

#[test]
fn a_dry_run_does_nothing_however_much_force_there_is() {
    for arguments in [&["--dry-run", "--force"][..], &["--dry-run"]] {
        let output = memory_cleanup(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(!stdout(&output).contains("Cleanup Results:"));
    }
}

#[test]
fn json_has_the_same_keys_whatever_was_asked() {
    for arguments in [
        &["--json"][..],
        &["--json", "--force", "--only", "allocator"],
    ] {
        let value = json(&memory_cleanup(arguments));
        let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "memory",
                "machine",
                "holders",
                "leftovers",
                "steps",
                "advice"
            ]
        );
        assert!(value["memory"]["before"]["rss_bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn json_is_as_its_schema_says() {
    let schema = include_str!("../../../docs/schema/memory-cleanup.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for arguments in [
        &["--json"][..],
        &["--json", "--force", "--only", "allocator,jvm,page-out"],
        &["--json", "--force", "--dry-run", "--signal-node"],
    ] {
        let value = json(&memory_cleanup(arguments));
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{arguments:?}");
    }
}

#[test]
fn help_and_completions_are_answers() {
    let output = memory_cleanup(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for step in [
        "allocator",
        "page-cache",
        "page-out",
        "node",
        "jvm",
        "tmpfs",
    ] {
        assert!(text.contains(step), "{step}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let output = memory_cleanup(&["--completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("signal-node"), "{shell}");
    }
}

#[test]
fn both_programs_have_manual_pages() {
    let program = std::path::Path::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"));
    let writer = program.with_file_name("examples").join("man_pages");
    if !writer.exists() {
        eprintln!("skipped: the example man_pages is not built");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(writer).arg(dir.path()).status().unwrap();
    assert!(status.success());
    for (name, words) in [
        ("saferun.1", ["saferun", "completions"]),
        ("memory-cleanup.1", ["page\\-cache", "signal\\-node"]),
    ] {
        let page = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(page.contains(".TH "), "{name}");
        for word in words {
            assert!(page.contains(word), "{name}: {word}");
        }
    }
    for script in ["memory-cleanup.bash", "saferun.bash", "saferun.fish"] {
        assert!(dir.path().join(script).exists(), "{script}");
    }
}

#[test]
fn an_answer_that_nobody_reads_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"))
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    for arguments in [&["--only", "everything"][..], &["--no-such"], &["word"]] {
        let output = memory_cleanup(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}
