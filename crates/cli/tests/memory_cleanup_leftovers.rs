//! Leftovers are found on proof and ended; what only looks like one stays.
//!
//! All processes are real: copies of `sleep` under names that rules know.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A place with programs that rules know, and those rules. What was started in it is ended with
/// it, by the path of its executable.
struct Place {
    dir: TempDir,
    children: Vec<Child>,
}

impl Place {
    fn new(older_than: &str, may_listen: bool) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        };
        for name in ["mcp-server-test", "my-mcp-server-test-notes", "helper"] {
            fs::copy("/bin/sleep", place.path(name)).unwrap();
        }
        fs::write(
            place.path("rules.toml"),
            format!(
                "[[rule]]\nname = \"test helper\"\nkind = \"mcp-server\"\n\
                 programs = [\"mcp-server-test\"]\nscripts = [\"mcp_test_listener.js\"]\n\
                 older_than = \"{older_than}\"\nmay_listen = {may_listen}\n"
            ),
        )
        .unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell script in a session of its own, with `$D` for the place, waited for.
    fn sh(&self, script: &str, environment: &[(&str, &str)]) {
        let status = self.command(script, environment).status().unwrap();
        assert!(status.success(), "{script}");
    }

    fn command(&self, script: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new("env");
        command
            // Under nohup all of these would look as if they were meant to stay.
            .args(["--default-signal=HUP", "setsid", "sh", "-c", script])
            .env("D", self.dir.path())
            .env_remove("SAFERUN_RUN")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The processes whose executable lies here, or that write here what they are.
    fn pids(&self, name: &str) -> Vec<u32> {
        pids_of(&self.path(name))
    }

    /// Waits until so many processes of the program are there.
    fn await_count(&self, name: &str, count: usize) -> Vec<u32> {
        let begun = Instant::now();
        loop {
            let pids = self.pids(name);
            if pids.len() == count {
                return pids;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{name}: {pids:?}, not {count}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Leftovers are always named here: those of whoever runs these tests are none of theirs.
    fn memory_cleanup(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"));
        command
            .arg("--rules")
            .arg(self.path("rules.toml"))
            .args(arguments)
            .env_remove("SAFERUN_RUN")
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    fn found(&self) -> Report {
        let output = self.memory_cleanup(&["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        Report(serde_json::from_slice(&output.stdout).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in ["mcp-server-test", "my-mcp-server-test-notes", "helper"] {
            for pid in self.pids(name) {
                kill(pid);
            }
        }
    }
}

struct Report(Value);

impl Report {
    fn is_found(&self, pid: u32) -> bool {
        let found = self.0["leftovers"]["found"].as_array().unwrap();
        found
            .iter()
            .any(|row| row["pids"].as_array().unwrap().contains(&pid.into()))
    }

    fn kept_because(&self, pid: u32) -> Option<String> {
        let kept = self.0["leftovers"]["kept"].as_array().unwrap();
        let row = kept.iter().find(|row| row["pid"] == pid)?;
        Some(row["why"].as_str().unwrap().to_owned())
    }
}

fn pids_of(executable: &Path) -> Vec<u32> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == executable) {
            pids.push(pid);
        }
    }
    pids
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    rest.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Where orphans don't fall to PID 1 (below a subreaper) nothing can be shown.
fn orphans_fall_to_init(pid: u32) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if parent(pid) == 1 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    eprintln!("skipped: orphans don't fall to PID 1 here");
    false
}

/// A shell gives `/dev/null` to what it starts in the background, unless told otherwise.
const TALKED_TO: &str = "exec 3<&0; \"$D/mcp-server-test\" 600 <&3 3<&- & exit 0";
const ORPHAN: &str = "\"$D/mcp-server-test\" 600 & exit 0";

#[test]
fn an_orphan_that_a_rule_names_is_found_with_evidence_and_ended_when_that_is_asked_for() {
    let place = Place::new("0s", false);
    // With a child of its own, which goes with it.
    place.sh("sh -c 'exec \"$D/mcp-server-test\" 600' & exit 0", &[]);
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    let report = place.found();
    assert!(report.is_found(pid), "{:?}", report.kept_because(pid));
    let text = place.memory_cleanup(&[]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for evidence in [
        "orphaned",
        "test helper",
        "leader of its session",
        "no terminal",
    ] {
        assert!(text.contains(evidence), "{evidence} is missing in {text}");
    }
    // Nobody to ask: nothing happens.
    let output = place.memory_cleanup(&[&format!("--leftovers={pid}")]);
    assert_eq!(output.status.code(), Some(2));
    let dry = place.memory_cleanup(&[&format!("--leftovers={pid}"), "--yes", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0));
    assert_eq!(place.pids("mcp-server-test"), [pid]);

    let output = place.memory_cleanup(&[&format!("--leftovers={pid}"), "--yes", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = answer["leftovers"]["ended"].as_array().unwrap();
    assert!(
        ended
            .iter()
            .any(|row| row["pid"] == pid && row["ended"] == 1)
    );
    assert!(place.pids("mcp-server-test").is_empty());
}

#[test]
fn who_ignores_the_request_is_killed() {
    let place = Place::new("0s", false);
    place.sh("trap '' TERM; \"$D/mcp-server-test\" 600 & exit 0", &[]);
    let pid = place.await_count("mcp-server-test", 1)[0];
    if !orphans_fall_to_init(pid) {
        return;
    }
    let output = place.memory_cleanup(&[&format!("--leftovers={pid}"), "--yes", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = answer["leftovers"]["ended"].as_array().unwrap();
    assert!(
        ended
            .iter()
            .any(|row| row["pid"] == pid && row["killed"] == 1),
        "{answer}"
    );
    assert!(place.pids("mcp-server-test").is_empty());
}

#[test]
fn what_carries_the_mark_of_a_run_goes_when_that_run_is_over() {
    let place = Place::new("1d", false);
    // The number of a process that has surely ended: it was ours.
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    let own = std::process::id();
    let over = format!("6b05e20b-{dead:x}-7c50b1a0");
    let alive = format!("6b05e20b-{own:x}-7c50b1a1");
    let script = "\"$D/helper\" 600 & exit 0";
    for (mark, is_over) in [(&*over, true), (&*alive, false), ("garbage", false)] {
        place.sh(script, &[("SAFERUN_RUN", mark)]);
        let pid = place.await_count("helper", 1)[0];
        if !orphans_fall_to_init(pid) {
            return;
        }
        let report = place.found();
        assert_eq!(report.is_found(pid), is_over, "{mark}");
        assert_eq!(report.kept_because(pid).is_none(), is_over, "{mark}");
        kill(pid);
        place.await_count("helper", 0);
    }
    // A guard that lives vouches for its run by the name among its arguments.
    place.sh(script, &[("SAFERUN_RUN", &*over)]);
    let pid = place.await_count("helper", 1)[0];
    let mut guard = Command::new("sh")
        .args(["-c", "read line", "__guard", &over])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let report = place.found();
    assert!(
        report
            .kept_because(pid)
            .is_some_and(|why| why.contains("guard"))
    );
    guard.kill().unwrap();
    guard.wait().unwrap();
    assert!(place.found().is_found(pid));
}

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

#[test]
fn rules_that_are_wrong_are_a_usage_error_with_their_place() {
    let place = Place::new("soon", false);
    let output = place.memory_cleanup(&[]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("rules.toml") && error.contains("line 6"),
        "{error}"
    );
}
