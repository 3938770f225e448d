//! Real memory-hungry tasks in a small machine, where a group can be made.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{stderr, stdout};
use saferun_testbed::cage::Cage;
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// The example program beside the tests' own directory.
fn workload() -> String {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/workload");
    assert!(
        path.exists(),
        "{} isn't built: cargo build -p saferun-cli --examples",
        path.display()
    );
    path.into_os_string().into_string().unwrap()
}

/// `saferun run` in a cage.
fn caged(cage: &Cage, dir: &Path, arguments: &[&str]) -> Output {
    cage.command(assert_cmd::cargo::cargo_bin!("saferun"))
        .args(["run", "--json=events", "--no-history"])
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .env_remove("SAFERUN_SUPERVISED")
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

/// The machine's own count would count what others do to themselves meanwhile. A task that the
/// kernel has killed is told as a victim; what else is in the cage is in its own group.
fn assert_no_kernel_kills(cage: &Cage, events: &[Value]) {
    assert_eq!(cage.local_kills().unwrap(), 0);
    let killed = |event: &&Value| event["end"] == "victim" || event["end"] == "signaled";
    assert_eq!(events.iter().find(killed), None);
}

#[test]
fn tasks_that_do_not_fit_together_are_restarted_and_all_succeed() {
    let Some(cage) = Cage::for_test("cli", 300 * MIB) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let workload = workload();
    let mut arguments = vec![
        "-j",
        "auto",
        &workload,
        "hog",
        "--seconds",
        "1",
        "--peak",
        ":::",
    ];
    let peaks = [
        "150M", "140M", "160M", "130M", "170M", "120M", "150M", "140M",
    ];
    arguments.extend(peaks);
    let output = caged(&cage, dir.path(), &arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");

    let events = events(dir.path());
    assert_no_kernel_kills(&cage, &events);
    let mut preempted: HashMap<u64, u64> = HashMap::new();
    for event in events.iter().filter(|event| event["event"] == "preempting") {
        assert!(
            event["needed_bytes"].as_u64() > event["free_bytes"].as_u64(),
            "{event}"
        );
        *preempted
            .entry(event["task"].as_u64().unwrap())
            .or_default() += 1;
    }
    let restarts: u64 = preempted.values().sum();
    let end = events.last().unwrap();
    assert_eq!(
        (&end["done"], &end["failed"]),
        (&peaks.len().into(), &0.into())
    );
    // One that was done before our signal arrived needs no restart.
    assert!(end["restarted"].as_u64().unwrap() <= restarts, "{end}");
    assert!(end["restarted"].as_u64().unwrap() > 0, "{said}");
    assert!(
        said.contains("ended to make room, will be run again: 1"),
        "{said}"
    );
    assert!(
        said.contains("saferun: restarted to make room: 1"),
        "{said}"
    );
    assert!(
        end["peak_bytes"].as_u64() <= end["budget_bytes"].as_u64(),
        "{end}"
    );
    assert!(cage.processes().is_empty() && cage.groups().is_empty());
}

#[test]
fn a_task_that_fits_in_no_way_is_given_up_with_its_reason() {
    let Some(cage) = Cage::for_test("cli", 200 * MIB) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let greedy = format!("{} greedy", workload());
    let output = caged(&cage, dir.path(), &["-j", "auto", "-a", "lines"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    std::fs::write(dir.path().join("lines"), format!("{greedy}\necho small\n")).unwrap();
    let output = caged(&cage, dir.path(), &["-j", "auto", "-a", "lines"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert_eq!(stdout(&output), "small\n");
    assert!(
        said.contains("given up: ") && said.contains("alone it reached"),
        "{said}"
    );
    assert!(said.contains("1 done, 0 failed, 1 given up"), "{said}");
    assert_no_kernel_kills(&cage, &events(dir.path()));
}

#[test]
fn status_names_the_limit_that_binds() {
    let Some(cage) = Cage::for_test("cli", 400 * MIB) else {
        return;
    };
    let output = cage
        .command(assert_cmd::cargo::cargo_bin!("saferun"))
        .args(["status", "--json"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["binding"], 0);
    assert_eq!(answer["groups"][0]["limit_bytes"], 400 * MIB);
    let budget = answer["plan"]["budget_bytes"].as_u64().unwrap();
    assert!(budget < 400 * MIB && budget > 300 * MIB, "{answer}");
    assert!(cage.groups().is_empty());
}

/// Whether this process is root, who can become somebody else.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn an_ordinary_user_can_run_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("saferun");
    saferun_testbed::program::copy(assert_cmd::cargo::cargo_bin!("saferun"), &program).unwrap();
    let mut command = if is_root() {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(&program);
        command
    } else {
        Command::new(&program)
    };
    command.args([
        "run",
        "-v",
        "-k",
        "-j",
        "2",
        "id -u; echo {}",
        ":::",
        "a",
        "b",
    ]);
    let output = match command
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
    {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return eprintln!("skipped: no setpriv here");
        }
        output => output.unwrap(),
    };
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[1], lines[3], lines[0]), ("a", "b", lines[2]));
    assert_ne!(lines[0], "0");
    if is_root() {
        assert!(said.contains("contained by process trees"), "{said}");
    }
}
