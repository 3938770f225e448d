//! Where things are missing, hidden, hostile or gone in the middle of a look.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_memory-cleanup");

/// A script in mounts of its own; `None` where that can't be had.
fn in_own_mounts(script: &str) -> Option<Output> {
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if output.status.code() == Some(9)
        || output.status.code() == Some(1) && output.stdout.is_empty()
    {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

#[test]
fn without_proc_the_rest_is_told_and_the_error_is_clear() {
    let Some(output) = in_own_mounts(&format!(
        "umount -l /proc || exit 9; while umount -l /proc 2>/dev/null; do :; done; \
         {PROGRAM}; code=$?; {PROGRAM} --json >&2; exit $((code + 50))"
    )) else {
        return;
    };
    assert_eq!(output.status.code(), Some(51), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.starts_with("Memory Usage:\n[Before] RSS: unknown, Heap: "),
        "{text}"
    );
    assert!(text.contains("What could be given back"), "{text}");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("error: who holds memory can't be told: /proc"),
        "{error}"
    );
}

#[test]
fn where_processes_of_others_are_hidden_that_is_said() {
    let Some(output) = in_own_mounts(&format!(
        "mount -t proc -o hidepid=2 proc /proc || exit 9; \
         cp {PROGRAM} /tmp/saferun-hidepid-$$ || exit 9; chmod 755 /tmp/saferun-hidepid-$$; \
         setpriv --reuid 65534 --regid 65534 --clear-groups /tmp/saferun-hidepid-$$ --json; \
         code=$?; rm -f /tmp/saferun-hidepid-$$; exit $((code + 50))"
    )) else {
        return;
    };
    let Ok(answer) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("{output:?}");
    };
    assert_eq!(output.status.code(), Some(50));
    let unread = answer["advice"]["unread"].to_string();
    assert!(unread.contains("hidepid"), "{unread}");
}

#[test]
fn without_privileges_every_step_has_an_outcome_and_nothing_fails() {
    let name = format!("/tmp/saferun-unprivileged-{}", std::process::id());
    saferun_testbed::program::copy(PROGRAM.as_ref(), name.as_ref()).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .args([&*name, "--force", "--json"])
        .stdin(Stdio::null())
        .output();
    fs::remove_file(&name).unwrap();
    let Some(output) = output.ok().filter(|output| !output.stdout.is_empty()) else {
        eprintln!("skipped: another user can't be had");
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let steps = answer["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 8);
    let cache = steps
        .iter()
        .find(|step| step["name"] == "page-cache")
        .unwrap();
    if cache["outcome"] == "not-permitted" {
        assert!(
            cache["permit"].as_str().unwrap().contains("root"),
            "{cache}"
        );
    }
}

#[test]
fn names_that_would_harm_a_terminal_are_shown_as_escapes() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join(OsStr::from_bytes(b"mcp\n\x1b[31m\xffx"));
    saferun_testbed::program::copy("/bin/sleep".as_ref(), &program).unwrap();
    let rules = dir.path().join("rules.toml");
    fs::write(
        &rules,
        "[[rule]]\nname = \"odd\"\nkind = \"watcher\"\nprograms = [\"mcp*x\"]\nolder_than = \"1d\"\n",
    )
    .unwrap();
    // In the report as one that is kept: its session is that of this test.
    let status = Command::new("sh")
        .args(["-c", "\"$0\" 600 & echo $! > \"$1\"; exit 0"])
        .arg(&program)
        .arg(dir.path().join("pid"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    let mut harmless = true;
    let mut seen = false;
    for arguments in [&["--tree"][..], &["--json"]] {
        let output = Command::new(PROGRAM)
            .arg("--rules")
            .arg(&rules)
            .args(arguments)
            .output()
            .unwrap();
        harmless &= !output.stdout.contains(&0x1b) && std::str::from_utf8(&output.stdout).is_ok();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        seen |= text.contains("mcp\\n\\u{1b}[31m") || text.contains("mcp\\n\\u001b[31m");
    }
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    assert!(harmless && seen);
}

#[test]
fn processes_that_vanish_in_the_middle_of_a_look_are_no_failure() {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let status = Command::new("true").status().unwrap();
                    assert!(status.success());
                }
            });
        }
        let mut outputs = Vec::new();
        for _ in 0..20 {
            outputs.push(Command::new(PROGRAM).arg("--json").output());
        }
        over.store(true, Ordering::Relaxed);
        for output in outputs {
            let output = output.unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
    });
}
