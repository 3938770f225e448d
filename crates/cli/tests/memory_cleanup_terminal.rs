//! The question that `--leftovers` asks, on a real terminal.
#![cfg(target_os = "linux")]

mod leftovers_place;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus};

use leftovers_place::{ORPHAN, Place, orphans_fall_to_init};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// The master's and the other end of a new terminal.
fn terminal() -> Option<(File, OwnedFd)> {
    let open = || -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(&*name, flags, Mode::empty())?;
        Ok((master, slave))
    };
    match open() {
        Ok((master, slave)) => Some((File::from(master), slave)),
        Err(error) => {
            eprintln!("skipped: no terminal can be had: {error}");
            None
        }
    }
}

/// What is said on a terminal that is typed on once the question stands, and how that ended.
fn said(place: &Place, pid: u32, typed: &str) -> Option<(String, ExitStatus)> {
    let (mut master, slave) = terminal()?;
    let mut command = Command::new("setsid");
    command
        .args(["--ctty", "--wait"])
        .arg(assert_cmd::cargo::cargo_bin!("memory-cleanup"))
        .arg(format!("--leftovers={pid}"))
        .arg("--rules")
        .arg(place.path("rules.toml"))
        .env_remove("SAFERUN_RUN")
        .stdin(slave.try_clone().unwrap())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave);
    let mut child = command.spawn().unwrap();
    // It holds ends of the terminal too, whose close is the end of what can be read.
    drop(command);
    let mut text = Vec::new();
    let mut block = [0; 4096];
    let mut typed = Some(typed);
    // A terminal without another end is an error to read.
    while let Ok(count @ 1..) = master.read(&mut block) {
        text.extend_from_slice(&block[..count]);
        if text.ends_with(b"[y/N] ")
            && let Some(typed) = typed.take()
        {
            master.write_all(typed.as_bytes()).unwrap();
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    Some((text, child.wait().unwrap()))
}

#[test]
fn only_yes_ends_what_was_listed() {
    let place = Place::new("0s", false);
    place.sh(ORPHAN, &[]);
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    // No, nothing, something else, and the end of what is typed (Ctrl-D).
    for typed in ["n\n", "\n", "maybe\n", "\u{4}"] {
        let Some((text, status)) = said(&place, pid, typed) else {
            return;
        };
        assert_eq!(status.code(), Some(0), "{typed:?}: {text}");
        let listed = text.find(&pid.to_string()).unwrap();
        let asked = text.find("End these 1 process? [y/N] ").unwrap();
        assert!(listed < asked, "{text}");
        assert!(text.contains("not ended, as you said"), "{text}");
        assert!(!text.contains("Cleanup Results"), "{text}");
        assert_eq!(place.pids("mcp-server-test"), [pid], "{typed:?}");
    }
    let Some((text, status)) = said(&place, pid, "y\n") else {
        return;
    };
    assert_eq!(status.code(), Some(0), "{text}");
    assert!(text.contains("ended 1 process"), "{text}");
    assert!(place.pids("mcp-server-test").is_empty());
}

#[test]
fn an_interrupt_at_the_question_ends_nothing() {
    let place = Place::new("0s", false);
    place.sh(ORPHAN, &[]);
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    if let Some((text, status)) = said(&place, pid, "\u{3}") {
        assert!(!status.success(), "{text}");
        assert_eq!(place.pids("mcp-server-test"), [pid]);
    }
}
