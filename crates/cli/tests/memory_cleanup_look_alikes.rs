//! What only looks like a leftover stays, and the reason is told.
#![cfg(target_os = "linux")]

mod leftovers_place;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use leftovers_place::{ORPHAN, Place, TALKED_TO, kill, orphans_fall_to_init};

#[test]
fn look_alikes_stay() {
    let mut place = Place::new("0s", false);
    // A process whose name only contains the word.
    place.sh("\"$D/my-mcp-server-test-notes\" 600 & exit 0", &[]);
    let notes = place.await_count("my-mcp-server-test-notes", 1)[0];
    if !orphans_fall_to_init(notes) {
        return;
    }
    // One that leads its own session, as what a service manager starts does.
    place.sh("setsid --fork \"$D/mcp-server-test\" 600", &[]);
    let service = place.await_count("mcp-server-test", 1)[0];
    // One that was meant to stay.
    place.sh("nohup \"$D/mcp-server-test\" 600 & exit 0", &[]);
    let both = place.await_count("mcp-server-test", 2);
    let meant = *both.iter().find(|pid| **pid != service).unwrap();
    // Another session's helper: its parent lives.
    place.children.push(
        place
            .command("\"$D/mcp-server-test\" 600; exit 0", &[])
            .spawn()
            .unwrap(),
    );
    let two = place.await_count("mcp-server-test", 3);
    let helper = *two.iter().find(|pid| !both.contains(pid)).unwrap();
    // One whose parent is gone, but whose session lives on.
    place.children.push(
        place
            .command("(\"$D/mcp-server-test\" 600 &) ; \"$D/helper\" 600", &[])
            .spawn()
            .unwrap(),
    );
    let three = place.await_count("mcp-server-test", 4);
    let sessions = *three.iter().find(|pid| !two.contains(pid)).unwrap();
    // One that somebody talks to through a pipe.
    let mut piped = place.command(TALKED_TO, &[]);
    piped.stdin(Stdio::piped());
    let mut talker = piped.spawn().unwrap();
    let _pipe = talker.stdin.take();
    talker.wait().unwrap();
    let four = place.await_count("mcp-server-test", 5);
    let piped = *four.iter().find(|pid| !three.contains(pid)).unwrap();
    // One that somebody talks to through a pair of sockets, as Node's children are talked to.
    let (here, there) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut paired = place.command(TALKED_TO, &[]);
    paired.stdin(std::os::fd::OwnedFd::from(there));
    assert!(paired.status().unwrap().success());
    drop(paired);
    let five = place.await_count("mcp-server-test", 6);
    let paired = *five.iter().find(|pid| !four.contains(pid)).unwrap();

    let report = place.found();
    for (pid, what) in [
        (notes, "a name that contains the word"),
        (service, "a service"),
        (meant, "one under nohup"),
        (helper, "another session's helper"),
        (sessions, "an orphan whose session lives"),
        (piped, "one with a pipe"),
        (paired, "one with a socket"),
    ] {
        assert!(!report.is_found(pid), "{what}: {pid}");
    }
    let why = |pid| report.kept_because(pid).unwrap_or_default();
    assert!(
        why(service).contains("leads its own session"),
        "{}",
        why(service)
    );
    assert!(why(meant).contains("hang-ups"), "{}", why(meant));
    assert!(
        why(sessions).contains("leader of its session"),
        "{}",
        why(sessions)
    );
    assert!(why(piped).contains("pipe"), "{}", why(piped));
    assert!(why(paired).contains("socket"), "{}", why(paired));
    assert_eq!(report.kept_because(notes), None);

    // Naming them makes no leftovers of them.
    for pid in [notes, service, meant, helper, sessions, piped, paired] {
        let output = place.memory_cleanup(&[&format!("--leftovers={pid}"), "--yes"]);
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(place.pids("mcp-server-test").len(), 6);
    assert_eq!(place.pids("my-mcp-server-test-notes").len(), 1);

    // Once the other end is closed nobody talks to it any more.
    drop(here);
    assert!(place.found().is_found(paired));
}

#[test]
fn an_orphan_of_a_living_session_that_we_belong_to_is_kept() {
    let place = Place::new("0s", false);
    // No session of its own: that of this test.
    let status = Command::new("sh")
        .args(["-c", ORPHAN])
        .env("D", place.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .status()
        .unwrap();
    assert!(status.success());
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    let report = place.found();
    assert!(!report.is_found(pid));
    let why = report.kept_because(pid).unwrap();
    assert!(why.contains("belongs to this session"), "{why}");
}

#[test]
fn a_young_one_is_kept() {
    let place = Place::new("1h", false);
    place.sh(ORPHAN, &[]);
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    let why = place.found().kept_because(pid).unwrap();
    assert!(why.contains("younger"), "{why}");
}

#[test]
fn a_service_with_a_listener_is_kept_and_with_a_client_in_any_case() {
    let Ok(node) = which("node") else {
        eprintln!("skipped: no node on the path");
        return;
    };
    for may_listen in [false, true] {
        let place = Place::new("0s", may_listen);
        fs::write(
            place.path("mcp_test_listener.js"),
            "const fs = require('fs');\
             const server = require('net').createServer(() => {});\
             server.listen(0, '127.0.0.1', () => {\
               fs.writeFileSync(process.argv[2] + '.new', process.pid + ' ' + server.address().port);\
               fs.renameSync(process.argv[2] + '.new', process.argv[2]); });",
        )
        .unwrap();
        let script = format!(
            "{} \"$D/mcp_test_listener.js\" \"$D/port\" & exit 0",
            node.display()
        );
        place.sh(&script, &[]);
        let begun = Instant::now();
        let text = loop {
            if let Ok(text) = fs::read_to_string(place.path("port")) {
                break text;
            }
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(10));
        };
        let (pid, port) = text.split_once(' ').unwrap();
        let (pid, port): (u32, u16) = (pid.parse().unwrap(), port.parse().unwrap());
        let _ended = EndOf(pid);
        if !orphans_fall_to_init(pid) {
            return;
        }
        let report = place.found();
        assert_eq!(
            report.is_found(pid),
            may_listen,
            "{:?}",
            report.kept_because(pid)
        );
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let why = place.found().kept_because(pid).unwrap();
        assert!(why.contains("client is connected"), "{why}");
        drop(client);
    }
}

struct EndOf(u32);

impl Drop for EndOf {
    fn drop(&mut self) {
        kill(self.0);
    }
}

fn which(program: &str) -> Result<PathBuf, ()> {
    let path = std::env::var_os("PATH").ok_or(())?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
        .ok_or(())
}
