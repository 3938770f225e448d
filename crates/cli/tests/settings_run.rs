//! What settings do to a run, from wherever they come.

mod common;
mod settings_place;

use std::path::Path;

use common::{stderr, stdout};
use settings_place::{Level, Place};

/// A task that ends once so many of its like are at work at the same moment.
const MEETS: &str = "touch \"$1.met\"; until [ -e a.met ] && [ -e b.met ]; do sleep 0.01; done";

/// A task that writes down when it begins and when it ends.
const LOGS: &str = "echo + >> log; sleep 0.05; echo - >> log";

/// Whether two tasks are at work at once. Where they aren't, the first waits in vain until its
/// time is up.
fn side_by_side(place: &Place, timeout: &str) -> (bool, String) {
    let output = place
        .command(&["run", "--halt", "now", "--timeout", timeout])
        .args(["--", "sh", "-c", MEETS, "sh", "{}", ":::", "a", "b"])
        .output()
        .unwrap();
    let _ = std::fs::remove_file(place.root().join("a.met"));
    let _ = std::fs::remove_file(place.root().join("b.met"));
    (output.status.success(), stderr(&output))
}

fn assert_parallel(place: &Place, what: &str) {
    let (parallel, said) = side_by_side(place, "30s");
    assert!(parallel, "{what}: {said}");
    assert!(!said.contains("one task at a time"), "{what}: {said}");
}

fn assert_one_by_one(place: &Place, what: &str, says: &str) {
    let (parallel, said) = side_by_side(place, "1s");
    assert!(!parallel, "{what}: {said}");
    assert!(said.contains(says), "{what}: {said}");
}

/// The most tasks that were at work at once, of eight.
fn most_at_once(place: &Place) -> (usize, String) {
    let log = place.root().join("log");
    let _ = std::fs::remove_file(&log);
    let output = place
        .command(&["run"])
        .args(["--", "sh", "-c", LOGS, ":::"])
        .args(["1", "2", "3", "4", "5", "6", "7", "8"])
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    (most(&log), said)
}

fn most(log: &Path) -> usize {
    let text = std::fs::read_to_string(log).unwrap();
    assert_eq!(text.lines().count(), 16, "{text}");
    let mut at_work = 0_usize;
    let counts = text.lines().map(|line| {
        match line {
            "+" => at_work += 1,
            _ => at_work -= 1,
        }
        at_work
    });
    counts.max().unwrap_or_default()
}

#[test]
fn each_level_can_make_a_run_parallel() {
    for level in [Level::Environment, Level::DotEnv] {
        let mut place = Place::new();
        place.variable(level, "SAFE_PARALLEL", "true");
        assert_parallel(&place, &format!("{level:?}"));
    }
    for level in [Level::Project, Level::User, Level::Profile] {
        let mut place = Place::new();
        place.key(level, "parallel", "true");
        assert_parallel(&place, &format!("{level:?}"));
    }
    for name in ["development", "aggressive"] {
        let mut place = Place::new();
        place.flags(&format!("--profile {name}"));
        assert_parallel(&place, name);
    }
}

#[test]
fn jobs_make_a_run_parallel_whatever_else_is_said() {
    let mut place = Place::new();
    place.variable(Level::Environment, "SAFE_PARALLEL", "false");
    place.text(
        Level::Project,
        "parallel = false\nstrategy = 'sequential'\n",
    );
    place.flags("--profile production -j 2");
    assert_parallel(&place, "-j 2");
}

#[test]
fn without_a_word_a_run_is_sequential_and_says_how_to_change_that() {
    let how = "running one task at a time; to run as many as memory allows, add -j auto";
    assert_one_by_one(&Place::new(), "nothing", how);
    let mut place = Place::new();
    place.variable(Level::Environment, "CONCURRENCY_LIMIT", "3");
    assert_one_by_one(&place, "a number alone", how);
    let mut place = Place::new();
    place.flags("--strategy continuous");
    assert_one_by_one(&place, "a strategy alone", how);
    let mut place = Place::new();
    place.variable(Level::DotEnv, "SAFE_PARALLEL", "0");
    place.flags("--profile development");
    let how = "one task at a time, as .env:2:8 says; to run as many as memory allows, add -j auto";
    assert_one_by_one(&place, ".env", how);
    let mut place = Place::new();
    place.flags("--profile production");
    assert_one_by_one(&place, "production", "as profile production says; to run");
    let mut place = Place::new();
    place.variable(Level::Environment, "SAFE_PARALLEL", "1");
    place.flags("--strategy sequential");
    let (_, said) = side_by_side(&place, "1s");
    assert!(!said.contains("-j auto"), "asked for by its name: {said}");
}

