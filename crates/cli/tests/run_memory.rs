//! Real tasks whose memory is hard to count, or is refused to them.

mod common;

use std::path::Path;
use std::process::{Output, Stdio};

use common::{saferun, stderr};
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
