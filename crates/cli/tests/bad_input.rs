//! Whatever is wrong with the command line or its input is told in one line with a way out.

mod common;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use common::{saferun, stderr, with_input};

/// A command line, split at blanks, and what its one line must hold.
const TABLE: &[(&str, &str)] = &[
    ("run --memroy 4G true", "--memory"),
    ("run --no-such-thing true", "--no-such-thing"),
    ("run -j", "--jobs"),
    ("run -j 0 true", "'0'"),
    ("run -j -1 true", "'-1' is no value"),
    ("run -j many true", "or auto"),
    ("run --memory 4X true", "'4X'"),
    ("run --memory -5M true", "'-5M'"),
    ("run --memory= true", "--memory"),
    ("run --memory 101% true", "'101%'"),
    ("run --memory 4G --memory 5G true", "twice"),
    ("run --reserve lots true", "512M"),
    ("run --task-memory 50% true", "'50%'"),
    ("run --strategy batches true", "continuous"),
    ("run --preempt always true", "eager"),
    ("run --retries -1 true", "-1"),
    ("run --retries few true", "'few'"),
    ("run --timeout 5x true", "500ms"),
    ("run --timeout 0 true", "above zero"),
    ("run --grace soon true", "500ms"),
    ("run --halt now,fail=0 true", "fail=N%"),
    ("run --progress loud true", "plain"),
    ("run --json=. true", "'.' can't be written: is a directory"),
    ("run --json=no/such/dir true", "no such file or directory"),
    ("run", "no command"),
    ("run -j 2", "no command"),
    ("run --", "no command"),
    (
        "run -a missing echo {}",
        "'missing' can't be read: no such file or directory",
    ),
    ("run -a . echo {}", "'.' can't be read: it is a directory"),
    ("run -a list echo {} ::: a", "both after ::: and with -a"),
    ("run -0 echo ::: a", "leave -0 out"),
    ("run echo ::: a ::: b", "more than one :::"),
    ("runn true", "saferun run"),
    ("--vrbose", "--vrbose"),
    ("--memory 4G run true", "follow the word run"),
    ("help", "saferun --help"),
    ("status --wat", "try: saferun status --help"),
    ("status extra", "'extra'"),
    ("demo --pears", "--peers"),
    ("completions tcsh", "bash"),
];

fn assert_one_line(arguments: &[&OsStr], dir: &std::path::Path, holds: &str) -> String {
    let output = saferun(dir).args(arguments).output().expect("runs");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(
        said.starts_with("error: ") && said.contains("; try: "),
        "{arguments:?}: {said}"
    );
    assert!(said.contains(holds), "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn each_is_one_line_with_cause_and_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut all = String::new();
    for (line, holds) in TABLE {
        let arguments: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let said = assert_one_line(&arguments, dir.path(), holds);
        all.push_str(&format!("$ saferun {line}\n{said}"));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_file_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("list");
    std::fs::write(&list, "a\n").unwrap();
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::File::open(&list).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let arguments = ["run", "-a", "list", "echo", "{}"].map(OsStr::new);
    assert_one_line(&arguments, dir.path(), "permission denied");
}

#[test]
fn values_must_be_text_but_the_command_need_not() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = OsStr::from_bytes(b"\xff\xfe");
    for option in [
        "--memory",
        "--strategy",
        "--timeout",
        "-j",
        "--halt",
        "--progress",
    ] {
        assert_one_line(
            &[OsStr::new("run"), OsStr::new(option), bytes],
            dir.path(),
            "\u{fffd}",
        );
    }
    assert_one_line(
        &[OsStr::new("run"), OsStr::from_bytes(b"--\xff")],
        dir.path(),
        "\u{fffd}",
    );
    assert_one_line(&[bytes], dir.path(), "\u{fffd}");
}

#[test]
fn a_shell_command_that_has_no_place_for_an_item() {
    let dir = tempfile::tempdir().unwrap();
    for (script, holds) in [
        ("echo \"{}\"", "leave the quotes around {} out"),
        ("echo '{}'", "inside quotes"),
        ("echo $(({} + 1))", "arithmetic"),
        ("cat <<E {}\nE", "here-document"),
        ("echo hi;", "write {} where the item belongs"),
        ("echo 'hi", "ends inside single quotes"),
        (" ", "the command is empty"),
    ] {
        let arguments = ["run", script, ":::", "a"].map(OsStr::new);
        assert_one_line(&arguments, dir.path(), holds);
    }
    // Without any items the mark in quotes is an error too, not a program that prints {}.
    let arguments = ["run", "echo \"{}\""].map(OsStr::new);
    assert_one_line(&arguments, dir.path(), "inside quotes");
    let arguments = ["run", "", ":::", "a"].map(OsStr::new);
    assert_one_line(&arguments, dir.path(), "the command is empty");
}

#[test]
fn items_that_no_program_can_take() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &[u8], holds: &str| {
        for extra in [&["--dry-run"][..], &["--progress", "none"]] {
            let mut command = saferun(dir.path());
            command.arg("run").args(extra).args(arguments);
            let output = with_input(command, input);
            let said = stderr(&output);
            let last = said.lines().last().unwrap_or_default();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
            assert!(
                said.contains(holds) && last.contains("; try: "),
                "{arguments:?}: {said}"
            );
            assert!(last.len() < 400, "{last}");
        }
    };
    run(
        &["true", "{}"],
        b"fine\na\0b\n",
        "line 2 of standard input holds a NUL byte",
    );
    run(
        &["true", "{}"],
        &vec![b'x'; 200_000],
        "line 1 of standard input ('xxxxxxxxxxxxxxxx…xxxxxxxx')",
    );
    run(
        &["true", "{}{}"],
        &vec![b'x'; 70_000],
        "140000 bytes, and the system takes 131071",
    );
    run(
        &["-0", "true"],
        &[&b"a\0"[..], &vec![b'y'; 200_000]].concat(),
        "record 2 of standard input",
    );
    run(&[], &vec![b'z'; 200_000], "line 1 of standard input");
    let many: Vec<OsString> = (0..100)
        .map(|_| OsString::from_vec(vec![b'w'; 70_000]))
        .collect();
    let output = saferun(dir.path())
        .args(["run", "--dry-run", "true", "{}{}", ":::"])
        .args(&many[..2])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(2));
}
