//! Real tasks whose memory is hard to count, or is refused to them.

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{saferun, stderr, until};
use saferun_testbed::cage::Cage;
use serde_json::Value;

const MIB: u64 = 1 << 20;

fn run(dir: &Path, arguments: &[&str]) -> Output {
    saferun(dir)
        .args(["run", "--json=events", "--no-history"])
        .args(arguments)
        .output()
        .unwrap()
}

fn events(dir: &Path) -> Vec<Value> {
    std::fs::read_to_string(dir.join("events"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

fn has(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join(program).is_file())
}

/// A parent that touches 100 MiB and forks five children, which share all of it with the parent.
const FAMILY: &str = "
    my $x = ''; my $n = 100 << 20; vec($x, $n - 1, 8) = 1;
    for (my $i = 0; $i < $n; $i += 4096) { substr($x, $i, 1) = 'y' }
    for (1 .. 5) { if (!fork) { select(undef, undef, undef, 1); exit 0 } }
    my $failed = 0; while (wait > 0) { $failed ||= $? } exit($failed ? 1 : 0)";

#[test]
fn memory_that_processes_share_since_a_fork_counts_once() {
    if !has("perl") {
        return println!("skipped: no perl here");
    }
    let dir = tempfile::tempdir().unwrap();
    let family = ["perl", "-e", FAMILY];
    let mut arguments = vec!["--containment=tree", "--memory=300M", "-j2"];
    arguments.extend(family);
    arguments.extend([":::", "a", "b"]);
    let output = run(dir.path(), &arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let events = events(dir.path());
    assert_eq!(named(&events, "preempting"), [&Value::Null; 0], "{said}");
    let end = events.last().unwrap();
    assert_eq!((&end["done"], &end["restarted"]), (&2.into(), &0.into()));
    let peak = end["peak_bytes"].as_u64().unwrap();
    assert!((180 * MIB..300 * MIB).contains(&peak), "{end}");
    for task in named(&events, "attempt_ended") {
        let peak = task["peak_bytes"].as_u64().unwrap();
        assert!((95 * MIB..140 * MIB).contains(&peak), "{task}");
    }
}

/// Reads into new memory until the system refuses it more, as its group is full, and fails soon
/// after; not so when its argument is a file that is there.
const SUFFERER: &str = r#"
    my ($marker) = @ARGV;
    exit 0 if -e $marker;
    if ($marker ne 'never') { open(my $made, '>', $marker) or die; close $made }
    open(my $zero, '<', '/dev/zero') or die;
    my $read = sysread($zero, my $all, 1 << 30);
    exit 0 if $read && $read == 1 << 30;
    select(undef, undef, undef, 0.05);
    exit 7;"#;

/// `saferun run` in a cage, with the sufferer as its task.
fn suffer(cage: &Cage, dir: &Path, arguments: &[&str]) -> Output {
    std::fs::write(dir.join("sufferer.pl"), SUFFERER).unwrap();
    cage.command(assert_cmd::cargo::cargo_bin!("saferun"))
        .args(["run", "--json=events", "--no-history"])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_remove("SAFERUN_SUPERVISED")
        .output()
        .unwrap()
}

fn cage() -> Option<Cage> {
    if !has("perl") {
        println!("skipped: no perl here");
        return None;
    }
    Cage::for_test("victim", 120 * MIB)
}

#[test]
fn a_victim_again_and_again_is_given_up() {
    let Some(cage) = cage() else { return };
    let dir = tempfile::tempdir().unwrap();
    let command = ["-j2", "perl", "sufferer.pl", ":::", "never"];
    let output = suffer(&cage, dir.path(), &command);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let events = events(dir.path());
    // A last attempt that takes a moment longer is given up before it fails.
    let is_its_own = |end: &&&Value| end["end"] != "victim" && end["end"] != "given_up";
    let ends = named(&events, "attempt_ended");
    assert_eq!(ends.iter().find(is_its_own), None, "{said}");
    assert!(said.contains("given up: never: alone it reached"), "{said}");
    assert!(said.contains("0 failed, 1 given up"), "{said}");
    assert_eq!(cage.local_kills().unwrap(), 0);
}

/// One of three roles. The neighbour holds 40 MiB until the file `leave` is there. The others
/// wait for the file `held`; then the taker holds 100 MiB, and the refused one has a child that
/// reads into new memory until the system refuses it more, lets the neighbour go and fails at
/// once, but not when it was begun before.
const ROLES: &str = r#"
    my ($role) = @ARGV;
    sub rest { select(undef, undef, undef, 0.01) }
    sub make { open(my $made, '>', $_[0]) or die; close $made }
    sub take {
        my $n = $_[0] << 20;
        vec($_[1], $n - 1, 8) = 1;
        for (my $i = 0; $i < $n; $i += 4096) { substr($_[1], $i, 1) = 'y' }
    }
    my $held = '';
    if ($role eq 'neighbour') {
        take(40, $held);
        make('filled');
        rest() until -e 'leave';
        exit 0;
    }
    exit 0 if -e 'begun';
    rest() until -e 'held';
    if ($role eq 'taker') { take(100, $held); exit 0 }
    make('begun');
    my $child = fork;
    if (!$child) {
        open(my $pid, '>', 'reader') or die; print $pid $$; close $pid;
        open(my $zero, '<', '/dev/zero') or die;
        sysread($zero, $held, 1 << 30);
        exit 7;
    }
    waitpid($child, 0);
    make('leave');
    exit 7;"#;

/// `saferun run` in a cage of which a neighbour outside of the run takes a part after the task's
/// start; the neighbour leaves when the file `leave` is there.
fn beside_a_neighbour(
    cage: &Cage,
    dir: &Path,
    arguments: &[&str],
    meanwhile: impl FnOnce(),
) -> Output {
    std::fs::write(dir.join("roles.pl"), ROLES).unwrap();
    let run = cage
        .command(assert_cmd::cargo::cargo_bin!("saferun"))
        .args(["run", "--json=events", "--no-history", "-v", "-j2"])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("SAFERUN_SUPERVISED")
        .spawn()
        .unwrap();
    // The budget must have been seen whole first.
    until("a start", || has_event(dir, "task_started"));
    let whole = limit_of_the_run(cage).unwrap();
    let mut neighbour = cage
        .command("perl")
        .args(["roles.pl", "neighbour"])
        .current_dir(dir)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    until("the neighbour's memory", || dir.join("filled").exists());
    until("a lower limit", || {
        limit_of_the_run(cage).is_some_and(|limit| limit + 35 * MIB <= whole)
    });
    std::fs::write(dir.join("held"), "").unwrap();
    meanwhile();
    let output = run.wait_with_output().unwrap();
    std::fs::write(dir.join("leave"), "").unwrap();
    assert!(neighbour.wait().unwrap().success());
    assert_eq!(cage.local_kills().unwrap(), 0);
    output
}

fn has_event(dir: &Path, text: &str) -> bool {
    std::fs::read_to_string(dir.join("events")).is_ok_and(|events| events.contains(text))
}

/// The limit of the group that the run has made in the cage.
fn limit_of_the_run(cage: &Cage) -> Option<u64> {
    let text = of_the_run(cage, "memory.limit_in_bytes")?;
    text.trim().parse().ok()
}

/// What a file of that group says.
fn of_the_run(cage: &Cage, file: &str) -> Option<String> {
    std::fs::read_dir(cage.path())
        .ok()?
        .filter_map(Result::ok)
        .find_map(|entry| std::fs::read_to_string(entry.path().join(file)).ok())
}

/// The child may need a page for itself after it was refused what it read into, and would wait
/// for it in a page fault: then it is killed.
fn end_reader(cage: &Cage, dir: &Path) {
    until("the end of what was refused", || {
        if of_the_run(cage, "memory.oom_control").is_some_and(|text| text.contains("under_oom 1"))
            && let Ok(pid) = std::fs::read_to_string(dir.join("reader"))
        {
            let _gone = Command::new("sh").args(["-c", "kill -9 $0", &pid]).output();
        }
        dir.join("leave").exists()
    });
}

#[test]
fn a_victim_runs_again_and_ends_well() {
    let Some(cage) = cage() else { return };
    let dir = tempfile::tempdir().unwrap();
    let command = ["perl", "roles.pl", ":::", "refused"];
    let output = beside_a_neighbour(&cage, dir.path(), &command, || {
        end_reader(&cage, dir.path())
    });
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(VICTIM), "{said}");
    let events = events(dir.path());
    let ends = named(&events, "attempt_ended");
    let ends: Vec<_> = ends.iter().map(|end| end["end"].as_str()).collect();
    assert_eq!(ends, [Some("victim"), Some("exited")], "{said}");
    let end = events.last().unwrap();
    assert_eq!((&end["done"], &end["victims"]), (&1.into(), &1.into()));
}

const VICTIM: &str = "victim of pressure: it failed while the run's memory was full";

#[test]
fn a_victim_that_may_not_run_again_has_failed_as_one() {
    let Some(cage) = cage() else { return };
    let dir = tempfile::tempdir().unwrap();
    let command = ["--no-restart", "perl", "roles.pl", ":::", "refused"];
    let output = beside_a_neighbour(&cage, dir.path(), &command, || {
        end_reader(&cage, dir.path())
    });
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(VICTIM), "{said}");
    let events = events(dir.path());
    assert_eq!(named(&events, "attempt_ended").len(), 1, "{said}");
    assert_eq!(named(&events, "task_concluded")[0]["outcome"], "failed");
}

#[test]
fn waiting_for_what_others_hold_is_told_and_ends_when_they_leave() {
    let Some(cage) = cage() else { return };
    let dir = tempfile::tempdir().unwrap();
    let command = ["perl", "roles.pl", ":::", "taker"];
    let output = beside_a_neighbour(&cage, dir.path(), &command, || {
        until("a word of the wait", || has_event(dir.path(), WAITING));
        std::fs::write(dir.path().join("leave"), "").unwrap();
    });
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains(WAITING), "{said}");
}

const WAITING: &str = "waiting: other programs hold";
