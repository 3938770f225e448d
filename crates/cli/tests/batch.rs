//! Batches and the threshold of session memory, with real tasks in a session of their own.

mod common;

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{saferun, stderr, stdout, with_input};
use saferun_memory::{OwnGroups, Roots, memory_usage};
use serde_json::Value;

const MIB: u64 = 1 << 20;

/// A program with what `saferun` gets in all tests, as the leader of a session: what else runs
/// beside the tests is none of its memory.
fn leader(dir: &Path, program: impl AsRef<OsStr>) -> Command {
    let model = saferun(dir);
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(program).current_dir(dir);
    for (name, value) in model.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn binary() -> PathBuf {
    saferun(Path::new("/")).get_program().into()
}

fn run(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = leader(dir, binary());
    command.arg("run").args(arguments);
    with_input(command, b"")
}

/// What is said of each step; figures of memory as `#`.
fn steps(output: &Output) -> Vec<String> {
    let said = stderr(output);
    let lines = said
        .lines()
        .filter(|line| line.starts_with("[SafeParallel]") || line.starts_with("[Sequential]"));
    lines
        .map(|line| {
            let mut shape = String::new();
            for word in line.split(' ') {
                let digits = word.trim_start_matches(['(', '-']);
                let number = digits.split_once("MB").map_or("", |(number, _)| number);
                let is_figure = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
                let word = match is_figure {
                    true => word.replace(number, "#").replace('-', ""),
                    false => word.to_owned(),
                };
                shape.push_str(&word);
                shape.push(' ');
            }
            shape.trim_end().to_owned()
        })
        .collect()
}

/// The number before `MB` in the first step that begins like this.
fn figure(output: &Output, beginning: &str) -> u64 {
    let said = stderr(output);
    let line = said.lines().find(|line| line.starts_with(beginning));
    let rest = line.unwrap_or_else(|| panic!("no {beginning:?} in {said}"));
    let before = rest[beginning.len()..].split("MB").next().unwrap_or("");
    before
        .parse()
        .unwrap_or_else(|_| panic!("no figure: {rest}"))
}

/// What the container that we may be in holds, which is the session's memory if it is more.
fn container_mib() -> u64 {
    let usage = memory_usage().expect("readable");
    let group = usage.machine.groups.first();
    group.map_or(0, |group| group.used_bytes() / MIB)
}

#[test]
fn six_tasks_two_at_once_in_the_lines_of_old() {
    if container_mib() > 900 {
        eprintln!("skipped: the container holds so much that fewer run at once");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let hold = "test {} && head -c 100000000 /dev/zero | tail -c 100000000 | (sleep 0.3; wc -c)";
    let mut arguments = vec!["--strategy", "batch", "-j", "2", "-v", hold, ":::"];
    arguments.extend(["1", "2", "3", "4", "5", "6"]);
    let output = run(dir.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        steps(&output),
        [
            "[SafeParallel] Starting with 6 tasks, concurrency: 2",
            "[SafeParallel] Initial memory: #MB",
            "[SafeParallel] Processing batch 1, tasks: 4",
            "[SafeParallel] Batch complete, freed #MB",
            "[SafeParallel] Processing batch 2, tasks: 2",
            "[SafeParallel] Batch complete, freed #MB",
            "[SafeParallel] Complete. Final memory: #MB (delta: #MB)",
        ]
    );
    // Two tasks of 95 MiB each; they may just miss one another.
    let freed = figure(&output, "[SafeParallel] Batch complete, freed ");
    assert!((90..400).contains(&freed), "{freed}");
    assert_eq!(stdout(&output), "100000000\n".repeat(6));
}

#[test]
fn a_list_from_standard_input_is_counted_first() {
    let dir = tempfile::tempdir().unwrap();
    let expected = [
        "[Sequential] Executing task 1/3",
        "[Sequential] Executing task 2/3",
        "[Sequential] Executing task 3/3",
    ];
    let mut command = leader(dir.path(), binary());
    command.args(["run", "-v", "echo", "{}"]);
    let output = with_input(command, b"a\n\nb\nc");
    assert_eq!(
        (steps(&output), stdout(&output)),
        (expected.map(String::from).into(), "a\nb\nc\n".into())
    );
    // Commands: what is none is not counted.
    let mut command = leader(dir.path(), binary());
    command.args(["run", "--strategy", "batch", "-j", "1", "-v"]);
    let output = with_input(command, b"echo a\n# nothing\n\necho b\necho c\n");
    let said = steps(&output);
    assert_eq!(
        said[0],
        "[SafeParallel] Starting with 3 tasks, concurrency: 1"
    );
    assert_eq!(said[2], "[SafeParallel] Processing batch 1, tasks: 2");
    assert_eq!(said[4], "[SafeParallel] Processing batch 2, tasks: 1");
    // What is wrong in the list is told where it stands, after what stands before it was counted.
    let mut command = leader(dir.path(), binary());
    command.args(["run", "--strategy", "batch", "-j", "1", "-v", "echo", "{}"]);
    let output = with_input(command, b"a\nb\0c\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("line 2 of standard input"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn nothing_is_said_of_steps_unless_the_way_changes() {
    let dir = tempfile::tempdir().unwrap();
    let threshold = (container_mib() + 3000).to_string();
    let arguments = ["--strategy", "batch", "-j", "1", "--threshold", &threshold];
    let output = run(
        dir.path(),
        &[&arguments[..], &["echo", ":::", "a", "b", "c"]].concat(),
    );
    assert_eq!(steps(&output), [""; 0]);
    assert_eq!(stdout(&output), "a\nb\nc\n");
}

/// The session passes the threshold while the first batch runs: by something that is no task.
#[test]
fn above_the_threshold_the_rest_runs_one_by_one_and_the_figure_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let threshold = container_mib() + 200;
    // It begins when the first task says so, and holds 286 MiB until its reader is gone.
    let script = r#"
        (until test -e go; do sleep 0.02; done
         head -c 300000000 /dev/zero | sh -c 'echo $$ > pid; exec tail -c 300000000') | sleep 50 &
        "$@"; code=$?
        kill $!
        exit $code
    "#;
    let task = r#"case {} in
        1) touch go;;
        2) until test -s pid && test "$(awk '/VmRSS/ { print $2 }' /proc/$(cat pid)/status)" -gt 280000
           do sleep 0.05; done;;
        esac"#;
    for verbose in [true, false] {
        let _ = std::fs::remove_file(dir.path().join("go"));
        let _ = std::fs::remove_file(dir.path().join("pid"));
        let mut command = leader(dir.path(), "sh");
        command.args(["-c", script, "sh"]).arg(binary());
        command.args(["run", "--strategy", "batch", "-j", "1", "--threshold"]);
        command.arg(threshold.to_string());
        command.args(verbose.then_some("-v"));
        command.args([task, ":::", "1", "2", "3", "4", "5"]);
        let output = with_input(command, b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let before = "[SafeParallel] Memory high before batch (#MB), switching to sequential";
        let said = steps(&output);
        if verbose {
            let rest = [
                before,
                "[Sequential] Executing task 1/3",
                "[Sequential] Executing task 2/3",
                "[Sequential] Executing task 3/3",
                "[SafeParallel] Complete. Final memory: #MB (delta: #MB)",
            ];
            assert_eq!(said[4..], rest, "{}", stderr(&output));
        } else {
            assert_eq!(said, [before], "{}", stderr(&output));
        }
        let figure = figure(&output, "[SafeParallel] Memory high before batch (");
        assert!(figure > threshold && figure < threshold + 2000, "{figure}");
    }
}

#[test]
fn a_continuous_run_is_bound_by_a_threshold_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(
        dir.path(),
        &["-j", "3", "--threshold", "1", "echo", ":::", "a", "b"],
    );
    let expected = "[SafeParallel] Memory high (#MB), falling back to sequential";
    assert_eq!(steps(&output), [expected]);
    assert_eq!(stdout(&output), "a\nb\n");
}

