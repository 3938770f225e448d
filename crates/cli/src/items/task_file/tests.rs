use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use saferun_executor::{OrderedTasks, Task};
use saferun_scheduler::TaskId;

use super::*;

const RIGHTS: TaskRights = TaskRights {
    restartable: true,
    retries: 1,
    timeout: Some(Duration::from_secs(9)),
};

fn parse_with(written: &str, base: &str, rights: TaskRights) -> Result<Vec<Task>, String> {
    let read = || -> Result<OrderedTasks, CliError> {
        let text = Text::new("tasks.toml".into(), written.as_bytes().to_vec())?;
        names::ordered(&text, document::entries(&text, Path::new(base), rights)?)
    };
    read()
        .map(|tasks| tasks.tasks().cloned().collect())
        .map_err(|error| error.to_string())
}

pub(super) fn parse(written: &str) -> Result<Vec<Task>, String> {
    parse_with(written, "there", RIGHTS)
}

#[test]
fn everything_that_can_be_said() {
    let tasks = parse(
        r#"
        [defaults]
        timeout = "1m"
        env = { A = "1", B = "1" }

        [[task]]
        name = "report"
        run = "cat a b"
        after = ["fetch", "second one"]

        [[task]]
        name = "fetch"
        run = ["curl", "-O", "x y"]
        memory = "1.5G"
        agent = "fetcher"
        timeout = "90s"
        retries = 3
        restartable = true
        workdir = "in/side"
        env = { B = "2", "odd name" = "" }

        [[task]]
        name = "second one"
        after = "fetch"
        run = "-x"
        "#,
    )
    .unwrap();
    let [fetch, second, report] = tasks.as_slice() else {
        panic!("{tasks:?}");
    };
    assert_eq!(fetch.name, "fetch");
    assert_eq!(fetch.command.program, "curl");
    assert_eq!(fetch.command.args, ["-O", "x y"]);
    assert_eq!(fetch.declared_bytes, Some(3 << 29));
    assert_eq!(fetch.agent.as_deref(), Some("fetcher"));
    assert_eq!(fetch.timeout, Some(Duration::from_secs(90)));
    assert_eq!((fetch.retries, fetch.restartable), (3, true));
    assert_eq!(
        fetch.command.workdir.as_deref(),
        Some(Path::new("there/in/side"))
    );
    let env = [("A", "1"), ("B", "2"), ("odd name", "")];
    assert_eq!(
        fetch.command.env,
        env.map(|(name, value)| (name.into(), value.into()))
    );
    assert_eq!(second.name, "second one");
    assert_eq!(second.command.args, ["-c", "--", "-x"]);
    assert_eq!(second.after, [TaskId(0)]);
    assert_eq!(second.timeout, Some(Duration::from_secs(60)));
    assert_eq!((second.retries, second.restartable), (1, true));
    assert_eq!(second.command.workdir, None);
    assert_eq!(report.after, [TaskId(0), TaskId(1)]);
    assert_eq!(report.command.program, "/bin/sh");
    assert_eq!(report.command.args, ["-c", "cat a b"]);
}

#[test]
fn what_is_not_said_is_taken_from_the_run() {
    let tasks = parse("[[task]]\nrun = \"make all\"\n[[task]]\nrun = [\"make\", \"all\"]").unwrap();
    assert_eq!(tasks[0].name, "make all");
    assert_eq!(tasks[1].name, "make all");
    assert_eq!(tasks[0].timeout, RIGHTS.timeout);
    assert_eq!(tasks[0].kind, tasks[1].kind);
    assert_eq!(tasks[0].declared_bytes, None);
    // An agent isn't run again in its midst unless somebody says that it may be.
    let one = |says: &str, restartable| {
        let rights = TaskRights {
            restartable,
            ..RIGHTS
        };
        let text = format!("[[task]]\nrun = \"a\"\n{says}");
        parse_with(&text, "", rights).unwrap()[0].restartable
    };
    assert!(one("", true));
    assert!(!one("agent = \"a\"", true));
    assert!(one("agent = \"a\"\nrestartable = true", true));
    // Nor is anything where the run forbids it.
    assert!(!one("restartable = true", false));
    let none = parse("task = []").unwrap();
    assert_eq!(none, []);
}

