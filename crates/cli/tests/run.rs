//! Real tasks under the built command.

mod common;

use std::process::Output;

use common::{saferun, stderr, stdout, with_input};

fn run(arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    saferun(dir.path())
        .arg("run")
        .args(arguments)
        .output()
        .unwrap()
}

fn run_with(arguments: &[&str], input: &[u8]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = saferun(dir.path());
    command.arg("run").args(arguments);
    with_input(command, input)
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn a_single_command_passes_its_output_and_tells_a_summary() {
    let output = run(&["echo", "hello"]);
    assert_eq!(
        (code(&output), stdout(&output).as_str()),
        (Some(0), "hello\n")
    );
    let said = stderr(&output);
    assert!(
        said.starts_with("saferun: done in ") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn exit_codes() {
    assert_eq!(code(&run(&["true"])), Some(0));
    assert_eq!(code(&run(&["false"])), Some(1));
    assert_eq!(code(&run(&["no-such-program"])), Some(1));
    assert_eq!(code(&run(&["kill -9 $$"])), Some(1));
    assert_eq!(
        code(&run(&["sh", "-c", "exit {}", ":::", "0", "7"])),
        Some(1)
    );
    // What is wrong with the input outweighs what failed.
    assert_eq!(
        code(&run_with(&["sh", "-c", "exit {}"], b"1\n1\0\n")),
        Some(2)
    );
    let output = run(&["--memory", "1", "true"]);
    assert_eq!(code(&output), Some(2), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}

#[test]
fn failures_are_named_with_their_reason() {
    let output = run(&["-j", "2", "sh", "-c", "exit {}", ":::", "0", "3"]);
    let said = stderr(&output);
    assert!(said.contains("failed: 3 (exit status 3)"), "{said}");
    assert!(said.contains("1 done, 1 failed"), "{said}");
    let output = run(&[
        "--progress",
        "none",
        "-j",
        "2",
        "no-such-program",
        ":::",
        "x",
    ]);
    assert!(
        stderr(&output).contains("failed: x (not started: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn one_by_one_says_how_to_turn_parallel_on() {
    let hint = "add -j auto";
    assert!(stderr(&run(&["true", ":::", "a", "b"])).contains(hint));
    assert!(!stderr(&run(&["-j", "auto", "true", ":::", "a", "b"])).contains(hint));
    assert!(!stderr(&run(&["--strategy", "sequential", "true", ":::", "a"])).contains(hint));
    assert!(!stderr(&run(&["true"])).contains(hint));
}

#[test]
fn bytes_pass_unchanged() {
    let input = b"\xff\xfe\n\xc3(\n";
    let output = run_with(&["-k", "-j", "2", "printf", "%s\\n", "{}"], input);
    assert_eq!(
        (code(&output), output.stdout.as_slice()),
        (Some(0), &input[..])
    );
    let output = run_with(&["-k", "-j", "2", "printf '%s|' {}"], input);
    assert_eq!(output.stdout, b"\xff\xfe|\xc3(|");
    let output = run_with(
        &["-0", "-k", "-j", "2", "printf", "[%s]"],
        b"a\nb\0\0$(x)`y`'\"\0",
    );
    assert_eq!(output.stdout, b"[a\nb][][$(x)`y`'\"]");
    let output = run(&["printf '\\000\\377\\n'; printf '\\376' >&2"]);
    assert_eq!(output.stdout, b"\0\xff\n");
    assert!(output.stderr.starts_with(b"\xfe"));
}

#[test]
fn output_can_be_kept_in_order_and_tagged() {
    // Later items are done first, by waiting for one another.
    let dir = tempfile::tempdir().unwrap();
    let script = "n={}; while [ $n -lt 3 ] && [ ! -e done-$((n + 1)) ]; do sleep 0.01; done; echo $n; : > done-$n";
    let output = saferun(dir.path())
        .args([
            "run",
            "-j",
            "3",
            "--keep-order",
            "--tag",
            script,
            ":::",
            "1",
            "2",
            "3",
        ])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "1\t1\n2\t2\n3\t3\n", "{}", stderr(&output));
}

#[test]
fn lines_can_be_handed_on_as_they_come() {
    let output = run(&[
        "-j",
        "2",
        "--line-buffer",
        "--tag",
        "echo a; echo b",
        ":::",
        "x",
    ]);
    // The item is appended to the last command.
    assert_eq!(stdout(&output), "x\ta\nx\tb x\n");
}

#[test]
fn retries_and_timeouts() {
    let dir = tempfile::tempdir().unwrap();
    let script = "echo try >> tries-{}; [ $(wc -l < tries-{}) -ge 3 ]";
    let output = saferun(dir.path())
        .args(["run", "-j", "2", "--retries", "2", script, ":::", "a"])
        .output()
        .unwrap();
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let output = run(&["--timeout", "100ms", "--grace", "100ms", "sleep", "600"]);
    assert_eq!(code(&output), Some(1));
    assert!(stderr(&output).contains("timed out"), "{}", stderr(&output));
}

#[test]
fn failures_can_end_the_run() {
    let output = run(&[
        "--halt", "soon", "sh", "-c", "exit {}", ":::", "1", "0", "0",
    ]);
    assert_eq!(code(&output), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains("0 done, 1 failed") && said.contains("2 skipped"),
        "{said}"
    );
    let now = [
        "-j",
        "2",
        "--halt",
        "now",
        "[ {} = 0 ] && exit 1; sleep 600",
        ":::",
        "0",
        "1",
    ];
    let output = run(&now);
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
}

#[test]
fn standard_input_that_nobody_reads_is_mentioned() {
    let output = run_with(&["cat"], b"lines\n");
    assert_eq!((code(&output), stdout(&output).as_str()), (Some(0), ""));
    assert!(
        stderr(&output).contains("standard input was not read"),
        "{}",
        stderr(&output)
    );
    let output = run_with(&["cat"], b"");
    assert!(!stderr(&output).contains("not read"), "{}", stderr(&output));
    // Tasks find nothing on their standard input.
    let output = run_with(&["-j", "2", "cat", "{}"], b"-\n");
    assert_eq!((code(&output), stdout(&output).as_str()), (Some(0), ""));
}

#[test]
fn lines_are_commands() {
    let output = run_with(
        &["-k", "-j", "2"],
        b"echo {} | tr '{' '['\n\n# nothing\nexit 4",
    );
    assert_eq!((code(&output), stdout(&output).as_str()), (Some(1), "[}\n"));
    assert!(
        stderr(&output).contains("failed: exit 4 (exit status 4)"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn events_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = saferun(dir.path());
    command.args(["run", "-j", "2", "--json=events", "sh", "-c", "exit {}"]);
    let output = with_input(command, b"0\n3\n\xff\n");
    assert_eq!(code(&output), Some(1));
    assert!(
        stderr(&output).contains("1 done, 2 failed"),
        "{}",
        stderr(&output)
    );
    let text = std::fs::read_to_string(dir.path().join("events")).unwrap();
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "run_started");
    assert!(
        events
            .iter()
            .any(|e| e["event"] == "attempt_ended" && e["status"] == 3)
    );
    assert!(events.iter().any(|e| e["name_bytes"] == "ff"));
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["done"]),
        (&"run_ended".into(), &1.into())
    );

    let output = run(&["--json", "true"]);
    for line in stderr(&output).lines() {
        let _: serde_json::Value = serde_json::from_str(line).unwrap();
    }
}

#[test]
fn a_closed_output_ends_the_run_without_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = saferun(dir.path());
    command.args([
        "run",
        "-j",
        "2",
        "echo {}; [ {} = 1 ] || sleep 600",
        ":::",
        "1",
        "2",
        "3",
    ]);
    let output = command
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .unwrap();
    let said = stderr(&output);
    assert_eq!(code(&output), Some(1), "{said}");
    assert!(said.contains("nobody reads the output any more"), "{said}");
    assert!(!said.contains("panicked"), "{said}");

    // A closed standard error is nobody's concern.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = saferun(dir.path());
    command.args(["run", "-v", "-j", "2", "echo", ":::", "1", "2"]);
    let output = command
        .stderr(writer)
        .stdout(std::process::Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(code(&output), Some(0));
    assert_eq!(stdout(&output).len(), 4);
}

#[test]
fn descriptors_of_the_shell_can_be_named_on_every_tier() {
    // Where the guard is above the run, the command line is read twice but its files once.
    for tier in ["best", "tree"] {
        let dir = tempfile::tempdir().unwrap();
        let script = format!(
            r#""$0" run --containment {tier} -k -j 2 -a <(printf 'a\nb\n') --json=/dev/fd/7 echo 7> events"#
        );
        let output = std::process::Command::new("bash")
            .arg("-c")
            .arg(script)
            .arg(assert_cmd::cargo::cargo_bin!("saferun"))
            .current_dir(dir.path())
            .stdin(std::process::Stdio::null())
            .output();
        let output = match output {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return eprintln!("skipped: no bash here");
            }
            output => output.unwrap(),
        };
        assert_eq!(stdout(&output), "a\nb\n", "{tier}: {}", stderr(&output));
        let events = std::fs::read_to_string(dir.path().join("events")).unwrap();
        assert!(events.starts_with("{\"event\":\"run_started\""), "{events}");
        assert_eq!(events.matches("\"run_ended\"").count(), 1, "{events}");
    }
}
