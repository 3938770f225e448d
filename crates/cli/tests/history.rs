//! What runs leave in the history, and what `saferun history` makes of it.

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{saferun, stderr, stdout, with_input};

/// A saferun with a history of its own.
fn with_history(dir: &Path, state: &Path) -> Command {
    let mut command = saferun(dir);
    command.env("XDG_STATE_HOME", state);
    command
}

fn output(mut command: Command) -> Output {
    command.output().expect("runs")
}

fn rows(dir: &Path, state: &Path) -> Vec<serde_json::Value> {
    let mut list = with_history(dir, state);
    list.args(["history", "list", "--json"]);
    let answer = output(list);
    assert!(answer.status.success(), "{}", stderr(&answer));
    stdout(&answer)
        .lines()
        .map(|line| serde_json::from_str(line).expect("one object a line"))
        .collect()
}

#[test]
fn every_attempt_leaves_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::write(dir.path().join("input"), vec![b'a'; 5000]).unwrap();
    let mut run = with_history(dir.path(), &state);
    run.args([
        "run",
        "-j",
        "2",
        "--retries",
        "1",
        "sh",
        "-c",
        "wc -c < $1; exit $2",
    ])
    .args(["sh", "input", "{}", ":::", "0", "1"]);
    assert_eq!(output(run).status.code(), Some(1));
    let rows = rows(dir.path(), &state);
    assert_eq!(rows.len(), 3, "one success, one failure and its repetition");
    for row in &rows {
        assert_eq!(row["input_bytes"], 5000);
        assert_eq!(row["template"][4], "input");
        assert!(row["seconds"].as_f64().unwrap() > 0.0);
        assert!(row["keys"]["template"].is_string());
    }
    let attempts: Vec<u64> = rows
        .iter()
        .map(|row| row["attempt"].as_u64().unwrap())
        .collect();
    assert_eq!(attempts.iter().sum::<u64>(), 4, "{attempts:?}");
}

#[test]
fn secrets_and_the_environment_are_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut run = with_history(dir.path(), &state);
    run.env("INHERITED", "inherited-value").args([
        "run",
        "env",
        "API_TOKEN=hunter2secret",
        "true",
        "--password",
        "opensesame",
    ]);
    assert!(output(run).status.success());
    let mut export = with_history(dir.path(), &state);
    export.args(["history", "export"]);
    let exported = stdout(&output(export));
    assert!(exported.contains("API_TOKEN=***"), "{exported}");
    let directory = state.join("saferun");
    for entry in std::fs::read_dir(directory).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for hidden in ["hunter2secret", "opensesame", "inherited-value"] {
            assert!(!text.contains(hidden), "{hidden} is stored");
        }
    }
}

#[test]
fn the_size_of_each_tasks_own_file_is_known_and_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let file = |name: &str, bytes: usize| {
        std::fs::write(dir.path().join(name), vec![b'a'; bytes]).unwrap();
    };
    for mib in 1..=8 {
        file(&format!("f{mib}"), mib << 20);
    }
    let mut run = with_history(dir.path(), &state);
    run.args(["run", "cksum", "{}", ":::"])
        .args((1..=8).map(|mib| format!("f{mib}")));
    assert!(output(run).status.success());
    let lines: String = rows(dir.path(), &state)
        .into_iter()
        .map(|mut row| {
            let name = row["items"][0].as_str().unwrap();
            let mib: u64 = name.trim_start_matches('f').parse().unwrap();
            assert_eq!(row["input_bytes"], mib << 20, "{row}");
            // What a program would need that holds its input ten times.
            row["peak_bytes"] = ((10 * mib + 5) << 20).into();
            format!("{row}\n")
        })
        .collect();
    let taught = dir.path().join("taught");
    let mut import = with_history(dir.path(), &taught);
    import.args(["history", "import", "-"]);
    assert!(with_input(import, lines.as_bytes()).status.success());
    file("small", 1 << 20);
    file("big", 24 << 20);
    let explain = |name: &str| {
        let mut explain = with_history(dir.path(), &taught);
        explain.args([
            "history", "explain", "--json", "--", "cksum", "{}", ":::", name,
        ]);
        let said: serde_json::Value =
            serde_json::from_str(&stdout(&output(explain))).expect("an object");
        assert_eq!(said["from"], "template", "{said}");
        said["reserve_bytes"].as_u64().unwrap() >> 20
    };
    let (small, big) = (explain("small"), explain("big"));
    assert!((15..60).contains(&small), "{small} MiB");
    assert!(big > 150, "{big} MiB");
}