/// What is wrong, and what its one line must hold.
pub(super) const TABLE: &[(&str, &str)] = &[
    ("", "tasks.toml holds no [[task]]; try: "),
    ("# only a comment\n", "holds no [[task]]"),
    ("[[task]]\n", "tasks.toml:1:1: this task has no run"),
    ("[[task]]\nname = 'a'\n", "the task 'a' has no run"),
    (
        "[[task]]\nrun = 'a'\ntimout = '1s'",
        "tasks.toml:3:1: a task has no key 'timout'; try: timeout",
    ),
    (
        "[[task]]\nrun = 'a'\nweight = 1",
        "has no key 'weight'; try: one of name, run, ",
    ),
    ("[[tasks]]\nrun = 'a'", "no key 'tasks' here; try: [[task]]"),
    (
        "[task]\nrun = 'a'",
        "tasks.toml:1:1: task is no list of tasks; try: [[task]]",
    ),
    ("task = 'a'", "task is no list"),
    (
        "task = ['a']",
        "tasks.toml:1:9: a task can't be 'a'; try: [[task]]",
    ),
    (
        "run = 'a'",
        "tasks.toml:1:1: run belongs to a task; try: write [[task]] above",
    ),
    ("[default]\n", "no key 'default'; try: defaults"),
    (
        "[defaults]\nrun = 'a'\n",
        "tasks.toml:2:1: run can't be the same for all",
    ),
    ("[defaults]\nretrys = 1", "'retrys'; try: retries"),
    ("defaults = 1", "defaults can't be 1"),
    ("[[task]]\nrun = ''", "tasks.toml:2:7: run can't be ''"),
    ("[[task]]\nrun = \" \\t\"", "run can't be "),
    ("[[task]]\nrun = []", "run can't be an empty list"),
    ("[[task]]\nrun = ['']", "run can't be a list"),
    (
        "[[task]]\nrun = ['a', 5]",
        "tasks.toml:2:13: run can't be 5; try: words in quotes",
    ),
    ("[[task]]\nrun = 5", "run can't be 5"),
    ("[[task]]\nrun = {a = 1}", "run can't be a table"),
    (
        "[[task]]\nrun = \"a\\u0000b\"",
        "tasks.toml:2:7: run holds a NUL byte",
    ),
    (
        "[[task]]\nrun = ['a', \"\\u0000\"]",
        "2:13: run holds a NUL",
    ),
    ("[[task]]\nrun = 'a'\nname = ''", "name can't be ''"),
    (
        "[[task]]\nrun = 'a'\nmemory = 512",
        "3:10: memory can't be 512; try: a size in quotes",
    ),
    ("[[task]]\nrun = 'a'\nmemory = '50%'", "can't be '50%'"),
    ("[[task]]\nrun = 'a'\nmemory = '0'", "memory can't be '0'"),
    ("[[task]]\nrun = 'a'\nmemory = '-1M'", "can't be '-1M'"),
    ("[[task]]\nrun = 'a'\nagent = ''", "agent can't be ''"),
    ("[[task]]\nrun = 'a'\nagent = true", "agent can't be true"),
    ("[[task]]\nrun = 'a'\ntimeout = 5", "timeout can't be 5"),
    ("[[task]]\nrun = 'a'\ntimeout = '0s'", "can't be '0s'"),
    ("[[task]]\nrun = 'a'\nretries = -1", "retries can't be -1"),
    ("[[task]]\nrun = 'a'\nretries = 1.5", "can't be 1.5"),
    ("[[task]]\nrun = 'a'\nretries = '1'", "can't be '1'"),
    (
        "[[task]]\nrun = 'a'\nretries = 99999999999",
        "retries can't be 99999999999; try: a whole number from 0 on",
    ),
    (
        "[[task]]\nrun = 'a'\nrestartable = 'no'",
        "restartable can't be 'no'; try: true or false",
    ),
    ("[[task]]\nrun = 'a'\nworkdir = 1", "workdir can't be 1"),
    ("[[task]]\nrun = 'a'\nworkdir = ''", "workdir can't be ''"),
    ("[[task]]\nrun = 'a'\nenv = 'A=1'", "env can't be 'A=1'"),
    (
        "[[task]]\nrun = 'a'\nenv.A = 1",
        "tasks.toml:3:9: env.A can't be 1; try: text in quotes",
    ),
    ("[[task]]\nrun = 'a'\nenv = {'A=B' = ''}", "no name of a"),
    ("[[task]]\nrun = 'a'\nenv = {'' = ''}", "no name of a"),
    (
        "[[task]]\nrun = 'a'\nenv = {SAFERUN_RUN = ''}",
        "set by saferun itself",
    ),
    (
        "[[task]]\nrun = 'a'\nenv.A = \"\\u0000\"",
        "env.A holds a NUL",
    ),
    (
        "[[task]]\nname = 'a'\nrun = 'a'\n[[task]]\nname = 'a'\nrun = 'b'",
        "tasks.toml:5:8: the name 'a' is that of the task at line 2 already",
    ),
    (
        "[[task]]\nname = 'build'\nrun = 'a'\n[[task]]\nrun = 'b'\nafter = ['build', 'biuld']",
        "tasks.toml:6:19: after: no task is named 'biuld'; try: 'build'",
    ),
    (
        "[[task]]\nrun = 'make'\n[[task]]\nrun = 'b'\nafter = 'make'",
        "no task is named 'make'; try: name = \"make\" in the task that runs this",
    ),
    ("[[task]]\nrun = 'b'\nafter = 'zzz'", "the name of a task"),
    ("[[task]]\nrun = 'b'\nafter = [1]", "3:10: after can't be 1"),
    ("[[task]]\nrun = 'b'\nafter = ''", "after can't be ''"),
    (
        "[[task]]\nname = 'a'\nrun = 'b'\nafter = 'a'",
        "tasks.toml:4:9: the task 'a' is to run after itself",
    ),
    (
        "[[task]]\nname = 'a'\nrun = 'x'\nafter = ['d', 'b']\n\
         [[task]]\nname = 'b'\nrun = 'x'\nafter = 'c'\n\
         [[task]]\nname = 'c'\nrun = 'x'\nafter = 'a'\n\
         [[task]]\nname = 'd'\nrun = 'x'\n",
        "tasks.toml:4:15: tasks wait for one another: a -> b -> c -> a (each is after the next)",
    ),
    ("[[task]]\nrun = 'a", "tasks.toml:2:"),
    ("[[task]\nrun = 'a'", "this is no TOML"),
    ("[[task]]\nrun = 'a'\nrun = 'b'", "tasks.toml:3:1: this is"),
];

