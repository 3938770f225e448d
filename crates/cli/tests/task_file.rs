//! Task files under the built command, with real tasks that record what happens.

mod common;

use std::path::{Path, PathBuf};
use std::process::Output;

use common::{saferun, stderr, stdout, until, with_input};
use serde_json::Value;

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(file: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("tasks.toml"), file).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        saferun(self.dir.path())
            .args(["run", "--json=events", "-f", "tasks.toml"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What tasks have written, line by line.
    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(String::from).collect()
    }

    fn events(&self) -> Vec<Value> {
        events(&self.path("events"))
    }
}

fn events(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let event = |line| serde_json::from_str(line).unwrap();
    text.lines().map(event).collect()
}

fn of<'e>(events: &'e [Value], kind: &str, name: &str) -> Option<&'e Value> {
    (events.iter()).find(|event| event["event"] == kind && event["name"] == name)
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// a, then b and c, then d; each says when it begins and when it ends.
const DIAMOND: &str = r#"
[[task]]
name = "d"
run = "echo d >> record"
after = ["b", "c"]

[[task]]
name = "c"
run = "echo c begins >> record; sleep 0.05; echo c ends >> record"
after = "a"

[[task]]
name = "b"
run = "echo b begins >> record; sleep 0.1; echo b ends >> record"
after = ["a"]

[[task]]
name = "a"
run = "sleep 0.1; echo a >> record"
agent = "code-reviewer"

[[task]]
run = ["sh", "-c", "echo free > free"]
"#;

#[test]
fn a_diamond_runs_in_its_order_whatever_the_strategy() {
    for options in [
        &["-j", "auto"][..],
        &["-j", "4"],
        &["-j", "4", "--preempt", "never"],
        &["-j", "2", "--preempt", "eager", "--containment", "tree"],
        &["-j", "4", "--strategy", "unlimited"],
        &["-j", "2", "--strategy", "batch"],
        &["--strategy", "sequential"],
        &[],
    ] {
        let bench = Bench::new(DIAMOND);
        let output = bench.run(options);
        assert_eq!(code(&output), Some(0), "{options:?}: {}", stderr(&output));
        let record = bench.lines("record");
        assert_eq!(record.len(), 6, "{options:?}: {record:?}");
        assert_eq!(record[0], "a", "{options:?}");
        assert_eq!(record[5], "d", "{options:?}");
        assert_eq!(bench.lines("free"), ["free"]);
        if options.is_empty() {
            // One by one in the order of the file, as far as it goes.
            let expected = ["a", "c begins", "c ends", "b begins", "b ends", "d"];
            assert_eq!(record, expected);
        }
    }
}

#[test]
fn events_carry_names_agents_and_what_was_waited_for() {
    let bench = Bench::new(DIAMOND);
    assert_eq!(code(&bench.run(&["-j", "auto"])), Some(0));
    let events = bench.events();
    let a = of(&events, "task_added", "a").unwrap();
    assert_eq!(
        (&a["agent"], &a["after"]),
        (&"code-reviewer".into(), &Value::Array(vec![]))
    );
    let d = of(&events, "task_added", "d").unwrap();
    let after: Vec<&Value> = (d["after"].as_array().unwrap().iter())
        .map(|on| &on["name"])
        .collect();
    assert_eq!(after, ["b", "c"]);
    assert!(d.get("agent").is_none());
    for kind in ["task_started", "attempt_ended", "task_concluded"] {
        let event = of(&events, kind, "a").unwrap();
        assert_eq!(event["agent"], "code-reviewer", "{kind}");
        assert_eq!(event["task"], a["task"]);
    }
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_said() {
    let file = r#"
        [[task]]
        name = "fetch"
        run = "exit 3"
        [[task]]
        name = "unpack"
        run = "echo unpack >> record"
        after = "fetch"
        [[task]]
        name = "report"
        run = "echo report >> record"
        after = ["unpack", "other"]
        [[task]]
        name = "other"
        run = "echo other >> record"
    "#;
    for progress in ["plain", "none"] {
        let bench = Bench::new(file);
        let output = bench.run(&["-j", "2", "--progress", progress]);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(1), "{said}");
        assert_eq!(bench.lines("record"), ["other"]);
        assert!(said.contains("1 done, 1 failed, 2 skipped"), "{said}");
        for name in ["unpack", "report"] {
            let line = format!("skipped: {name}: it depends on fetch, which did not succeed\n");
            assert_eq!(said.matches(&line).count(), 1, "{said}");
        }
        let events = bench.events();
        let report = of(&events, "task_concluded", "report").unwrap();
        assert_eq!(report["outcome"], "skipped");
        assert_eq!(report["reason"], "dependency");
        assert_eq!(report["failed"]["name"], "fetch");
    }
}

