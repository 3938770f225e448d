//! The guide's commands do what the guide says: each `console` block of docs/guide.md and
//! docs/troubleshooting.md is run, in a directory of its document's own.
//!
//! - A line `$ COMMAND` is run by `sh`; `> ` continues it. All of a block share one shell.
//! - It must exit with 0, unless the next command is `echo $?`.
//! - The lines below it are what it prints. Figures may differ, and so may the order; lines of
//!   saferun's own may come on top. After ```` ```console machine ```` any output will do: it
//!   tells of this machine, or depends on who is faster.
//! - ```` ```toml tasks.toml ```` and the like write a file.
//!
//! With `UPDATE_DOCUMENTS=1` what was printed is written into the documents.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Stands between the outputs of two commands, followed by the first one's exit status.
const MARK: &str = "--- end of a command: ";
/// What the documents call the directory in which all is run.
const PLACE: &str = "/home/you/project";

#[test]
fn the_guide_holds() {
    check("guide.md");
}

#[test]
fn troubleshooting_holds() {
    check("troubleshooting.md");
}

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    let text = fs::read_to_string(&path).expect("the document can be read");
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().to_str().expect("a plain name").to_owned();
    let (mut written, mut findings, mut commands) = (String::new(), Vec::new(), 0);
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        written += &format!("{line}\n");
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            continue;
        };
        let content: Vec<&str> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        match info.split_once(' ').unwrap_or((info, "")) {
            ("console", kind) => {
                let steps = steps(&content);
                commands += steps.len();
                let outputs = run(&steps, &place);
                if outputs.len() < steps.len() {
                    findings.push(format!("{name}:{number}: ended early: {outputs:?}"));
                }
                for (index, (step, output)) in steps.iter().zip(&outputs).enumerate() {
                    let asked = steps
                        .get(index + 1)
                        .is_some_and(|next| next.command == "echo $?");
                    if output.status != 0 && !asked {
                        findings.push(format!("{name}:{number}: {}: {output:?}", step.command));
                    } else if let Some(line) = differs(&step.output, &output.lines)
                        && (kind != "machine" || step.command == "echo $?")
                    {
                        findings.push(format!(
                            "{name}:{number}: {}: {line:?} of\n{:#?}\n{:#?}",
                            step.command, step.output, output.lines
                        ));
                    }
                    written += &format!("$ {}\n", step.command.replace('\n', "\n> "));
                    for line in &output.lines {
                        written += &format!("{line}\n");
                    }
                }
            }
            (_, file) => {
                if !file.is_empty() {
                    let text = content.join("\n") + "\n";
                    fs::write(directory.path().join(file), text).expect("written");
                }
                for line in content {
                    written += &format!("{line}\n");
                }
            }
        }
        written += "```\n";
    }
    assert!(commands > 10, "{commands} commands in {name}");
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        fs::write(&path, written).expect("the document can be written");
    } else {
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}

/// A command of a block and what it is said to print.
struct Step {
    command: String,
    output: Vec<String>,
}

fn steps(content: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in content {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                output: Vec::new(),
            });
            continue;
        }
        let step = steps.last_mut().expect("a block begins with a command");
        match line.strip_prefix("> ") {
            Some(more) if step.output.is_empty() => step.command += &format!("\n{more}"),
            _ => step.output.push((*line).to_owned()),
        }
    }
    steps
}

#[derive(Debug, Default)]
struct Output {
    lines: Vec<String>,
    status: i32,
}

/// Runs a block's commands in one shell.
fn run(steps: &[Step], place: &str) -> Vec<Output> {
    let mut script = String::from("exec 2>&1\n");
    for step in steps {
        let command = &step.command;
        script += &format!("{command}\nset -- $?; echo '{MARK}'$1; (exit $1)\n");
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_saferun"));
    let mut path = binary.parent().expect("a directory").as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut command = Command::new("timeout");
    command
        .args(["-k", "1", "120", "sh", "-c", &script])
        .current_dir(place)
        .stdin(Stdio::null())
        .env("PATH", path)
        .env("HOME", place)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_STATE_HOME");
    for variable in ["SAFE_PARALLEL", "CONCURRENCY_LIMIT", "MEMORY_THRESHOLD"] {
        command.env_remove(variable);
    }
    let output = command.output().expect("a shell can be run");
    let mut outputs = vec![Output::default()];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let last = outputs.last_mut().expect("one is there");
        // What a command prints need not end with a line end.
        match line.split_once(MARK) {
            Some((rest, status)) => {
                last.status = status.parse().expect("a status");
                last.lines
                    .extend((!rest.is_empty()).then(|| rest.replace(place, PLACE)));
                outputs.push(Output::default());
            }
            None => last.lines.push(line.replace(place, PLACE)),
        }
    }
    outputs.pop();
    outputs
}

/// The first line that was promised and not printed, or printed and not promised.
fn differs<'a>(promised: &'a [String], printed: &'a [String]) -> Option<&'a String> {
    let shapes = |lines: &[String]| lines.iter().map(|line| shape(line)).collect::<Vec<_>>();
    let (mut left, expected) = (shapes(printed), shapes(promised));
    for (line, shape) in promised.iter().zip(&expected) {
        // What was over before the first reading has no peak to tell of.
        if line.starts_with("saferun: heaviest:") {
            continue;
        }
        match left.iter().position(|found| found == shape) {
            Some(index) => drop(left.swap_remove(index)),
            None => return Some(line),
        }
    }
    let is_extra =
        |line: &&String| !expected.contains(&shape(line)) && !line.starts_with("saferun:");
    printed.iter().find(is_extra)
}

/// A line with `#` for each figure and its unit.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if !first.is_ascii_digit() {
            shape.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        for unit in [" B", " KiB", " MiB", " GiB", " s", " ms"] {
            if let Some(after) = rest.strip_prefix(unit)
                && !after.starts_with(char::is_alphanumeric)
            {
                rest = after;
                break;
            }
        }
        shape.push('#');
    }
    shape
}

#[test]
fn figures_and_order_may_differ_and_nothing_else() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let promised = lines("a\nsaferun: 2 done in 0.5 s; peak 1.2 GiB");
    let differs = |printed: &str| differs(&promised, &lines(printed)).cloned();
    assert_eq!(differs("saferun: 13 done in 12 s; peak 980 MiB\na"), None);
    assert_eq!(
        differs("saferun: more\na\nsaferun: 1 done in 1 s; peak 0 B"),
        None
    );
    assert!(differs("a").is_some());
    assert!(differs("a\nb\nsaferun: 2 done in 0.5 s; peak 1.2 GiB").is_some());
    assert!(differs("a\nsaferun: 2 gone in 0.5 s; peak 1.2 GiB").is_some());
}