#[test]
fn whatever_is_wrong_is_told_with_its_place() {
    let mut all = String::new();
    for (written, holds) in TABLE {
        let told = parse(written).expect_err(written);
        assert!(told.contains(holds), "{written:?}: {told}");
        assert_eq!(told.lines().count(), 1, "{written:?}: {told}");
        assert!(told.contains("; try: "), "{told}");
        all.push_str(&format!("{}\n  {told}\n", written.escape_debug()));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_long_cycle_is_told_in_one_short_line() {
    const MANY: usize = 10_000;
    let written: String = (0..MANY)
        .map(|task| {
            let next = (task + 1) % MANY;
            format!("[[task]]\nname = 't{task}'\nrun = 'a'\nafter = 't{next}'\n")
        })
        .collect();
    let told = parse(&written).unwrap_err();
    assert!(told.len() < 400, "{told}");
    assert!(told.contains("t0 -> t1 -> "), "{told}");
    assert!(told.contains("... 9988 more ..."), "{told}");
}

#[test]
fn many_tasks_are_read_at_once() {
    const MANY: usize = 100_000;
    let mut written: String = (0..MANY)
        .map(|task| format!("[[task]]\nname = 't{task}'\nrun = 'a'\n"))
        .collect();
    let names: Vec<String> = (0..MANY).map(|task| format!("'t{task}'")).collect();
    written.push_str(&format!(
        "[[task]]\nrun = 'end'\nafter = [{}]",
        names.join(",")
    ));
    let tasks = parse(&written).unwrap();
    assert_eq!(tasks[MANY].after.len(), MANY);
}

#[test]
fn a_command_line_that_is_too_long() {
    let long = "x".repeat(200_000);
    let told = parse(&format!("[[task]]\nrun = '{long}'")).unwrap_err();
    assert!(
        told.starts_with("tasks.toml:2:7: run makes a command line of 200000 bytes"),
        "{told}"
    );
    let many: Vec<String> = (0..70).map(|n| format!("V{n} = '{long}'")).collect();
    let told = parse(&format!(
        "[[task]]\nrun = 'a'\n[task.env]\n{}",
        many.join("\n")
    ))
    .unwrap_err();
    assert!(told.contains("run makes a command line"), "{told}");
}

proptest! {
    #[test]
    fn any_text_is_taken_or_told_in_one_line(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "[[task]]\n", "[defaults]\n", "name = ", "run = ", "after = ", "env = ", "memory = ",
            "timeout = ", "retries = ", "'a'", "'b'", "\"\\u0000\"", "[", "]", "{", "}", ",", "1",
            "-1", "true", "\n", "#", "é", "A = ", "'1s'", "1979-05-27", "inf",
        ]), 0..20)
    ) {
        let written = pieces.concat();
        match parse(&written) {
            Err(told) => {
                prop_assert_eq!(told.lines().count(), 1);
                prop_assert!(told.contains("; try: "), "{}", told);
            }
            Ok(_) => prop_assert_eq!(super::schema_tests::takes(&written), Some(true)),
        }
    }
}