#[test]
fn a_file_that_is_wrong_is_told_in_one_line_and_nothing_runs() {
    let wrong = [
        (
            "[[task]]\nname='a'\nrun='touch ran'\nafter='b'\n[[task]]\nname='b'\nrun='a'\nafter='a'",
            "tasks.toml:4:7: tasks wait for one another: a -> b -> a",
        ),
        (
            "[[task]]\nname='first'\nrun='touch ran'\n[[task]]\nrun='x'\nafter='frist'",
            "tasks.toml:6:7: after: no task is named 'frist'; try: 'first'",
        ),
        ("[[task]]\nrun='touch ran'\nmemroy='1G'", "; try: memory"),
        ("\n", "tasks.toml holds no [[task]]"),
    ];
    for (file, holds) in wrong {
        let bench = Bench::new(file);
        for extra in [&["-j", "2"][..], &["--dry-run"]] {
            let output = bench.run(extra);
            let said = stderr(&output);
            assert_eq!(code(&output), Some(2), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(
                said.starts_with("error: ") && said.contains(holds),
                "{said}"
            );
            assert!(output.stdout.is_empty());
        }
        assert!(!bench.path("ran").exists());
    }
}

#[test]
fn a_file_of_tasks_stands_alone() {
    let bench = Bench::new("[[task]]\nrun='touch ran'");
    for extra in [
        &["echo", "x"][..],
        &[":::", "x"],
        &["-a", "list"],
        &["-0"],
        &["-f", "other"],
    ] {
        let output = bench.run(extra);
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{extra:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!bench.path("ran").exists());
    for (name, holds) in [
        ("missing", "no such file or directory"),
        (".", "it is a directory"),
    ] {
        let mut command = saferun(bench.dir.path());
        let output = command.args(["run", "-f", name]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(code(&output), Some(2), "{said}");
        assert!(
            said.contains(&format!("the task file '{name}' can't be read: {holds}")),
            "{said}"
        );
    }
}

#[test]
fn standard_input_can_be_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for tier in ["best", "tree"] {
        let mut command = saferun(dir.path());
        command.args(["run", "--containment", tier, "-f", "-"]);
        let file = b"[[task]]\nrun='cat; echo b'\nafter='a'\n[[task]]\nname='a'\nrun='echo a'";
        let output = with_input(command, file);
        assert_eq!(stdout(&output), "a\nb\n", "{}", stderr(&output));
    }
    let mut command = saferun(dir.path());
    command.args(["run", "-f", "-"]);
    let output = with_input(command, b"[[task]]\nrun = 1\n");
    let said = stderr(&output);
    assert!(
        said.starts_with("error: standard input:2:7: run "),
        "{said}"
    );
    let mut command = saferun(dir.path());
    command.args(["run", "-f", "-"]);
    let output = with_input(command, b"task = []\n");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
}

#[test]
fn directories_are_meant_from_where_the_file_lies() {
    let bench = Bench::new("");
    std::fs::create_dir_all(bench.path("project/sub")).unwrap();
    let file = r#"
        [defaults]
        workdir = "."
        [[task]]
        run = "pwd > default"
        [[task]]
        workdir = "sub"
        run = ["sh", "-c", "pwd > own"]
        [[task]]
        name = "lost"
        workdir = "nowhere"
        run = "true"
    "#;
    std::fs::write(bench.path("project/tasks.toml"), file).unwrap();
    std::fs::write(bench.path("here.toml"), "[[task]]\nrun = 'pwd > here'").unwrap();
    let run = |file: &str| {
        let mut command = saferun(bench.dir.path());
        command.args(["run", "-j", "auto", "-f", file]);
        command.output().unwrap()
    };
    let output = run("project/tasks.toml");
    assert_eq!(code(&output), Some(1));
    assert!(
        stderr(&output).contains("failed: lost (not started: "),
        "{}",
        stderr(&output)
    );
    let real = std::fs::canonicalize(bench.dir.path()).unwrap();
    let line = |name: &str| bench.lines(name).join("\n");
    assert_eq!(Path::new(&line("project/default")), real.join("project"));
    assert_eq!(
        Path::new(&line("project/sub/own")),
        real.join("project/sub")
    );
    // Without a word on it tasks run where saferun does.
    assert_eq!(code(&run("here.toml")), Some(0));
    assert_eq!(Path::new(&line("here")), real);
}

#[test]
fn variables_lie_above_ours() {
    let bench = Bench::new(
        r#"
        [defaults.env]
        A = "default"
        B = "default"
        [[task]]
        run = "echo $A $B $C $SAFERUN_TASK > said"
        env = { B = "own", C = "$A {} 'x'" }
        [[task]]
        run = ["own-tool"]
        env = { PATH = "." }
        "#,
    );
    let tool = "#!/bin/sh\necho found > tool\n";
    saferun_testbed::program::write(&bench.path("own-tool"), tool).unwrap();
    let output = saferun(bench.dir.path())
        .args(["run", "-f", "tasks.toml"])
        .envs([("A", "ours"), ("B", "ours"), ("C", "ours")])
        .output()
        .unwrap();
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(bench.lines("said"), ["default own $A {} 'x' 0"]);
    assert_eq!(bench.lines("tool"), ["found"]);
}

#[test]
fn each_task_has_its_own_timeout_and_retries() {
    let bench = Bench::new(
        r#"
        [[task]]
        name = "slow"
        run = "echo try >> slow; sleep 600"
        timeout = "100ms"
        retries = 1
        [[task]]
        name = "shaky"
        run = "echo try >> shaky; test $(wc -l < shaky) -ge 3"
        retries = 2
        [[task]]
        name = "after shaky"
        run = "echo then >> shaky"
        after = "shaky"
        [[task]]
        name = "bad"
        run = "echo try >> bad; false"
        "#,
    );
    let output = bench.run(&["-j", "4", "--grace", "100ms", "--retries", "3"]);
    let said = stderr(&output);
    assert_eq!(code(&output), Some(1), "{said}");
    assert!(said.contains("failed: slow (timed out)"), "{said}");
    assert_eq!(bench.lines("slow").len(), 2);
    assert_eq!(bench.lines("shaky"), ["try", "try", "try", "then"]);
    // What the task doesn't say is taken from the command line.
    assert_eq!(bench.lines("bad").len(), 4);
}

#[test]
fn a_dry_run_shows_an_order_that_a_shell_can_run() {
    let bench = Bench::new(
        r#"
        [[task]]
        name = "last"
        run = "cat sub/one"
        after = ["one", "it's two"]
        [[task]]
        name = "it's two"
        run = ["touch", "two words"]
        agent = "x"
        after = "one"
        [[task]]
        name = "one"
        workdir = "sub"
        env = { V = "a b" }
        memory = "64M"
        run = "echo $V > one"
        "#,
    );
    std::fs::create_dir(bench.path("sub")).unwrap();
    let output = bench.run(&["--dry-run"]);
    assert_eq!(
        stdout(&output),
        "# one (memory 64 MiB)\n\
         (cd -- sub && env 'V=a b' /bin/sh -c 'echo $V > one')\n\
         # it's two (after one; agent x)\n\
         touch 'two words'\n\
         # last (after one, it's two)\n\
         /bin/sh -c 'cat sub/one'\n",
        "{}",
        stderr(&output)
    );
    assert!(!bench.path("sub/one").exists());
    let shell = std::process::Command::new("sh")
        .args(["-e", "-c", &stdout(&output)])
        .current_dir(bench.dir.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&shell), "a b\n");
    assert!(bench.path("two words").exists());
}

#[test]
fn halts_and_interruptions_leave_no_task_without_an_outcome() {
    let many = (0..300).map(|n| format!("[[task]]\nname = 't{n}'\nrun = 'true'\nafter = 'long'\n"));
    let many: String = many.collect();
    let halted = format!(
        "[[task]]\nname='bad'\nrun='exit 1'\n[[task]]\nname='long'\nrun='sleep 0.3'\nafter='bad'\n{many}"
    );
    let bench = Bench::new(&halted);
    let output = bench.run(&["-j", "2", "--halt", "soon"]);
    let said = stderr(&output);
    assert_eq!(code(&output), Some(1), "{said}");
    assert!(said.contains("0 done, 1 failed, 301 skipped"), "{said}");

    let bench = Bench::new(&format!(
        "[[task]]\nname='long'\nrun='touch ready; sleep 600'\n{many}"
    ));
    let mut child = saferun(bench.dir.path())
        .args(["run", "-j", "2", "--json=events", "-f", "tasks.toml"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("the start", || bench.path("ready").exists());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let events = bench.events();
    let concluded = (events.iter()).filter(|event| event["event"] == "task_concluded");
    assert_eq!(concluded.clone().count(), 301);
    assert!(concluded.clone().all(|event| event["reason"] == "stopped"));
    assert_eq!(events.last().unwrap()["skipped"], 301);
}

#[test]
fn the_example_of_the_documentation_is_one() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/task-files.md");
    let page = std::fs::read_to_string(page).unwrap();
    let example = page.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join("shop").join(name);
    std::fs::create_dir_all(at("data")).unwrap();
    std::fs::write(at("tasks.toml"), example).unwrap();
    std::fs::write(at("data/a.txt"), "x\ny\nx\n").unwrap();
    std::fs::write(at("data/b.txt"), "q\nq\n").unwrap();
    let run = |extra: &[&str]| {
        let mut command = saferun(dir.path());
        command.args(["run", "-j", "auto", "-f", "shop/tasks.toml"]);
        command.args(extra).output().unwrap()
    };
    let dry = run(&["--dry-run"]);
    let shown = format!("--dry-run -f shop/tasks.toml\n{}", stdout(&dry));
    assert!(page.contains(&shown), "{}", stdout(&dry));
    let output = run(&[]);
    assert_eq!(code(&output), Some(1));
    for line in stderr(&output).lines().filter(|line| line.contains("ed: ")) {
        assert!(page.contains(line), "{line}");
    }
    std::fs::write(at("notes.txt"), "").unwrap();
    assert_eq!(code(&run(&[])), Some(0));
    assert_eq!(
        std::fs::read(at("published.txt")).unwrap(),
        std::fs::read(at("report.txt")).unwrap()
    );
}
