//! What a task is born with.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsFd;

use saferun_executor::slot::Slots;
use saferun_executor::spawn::{SpawnError, SpawnRequest, candidates};
use saferun_executor::{Containment, RunId, guard};
use saferun_testbed::program;

use crate::support::{null, start, wait};

fn slots() -> Box<dyn Slots> {
    let id = RunId::new();
    guard::open(Containment::Best, &id, None)
        .expect("some containment")
        .0
}

/// Runs a program and returns what it wrote.
fn output(argv: &[&str]) -> Vec<u8> {
    let mut slots = slots();
    let slot = slots.take().expect("a slot");
    let mut file = tempfile::tempfile().expect("a file");
    let child = start(&mut *slots, slot, &RunId::new(), argv, &file).expect("it starts");
    assert_eq!(wait(&child).exit_status(), Some(0));
    file.rewind().expect("a file");
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).expect("readable");
    bytes
}

#[test]
fn it_inherits_no_descriptors_but_its_own_three() {
    let _open = [File::open("/").expect("a directory"), null()];
    let listed = output(&["ls", "/proc/self/fd"]);
    // The fourth is the one with which they are listed.
    assert_eq!(String::from_utf8_lossy(&listed), "0\n1\n2\n3\n");
}

#[test]
fn it_begins_with_default_signals_and_an_empty_mask() {
    // The test's runtime ignores SIGPIPE, as every Rust program does.
    let status = output(&["cat", "/proc/self/status"]);
    for line in String::from_utf8_lossy(&status).lines() {
        if line.starts_with("SigBlk") || line.starts_with("SigIgn") || line.starts_with("SigCgt") {
            assert!(line.ends_with("0000000000000000"), "{line}");
        }
    }
}

#[test]
fn it_leads_a_session_and_is_first_to_be_killed_for_memory() {
    let text = output(&[
        "sh",
        "-c",
        "cut -d' ' -f1,5,6 /proc/$$/stat; cat /proc/$$/oom_score_adj",
    ]);
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let ids: Vec<&str> = lines.next().expect("a line").split(' ').collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let own: i32 = std::fs::read_to_string("/proc/self/oom_score_adj")
        .expect("readable")
        .trim()
        .parse()
        .expect("a number");
    let raised: i32 = lines.next().expect("a line").parse().expect("a number");
    assert_eq!(raised, (own + 500).min(1000));
}

#[test]
fn arguments_reach_it_byte_for_byte() {
    let bytes: Vec<u8> = (1..=255).collect();
    let mut slots = slots();
    let slot = slots.take().expect("a slot");
    let mut file = tempfile::tempfile().expect("a file");
    let argv = ["printf", "%s|"].map(|text| CString::new(text).expect("no NUL"));
    let argv = argv
        .into_iter()
        .chain([
            CString::new(bytes.clone()).expect("no NUL"),
            CString::default(),
        ])
        .collect::<Vec<_>>();
    let null = null();
    let request = SpawnRequest {
        candidates: &candidates("printf".as_ref(), std::env::var_os("PATH").as_deref())
            .expect("no NUL"),
        argv: &argv,
        envp: &[],
        workdir: None,
        stdin: null.as_fd(),
        stdout: file.as_fd(),
        stderr: file.as_fd(),
    };
    let child = slots.spawn(slot, &request).expect("it starts");
    assert_eq!(wait(&child).exit_status(), Some(0));
    file.rewind().expect("a file");
    let mut written = Vec::new();
    file.read_to_end(&mut written).expect("readable");
    assert_eq!(written, [&bytes[..], b"||"].concat());
}

#[test]
fn what_can_t_be_started_says_why_and_leaves_the_slot_empty() {
    let mut slots = slots();
    let slot = slots.take().expect("a slot");
    let id = RunId::new();
    for (program, kind) in [
        ("/no/such/program", std::io::ErrorKind::NotFound),
        ("/proc/self/status", std::io::ErrorKind::PermissionDenied),
        ("/", std::io::ErrorKind::PermissionDenied),
        ("", std::io::ErrorKind::NotFound),
    ] {
        match start(&mut *slots, slot, &id, &[program], &null()) {
            Err(SpawnError::Exec {
                program: named,
                cause,
            }) => {
                assert_eq!(named, program);
                assert_eq!(cause.kind(), kind, "{program:?}");
            }
            other => panic!("{program:?}: {other:?}"),
        }
        assert!(slots.is_empty(slot).expect("readable"));
    }
}

#[test]
fn it_runs_in_its_directory_or_says_why_not() {
    let mut slots = slots();
    let slot = slots.take().expect("a slot");
    let mut file = tempfile::tempfile().expect("a file");
    let argv = ["pwd"].map(|text| CString::new(text).expect("no NUL"));
    let spawn = |slots: &mut dyn Slots, dir: &str| {
        let null = null();
        let request = SpawnRequest {
            candidates: &candidates("pwd".as_ref(), std::env::var_os("PATH").as_deref())
                .expect("no NUL"),
            argv: &argv,
            envp: &[],
            workdir: Some(&CString::new(dir).expect("no NUL")),
            stdin: null.as_fd(),
            stdout: file.as_fd(),
            stderr: file.as_fd(),
        };
        slots.spawn(slot, &request)
    };
    let child = spawn(&mut *slots, "/usr").expect("it starts");
    assert_eq!(wait(&child).exit_status(), Some(0));
    for dir in ["/no/such/directory", "/proc/self/status"] {
        match spawn(&mut *slots, dir) {
            Err(SpawnError::Workdir { directory, .. }) => assert_eq!(directory, dir),
            other => panic!("{dir}: {other:?}"),
        }
    }
    file.rewind().expect("a file");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("text");
    assert_eq!(text, "/usr\n");
}

#[test]
fn a_script_without_an_interpreter_line_runs_under_sh() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("script");
    program::write(&path, "echo \"$1 and $2\"\n").expect("written");
    let path = path.to_str().expect("text");
    assert_eq!(output(&[path, "one", "two"]), b"one and two\n");
}