#[test]
fn no_form_of_a_secret_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut run = with_history(dir.path(), &state);
    run.args(["run", "sh", "-c", "PGPASSWORD='hidden1 hidden2' true; : {}"])
        .args(["sh", "--token=hidden3", "--api-key", "hidden4"])
        .args(["postgres://me:hidden5@host/db", "AKIAHIDDEN6HIDDEN6AB"])
        .args(["-u", "me:hidden7", "https://h/?a=1&token=hidden8"])
        .args([":::", "SECRET=hidden9", "{\"password\":\"hidden10\"}"]);
    output(run);
    assert_eq!(rows(dir.path(), &state).len(), 2);
    for entry in std::fs::read_dir(state.join("saferun")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        assert!(!text.contains("hidden"), "{text}");
    }
}

#[test]
fn a_run_can_do_without() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut flag = with_history(dir.path(), &state);
    flag.args(["run", "--no-history", "true"]);
    assert!(output(flag).status.success());
    std::fs::write(dir.path().join("saferun.toml"), "history = false\n").unwrap();
    let mut setting = with_history(dir.path(), &state);
    setting.args(["run", "true"]);
    assert!(output(setting).status.success());
    assert!(!state.exists(), "nothing was made");
}

#[test]
fn what_cannot_be_kept_costs_one_warning_and_never_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("file");
    std::fs::write(&state, b"no directory").unwrap();
    let mut run = with_history(dir.path(), &state);
    run.args(["run", "-j", "2", "echo", ":::", "a", "b"]);
    let answer = output(run);
    assert!(answer.status.success());
    assert_eq!(stdout(&answer).len(), 4);
    let said = stderr(&answer);
    assert_eq!(said.matches("history").count(), 1, "{said}");
}

#[test]
fn a_damaged_file_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir_all(state.join("saferun")).unwrap();
    let file = state.join("saferun/history.sqlite");
    std::fs::write(&file, b"this is no database, but somebody may want it").unwrap();
    let mut run = with_history(dir.path(), &state);
    run.args(["run", "true"]);
    let answer = output(run);
    assert!(answer.status.success());
    assert!(stderr(&answer).contains("damaged"), "{}", stderr(&answer));
    assert_eq!(rows(dir.path(), &state).len(), 1);
    let kept = std::fs::read_dir(state.join("saferun"))
        .unwrap()
        .filter(|entry| {
            let bytes = std::fs::read(entry.as_ref().unwrap().path()).unwrap();
            bytes.starts_with(b"this is no database")
        })
        .count();
    assert_eq!(kept, 1);
}

#[test]
fn what_is_too_old_is_let_go_of() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let run = |items: &[&str]| {
        let mut run = with_history(dir.path(), &state);
        run.args(["run", "echo", ":::"]).args(items);
        assert!(output(run).status.success());
    };
    run(&["a", "b"]);
    let of_days = |text: &str| {
        let kept: Vec<_> = rows(dir.path(), &state);
        let lines = kept.into_iter().map(|mut row| {
            let days = if row["items"][0] == "a" { 40 } else { 2 };
            row["at_ms"] = (row["at_ms"].as_i64().unwrap() - days * 86_400_000).into();
            format!("{row}\n")
        });
        let lines: String = lines.collect();
        let other = dir.path().join(text);
        let mut import = with_history(dir.path(), &other);
        import.args(["history", "import", "-"]);
        assert!(with_input(import, lines.as_bytes()).status.success());
        other
    };
    let prune = |state: &Path, words: &[&str]| {
        let mut prune = with_history(dir.path(), state);
        prune.args(["history", "prune", "--json"]).args(words);
        let said = stdout(&output(prune));
        let said: serde_json::Value = serde_json::from_str(&said).expect("an object");
        assert!(said["freed_bytes"].is_u64(), "{said}");
        said["pruned"].as_u64().unwrap()
    };
    let by_flag = of_days("by-flag");
    assert_eq!(prune(&by_flag, &[]), 0);
    assert_eq!(prune(&by_flag, &["--days", "30"]), 1);
    assert_eq!(rows(dir.path(), &by_flag).len(), 1);
    let (by_setting, by_run) = (of_days("by-setting"), of_days("by-run"));
    std::fs::write(dir.path().join("saferun.toml"), "history_days = 1\n").unwrap();
    assert_eq!(prune(&by_setting, &[]), 2);
    // A run lets go of what has expired while it writes.
    let mut run = with_history(dir.path(), &by_run);
    run.args(["run", "true"]);
    assert!(output(run).status.success());
    assert_eq!(rows(dir.path(), &by_run).len(), 1);
}