/// A group with few processes, removed in the end.
struct FewProcesses(PathBuf);

impl FewProcesses {
    fn new(most: u32) -> Option<Self> {
        let own = OwnGroups::read(&Roots::default()).ok()?.pids_v1?;
        let name = format!("saferun-test-pids-{}", std::process::id());
        let group = Self(own.dir.join(name));
        std::fs::create_dir(&group.0).ok()?;
        std::fs::write(group.0.join("pids.max"), most.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for FewProcesses {
    fn drop(&mut self) {
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[test]
fn a_start_refused_for_want_of_processes_is_no_victim_of_memory() {
    let Some(group) = FewProcesses::new(22) else {
        eprintln!("skipped: no group that limits processes can be made here");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut command = leader(dir.path(), "sh");
    command
        .args(["-c", r#"echo $$ > "$0"; exec "$@""#])
        .arg(group.0.join("cgroup.procs"))
        .arg(binary())
        .args([
            "run",
            "-j",
            "30",
            "--json=events",
            "sleep 0.3; echo {}",
            ":::",
        ])
        .args((0..40).map(|item| item.to_string()));
    let output = with_input(command, b"");
    let said = stderr(&output);
    assert_eq!(output.status.signal(), None, "{said}");
    let events = std::fs::read_to_string(dir.path().join("events")).expect("written");
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let ends = |kind: &'static str| events.iter().filter(move |event| event["end"] == kind);
    let refused: Vec<&Value> = ends("not_started").collect();
    assert!(!refused.is_empty(), "all 40 fitted: {said}");
    for event in refused {
        let cause = event["cause"].as_str().unwrap_or_default();
        assert!(
            cause.contains("Resource temporarily unavailable"),
            "{event}"
        );
    }
    assert_eq!(ends("victim").count(), 0, "{said}");
    assert!(!said.contains("want of memory"), "{said}");
    // What a shell could not fork is the task's own failure; no start has failed for good.
    let concluded = |outcome: &str| {
        let all = events.iter();
        all.filter(|event| event["event"] == "task_concluded" && event["outcome"] == outcome)
            .count()
    };
    assert_eq!(concluded("done") + concluded("failed"), 40);
    assert!(concluded("done") > 0, "{said}");
}
