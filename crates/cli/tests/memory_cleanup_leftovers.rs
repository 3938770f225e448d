//! Leftovers are found on proof, and ended when that is asked for.
#![cfg(target_os = "linux")]

mod leftovers_place;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use leftovers_place::{Place, SHELL, TALKED_TO, kill, orphans_fall_to_init};
use serde_json::Value;

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
    let own = std::process::id();
    let over = run_that_is_over();
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

/// A run that is over: its runner's number is that of a process of ours which has ended.
fn run_that_is_over() -> String {
    let mut child = Command::new("true").spawn().unwrap();
    let dead = child.id();
    child.wait().unwrap();
    format!("6b05e20b-{dead:x}-7c50b1a0")
}

/// A group that holds so many processes at most, should a script of these tests get out of hand.
/// They count their processes themselves too, for where there is no such group.
struct Cap(PathBuf);

impl Cap {
    fn new(name: &str, count: u32) -> Self {
        let group = format!("saferun-test-{}-{name}", std::process::id());
        let dir = PathBuf::from("/sys/fs/cgroup/pids").join(group);
        if fs::create_dir(&dir).is_ok() {
            fs::write(dir.join("pids.max"), count.to_string()).unwrap();
        }
        Self(dir)
    }

    /// What a shell does to be in it.
    fn join(&self) -> String {
        let procs = self.0.join("cgroup.procs");
        format!("echo $$ 2>/dev/null > {} || :; ", procs.display())
    }
}

impl Drop for Cap {
    fn drop(&mut self) {
        // Those that were killed may take a moment to leave it.
        for _ in 0..200 {
            if fs::remove_dir(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn ended_row(place: &Place, pid: u32) -> Value {
    let output = place.memory_cleanup(&[&format!("--leftovers={pid}"), "--yes", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended = answer["leftovers"]["ended"].as_array().unwrap();
    let row = ended.iter().find(|row| row["pid"] == pid);
    row.unwrap_or_else(|| panic!("{answer}")).clone()
}

/// Asked to end, it starts three of its kind, which do the same, so many times.
const HYDRA: &str = "depth=$1; trap '
    if [ $depth -gt 0 ]; then for head in 1 2 3; do
        \"$D/forker\" \"$D/hydra\" $((depth - 1)) &
    done; fi
    exit 0' TERM
\"$D/helper\" 600 & wait";

#[test]
fn what_it_starts_when_it_is_asked_to_end_goes_too_and_nothing_else_of_its_run() {
    let place = Place::new("1d", false);
    let cap = Cap::new("hydra", 100);
    let over = run_that_is_over();
    fs::write(place.path("hydra"), HYDRA).unwrap();
    let marked = [("SAFERUN_RUN", &*over)];
    // Of the same run, and kept, as somebody talks to it.
    let mut command = place.command(TALKED_TO, &marked);
    let mut talker = command.stdin(Stdio::piped()).spawn().unwrap();
    let _pipe = talker.stdin.take();
    talker.wait().unwrap();
    let kept = place.await_count("mcp-server-test", 1)[0];
    // Of the same run, a leftover by itself, and not named.
    place.sh("\"$D/my-mcp-server-test-notes\" 600 & exit 0", &marked);
    let other = place.await_count("my-mcp-server-test-notes", 1)[0];
    let script = cap.join() + "\"$D/forker\" \"$D/hydra\" 2 & exit 0";
    place.sh(&script, &marked);
    // Its trap is set before that.
    place.await_count("helper", 1);
    let hydra = place.await_count(SHELL, 1)[0];
    if !orphans_fall_to_init(hydra) || !orphans_fall_to_init(kept) {
        return;
    }
    let report = place.found();
    assert!(report.is_found(hydra) && report.is_found(other) && !report.is_found(kept));

    let row = ended_row(&place, hydra);
    assert!(row["chased"].as_u64().unwrap() >= 3, "{row}");
    assert_eq!(row["left"], Value::Array(Vec::new()), "{row}");
    assert!(place.pids(SHELL).is_empty() && place.pids("helper").is_empty());
    assert_eq!(place.pids("mcp-server-test"), [kept]);
    assert_eq!(place.pids("my-mcp-server-test-notes"), [other]);
}

#[test]
fn one_that_never_stops_forking_is_ended_with_all_that_it_has_started() {
    let place = Place::new("1d", false);
    let cap = Cap::new("forks", 500);
    let over = run_that_is_over();
    let forks =
        "n=0; while [ $n -lt 400 ]; do n=$((n + 1)); \"$D/helper\" 600 & sleep 0.01; done; wait";
    fs::write(place.path("forks"), forks).unwrap();
    let script = cap.join() + "\"$D/forker\" \"$D/forks\" & exit 0";
    place.sh(&script, &[("SAFERUN_RUN", &*over)]);
    let forker = place.await_count(SHELL, 1)[0];
    if !orphans_fall_to_init(forker) {
        return;
    }
    let row = ended_row(&place, forker);
    assert_eq!(row["left"], Value::Array(Vec::new()), "{row}");
    assert!(place.pids(SHELL).is_empty() && place.pids("helper").is_empty());
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