#[test]
fn many_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let items: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let mut running = Vec::new();
    for _ in 0..20 {
        let mut run = with_history(dir.path(), &state);
        run.args(["run", "-j", "2", "--progress", "none", "true", ":::"])
            .args(&items)
            .stderr(std::process::Stdio::piped());
        running.push(run.spawn().expect("starts"));
    }
    for run in running {
        let answer = run.wait_with_output().expect("ends");
        assert!(answer.status.success(), "{}", stderr(&answer));
        assert!(!stderr(&answer).contains("history"), "{}", stderr(&answer));
    }
    let rows = rows(dir.path(), &state);
    let mut each: Vec<(String, u64)> = rows
        .iter()
        .map(|row| (row["run"].to_string(), row["task"].as_u64().unwrap()))
        .collect();
    each.sort();
    each.dedup();
    assert_eq!((rows.len(), each.len()), (1000, 1000));
}

#[test]
fn explain_names_its_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let explain = |words: &[&str]| {
        let mut command = with_history(dir.path(), &state);
        command
            .args(["history", "explain", "--json", "--"])
            .args(words);
        let answer = output(command);
        assert!(answer.status.success(), "{}", stderr(&answer));
        serde_json::from_str::<serde_json::Value>(&stdout(&answer)).expect("an object")
    };
    assert_eq!(explain(&["sleep", "{}", ":::", "9"])["from"], "prior");
    let mut run = with_history(dir.path(), &state);
    run.args([
        "run", "-j", "4", "sleep", "{}", ":::", "0.01", "0.02", "0.03", "0.04",
    ]);
    assert!(output(run).status.success());
    let answer = explain(&["sleep", "{}", ":::", "9"]);
    assert_eq!(answer["from"], "template");
    assert_eq!(answer["evidence"], 4);
    assert_eq!(explain(&["sleep", "9"])["from"], "program");
    let largest = answer["largest_bytes"].as_u64().unwrap();
    assert!(answer["reserve_bytes"].as_u64().unwrap() <= 3 * largest);
}

#[test]
fn attempts_go_out_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let mut run = with_history(dir.path(), &from);
    run.args(["run", "-j", "2", "echo", ":::", "a", "b", "c"]);
    assert!(output(run).status.success());
    let mut export = with_history(dir.path(), &from);
    export.args(["history", "export"]);
    let lines = output(export).stdout;
    let mut import = with_history(dir.path(), &to);
    import.args(["history", "import", "-", "--json"]);
    assert_eq!(stdout(&with_input(import, &lines)), "{\"imported\":3}\n");
    assert_eq!(rows(dir.path(), &from), rows(dir.path(), &to));
    let mut bad = with_history(dir.path(), &to);
    bad.args(["history", "import", "-"]);
    let answer = with_input(bad, b"{}\n");
    assert_eq!(answer.status.code(), Some(2));
    assert!(stderr(&answer).contains("line 1"), "{}", stderr(&answer));
}

#[test]
fn attempts_are_forgotten_and_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let mut run = with_history(dir.path(), &state);
    run.args([
        "run", "-j", "2", "echo", ":::", "apple", "pear", "plum", "fig",
    ]);
    assert!(output(run).status.success());
    let said = |words: &[&str]| {
        let mut command = with_history(dir.path(), &state);
        command.arg("history").args(words);
        output(command)
    };
    assert_eq!(
        stdout(&said(&["forget", "plum", "--json"])),
        "{\"forgotten\":1}\n"
    );
    assert_eq!(said(&["forget"]).status.code(), Some(2));
    let pruned = stdout(&said(&["prune", "--keep", "2"]));
    assert!(pruned.starts_with("1 attempts pruned, "), "{pruned}");
    assert!(pruned.ends_with(" given back\n"), "{pruned}");
    assert_eq!(stdout(&said(&["list", "-n", "1"])).lines().count(), 1);
    assert_eq!(
        stdout(&said(&["forget", "--all"])),
        "2 attempts forgotten\n"
    );
    assert!(rows(dir.path(), &state).is_empty());
    assert_eq!(said(&["show", "1"]).status.code(), Some(2));
}