#[test]
fn so_many_at_once_as_the_limit_says() {
    let mut place = Place::new();
    place.variable(Level::Environment, "SAFE_PARALLEL", "true");
    let (most, said) = most_at_once(&place);
    assert!((1..=2).contains(&most), "{most}: {said}");
    place.variable(Level::Environment, "CONCURRENCY_LIMIT", "1");
    assert_eq!(most_at_once(&place).0, 1);
    // A flag outdoes the variable.
    place.flags("-j 3");
    assert!(most_at_once(&place).0 <= 3);
    assert_parallel(&place, "-j 3 over a limit of 1");
}

#[test]
fn more_than_suits_agents_is_taken_with_a_warning() {
    let mut place = Place::new();
    place.variable(Level::DotEnv, "CONCURRENCY_LIMIT", "4");
    let (_, said) = most_at_once(&place);
    assert!(!said.contains("exhaust"), "not in use: {said}");
    place.variable(Level::Environment, "SAFE_PARALLEL", "true");
    let (most, said) = most_at_once(&place);
    assert!(
        most <= 4 && said.contains("4 tasks at once, as .env:2:8 says"),
        "{most}: {said}"
    );
    place.flags("-j 8");
    let (_, said) = most_at_once(&place);
    assert!(!said.contains("exhaust"), "asked for by -j: {said}");
    let place = Place::new();
    place.text(Level::Project, "parallel = true\nconcurrency = 3\n");
    let (_, said) = most_at_once(&place);
    assert!(!said.contains("exhaust"), "{said}");
}

/// What a run of six tasks says of its steps, without the figures.
fn steps(place: &Place) -> Vec<String> {
    let output = place
        .command(&["run", "-v"])
        .args(["--", "true", "{}", ":::", "1", "2", "3", "4", "5", "6"])
        .output()
        .unwrap();
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    said.lines()
        .filter(|line| line.starts_with('[') || line.contains("one task at a time"))
        .map(|line| line.replace(|c: char| c.is_ascii_digit(), "N"))
        .collect()
}

#[test]
fn batches_need_a_word_for_parallel() {
    let mut place = Place::new();
    place.flags("--strategy batch");
    let how = "one task at a time; to run batches, add -j N or set SAFE_PARALLEL=true";
    let said = steps(&place);
    assert!(said.iter().any(|line| line.contains(how)), "{said:?}");
    assert!(
        !said.iter().any(|line| line.contains("batch N")),
        "{said:?}"
    );
    for with in ["-j 2", "--profile development"] {
        let mut place = Place::new();
        place.flags("--strategy batch");
        place.flags(with);
        let said = steps(&place);
        assert!(
            said.iter()
                .any(|line| line.contains("Processing batch N, tasks: N")),
            "{said:?}"
        );
    }
    let mut place = Place::new();
    place.text(Level::Project, "strategy = 'batch'\n");
    place.variable(Level::DotEnv, "SAFE_PARALLEL", "true");
    let said = steps(&place);
    assert!(
        said.iter()
            .any(|line| line.contains("Processing batch N, tasks: N")),
        "{said:?}"
    );
}

#[test]
fn the_threshold_comes_from_each_level() {
    // This session alone holds more than 1 MB.
    let high = "Memory high";
    let write: [fn(&mut Place); 6] = [
        |place| place.flags("--threshold 1"),
        |place| place.variable(Level::Environment, "MEMORY_THRESHOLD", "1"),
        |place| place.variable(Level::DotEnv, "MEMORY_THRESHOLD", "1"),
        |place| place.key(Level::Project, "memory_threshold", "1"),
        |place| place.key(Level::User, "memory_threshold", "1"),
        |place| place.key(Level::Profile, "memory_threshold", "1"),
    ];
    for strategy in ["batch", "continuous"] {
        for (at, write) in write.iter().enumerate() {
            let mut place = Place::new();
            write(&mut place);
            place.flags("-j 2 --strategy");
            place.flags(strategy);
            let said = steps(&place);
            let found = said.iter().any(|line| line.contains(high));
            assert!(found, "{strategy} {at}: {said:?}");
        }
        // What nobody has set doesn't bind, and what is out of reach neither.
        for threshold in ["", "--threshold 9999999"] {
            let mut place = Place::new();
            place.flags("-j 2 --strategy");
            place.flags(strategy);
            if !threshold.is_empty() {
                place.flags(threshold);
            }
            let said = steps(&place);
            assert!(
                !said.iter().any(|line| line.contains(high)),
                "{strategy}: {said:?}"
            );
        }
    }
}

#[test]
fn files_set_what_flags_set() {
    // Fails twice, succeeds then.
    let counts = "echo x >> tries; [ $(wc -l < tries) -ge 3 ]";
    let place = Place::new();
    place.text(Level::Project, "retries = 2\n");
    let output = place.command(&["run", counts]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let place = Place::new();
    place.text(Level::User, "retries = 1\n");
    let output = place.command(&["run", counts]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));

    let place = Place::new();
    place.text(Level::Project, "timeout = '200ms'\ngrace = 0\n");
    let output = place
        .command(&["run", "trap '' TERM; while :; do sleep 1; done"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(1));

    let place = Place::new();
    place.text(Level::Project, "halt = 'soon'\n");
    let output = place
        .command(&["run", "echo {}; false", ":::", "a", "b"])
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "a\n");

    for text in ["memory = '1'\n", "memory = '1000G'\nreserve = '100%'\n"] {
        let place = Place::new();
        place.text(Level::Project, text);
        let output = place.command(&["run", "true"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}: {}", stderr(&output));
        // A flag outdoes it.
        let mut place = place;
        place.flags("--memory 90% --reserve 1M");
        let output = place.command(&["run"]).arg("true").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}: {}", stderr(&output));
    }
}

#[test]
fn tasks_get_none_of_what_was_read() {
    let mut place = Place::new();
    place.variable(Level::DotEnv, "SAFE_PARALLEL", "true");
    place.variable(Level::DotEnv, "CONCURRENCY_LIMIT", "2");
    place.text(Level::Project, "parallel = true\n");
    let output = place.command(&["run", "env"]).output().unwrap();
    let environment = stdout(&output);
    for name in ["SAFE_PARALLEL", "CONCURRENCY_LIMIT", "OTHER"] {
        assert!(!environment.contains(name), "{environment}");
    }
}

#[test]
fn a_file_of_a_stranger_is_passed_over_and_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("work")).unwrap();
    let file = dir.path().join("saferun.toml");
    std::fs::write(&file, "nonsense\n").unwrap();
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_err() {
        eprintln!("skipped: this user can't give files away");
        return;
    }
    let output = common::saferun(&dir.path().join("work"))
        .args(["run", "true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("saferun.toml are not read: the file is another user's"));
}

#[test]
fn status_tells_what_is_set_and_what_is_wrong_with_it() {
    let place = Place::new();
    let status = |place: &Place| {
        let output = place.command(&["status"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert!(status(&place).contains("nothing     all is as built in"));
    place.text(Level::Project, "memory = '100M'\nhalt = 'now'\n");
    let said = status(&place);
    assert!(
        said.contains("  halt = \"now\" (saferun.toml:2:8)\n"),
        "{said}"
    );
    assert!(
        said.contains("budget      100 MiB for all tasks together"),
        "{said}"
    );
    place.text(Level::Project, "memroy = '100M'\n");
    let said = status(&place);
    let wrong = "wrong       there is no setting 'memroy', at saferun.toml:1:1; try: memory";
    assert!(said.contains(wrong), "{said}");
}
