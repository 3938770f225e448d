//! Requests carried out by real small agents, told by what the agents recorded themselves.

mod common;
mod delegate_place;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{stderr, stdout, until};
use delegate_place::{Project, agent, company};
use saferun_testbed::cage::Cage;

const MIB: u64 = 1 << 20;

const REQUEST: &str = "Add a button to the settings page";

#[test]
fn the_primary_first_then_its_validators_side_by_side_and_what_they_made_is_kept() {
    let project = Project::new(&[
        ("builder", "", "--edit src/lib.rs --talk 200"),
        ("reader", "", "--hold 400"),
        ("tester", "", "--hold 400"),
    ]);
    let output = project.run(&["delegate", "-j", "3", REQUEST]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let record = project.record();
    assert_eq!(record[..2], ["begin builder", "end builder"], "{record:?}");
    assert_eq!(company(&record, |_| true), 2, "{record:?}");

    let session = project.session();
    let mode = fs::metadata(&session).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let builder = session.join("builder");
    let wrote = fs::read_to_string(builder.join("stdout")).unwrap();
    assert!(wrote.contains("+// builder was here."), "{wrote}");
    assert!(
        stdout(&output).contains(&wrote),
        "what an agent wrote is handed on as well"
    );
    assert!(
        fs::read_to_string(builder.join("report.md"))
            .unwrap()
            .contains("Report of builder")
    );

    let manifest = project.manifest();
    assert_eq!(
        (&manifest["status"], &manifest["request"]),
        (&"done".into(), &REQUEST.into())
    );
    for record in manifest["agents"].as_array().unwrap() {
        assert_eq!(
            (&record["status"], &record["exit"]),
            (&"done".into(), &"exit status 0".into())
        );
        assert!(record["peak_bytes"].as_u64() > Some(0), "{record}");
        assert!(record["elapsed_ms"].as_u64() > Some(0), "{record}");
        let outputs: Vec<&str> = record["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|output| output["path"].as_str().unwrap())
            .collect();
        assert_eq!(
            outputs,
            ["stdout", "stderr", "report.md", "seen-prompt.txt"]
        );
    }

    // The next one is told what matters in place of the transcript.
    let prompt = fs::read_to_string(session.join("reader/seen-prompt.txt")).unwrap();
    assert!(prompt.starts_with("You are reader"), "{prompt}");
    for part in [
        REQUEST,
        "## builder: exit status 0 in ",
        builder.join("stdout").to_str().unwrap(),
        builder.join("report.md").to_str().unwrap(),
        "src/lib.rs +1 -0",
        "# What builder did",
    ] {
        assert!(prompt.contains(part), "{part:?} is not in {prompt}");
    }
    assert!(
        prompt.matches("I think about part").count() < 20,
        "{prompt}"
    );
    let handed = fs::read_to_string(builder.join("digest.md")).unwrap();
    assert!(
        handed.len() * 10 <= wrote.len(),
        "{} of {}",
        handed.len(),
        wrote.len()
    );
    assert!(prompt.contains(&handed));

    // The agents' own files are no changes of the project.
    let status = Command::new("git")
        .args(["status", "--porcelain", "--untracked-files=all"])
        .current_dir(project.path())
        .output()
        .unwrap();
    assert_eq!(stdout(&status), " M src/lib.rs\n?? .saferun/agents.toml\n");
}

#[test]
fn an_agents_limit_holds_beside_that_of_all() {
    let project = Project::new(&[
        ("builder", "", ""),
        // Said to be small, so that nothing but the limits keeps them apart.
        ("reader", "concurrency = 1\nmemory = '20M'", "--hold 150"),
        ("tester", "concurrency = 2\nmemory = '20M'", "--hold 150"),
    ]);
    // A phase in which each of them works several times.
    let mut file = fs::read_to_string(project.path().join(".saferun/agents.toml")).unwrap();
    file += "[[phase]]\nname = 'work'\nagents = ['builder']\n\
             [[phase]]\nname = 'check'\nafter = ['work']\nagents = ['reader', 'reader', 'reader', 'tester', 'tester', 'tester', 'tester']\n";
    fs::write(project.path().join(".saferun/agents.toml"), file).unwrap();
    let output = project.run(&["delegate", "-j", "3", REQUEST]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = project.record();
    assert_eq!(
        record.iter().filter(|line| line.starts_with("end")).count(),
        8,
        "{record:?}"
    );
    assert_eq!(record[..2], ["begin builder", "end builder"]);
    assert_eq!(
        company(&record, |name| name.starts_with("reader")),
        1,
        "{record:?}"
    );
    assert_eq!(
        company(&record, |name| name.starts_with("tester")),
        2,
        "{record:?}"
    );
    assert_eq!(company(&record, |_| true), 3, "{record:?}");
    for folder in ["reader", "reader-2", "reader-3", "tester-4"] {
        assert!(
            project.session().join(folder).join("report.md").exists(),
            "{folder}"
        );
    }
}

#[test]
fn one_after_another_where_nobody_has_turned_company_on() {
    let project = Project::new(&[("builder", "", ""), ("reader", "", ""), ("tester", "", "")]);
    let output = project.run(&["delegate", REQUEST]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = project.record();
    let expected = [
        "begin builder",
        "end builder",
        "begin reader",
        "end reader",
        "begin tester",
        "end tester",
    ];
    assert_eq!(record, expected);
}

#[test]
fn a_failed_primary_stops_what_waits_and_the_session_goes_on_later() {
    let project = Project::new(&[
        ("builder", "", "--edit src/lib.rs --fail-without here"),
        ("reader", "", ""),
        ("tester", "", "--fail-without there"),
    ]);
    let output = project.run(&["delegate", "-j", "2", REQUEST]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(project.record(), ["begin builder", "fail builder"]);
    assert!(
        said.contains("it depends on builder, which did not succeed"),
        "{said}"
    );
    let go_on = format!(
        "saferun delegate --resume {}",
        project.session().file_name().unwrap().to_str().unwrap()
    );
    assert!(said.contains(&go_on), "{said}");
    assert_eq!(
        (project.status("builder"), project.status("reader")),
        ("failed".into(), "skipped".into())
    );

    // Once more: now a validator fails, and the other one is done.
    fs::write(project.path().join("here"), "").unwrap();
    let output = project.run(&["delegate", "--resume", "-j", "2"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(
        (project.status("builder"), project.status("reader")),
        ("done".into(), "done".into())
    );
    assert_eq!(project.status("tester"), "failed");
    let before = project.record().len();

    // And at last only that validator works, and knows what was done before.
    fs::write(project.path().join("there"), "").unwrap();
    let output = project.run(&["delegate", "--resume", "-j", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(project.record()[before..], ["begin tester", "end tester"]);
    let prompt = fs::read_to_string(project.session().join("tester/seen-prompt.txt")).unwrap();
    assert!(prompt.contains("## builder: exit status 0"), "{prompt}");
    assert_eq!(project.manifest()["status"], "done");
    let output = project.run(&["delegate", "--resume"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("there is no session to go on with"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_delegation_whose_runner_was_killed_goes_on_from_the_last_finished_phase() {
    let project = Project::new(&[
        ("builder", "", ""),
        ("reader", "", "--wait-for go --hold 10"),
    ]);
    let mut child = project
        .command(&["delegate", "-j", "2", REQUEST])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("the second agent's start", || project.record().len() == 3);
    // In use: nobody else may take it up, and it is not pruned.
    let output = project.run(&["delegate", "--resume", "-j", "2"]);
    assert!(
        stderr(&output).contains("is being worked on"),
        "{}",
        stderr(&output)
    );
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(project.path().join("go"), "").unwrap();
    // What was left of the run ends first: its guard sees to that.
    let mut output = None;
    until("the end of what was left", || {
        let tried = project.run(&["delegate", "--resume", "-j", "2"]);
        let is_free = !stderr(&tried).contains("is being worked on");
        output = is_free.then_some(tried);
        is_free
    });
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = project.record();
    assert_eq!(
        record
            .iter()
            .filter(|line| *line == "begin builder")
            .count(),
        1,
        "{record:?}"
    );
    assert_eq!(record.last().unwrap(), "end reader");
    assert_eq!(project.manifest()["status"], "done");
}

#[test]
fn what_is_wrong_is_told_before_anything_starts() {
    let project = Project::new(&[("builder", "", ""), ("reader", "", "")]);
    let file = project.path().join(".saferun/agents.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text + "[agents.reader]\ncommand = ['no-such-agent-xyz', '{prompt}']\n",
    )
    .unwrap_or(());
    let output = project.run(&["delegate", REQUEST]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    // The table stands twice, which is an error of the file; mend it.
    let text = fs::read_to_string(&file).unwrap();
    let (before, _) = text.rsplit_once("[agents.reader]").unwrap();
    fs::write(&file, before).unwrap();
    fs::write(
        project.path().join("saferun.toml"),
        "[agents.reader]\ncommand = ['no-such-agent-xyz', '{prompt}']\n",
    )
    .unwrap();
    let output = project.run(&["delegate", REQUEST]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("'no-such-agent-xyz', the program of the agent reader, is not there"),
        "{said}"
    );
    assert!(project.record().is_empty() && project.sessions().is_empty());

    fs::write(
        project.path().join("saferun.toml"),
        "[agents.reader]\ncommand = ['sh', '-c', 'x {prompt}']\n",
    )
    .unwrap();
    let output = project.run(&["delegate", REQUEST]);
    assert!(stderr(&output).contains("not safe"), "{}", stderr(&output));
    fs::remove_file(project.path().join("saferun.toml")).unwrap();
    let output = project.run(&["delegate", ""]);
    assert!(
        stderr(&output).contains("the request is empty"),
        "{}",
        stderr(&output)
    );
    assert!(project.record().is_empty() && project.sessions().is_empty());
}

#[test]
fn a_dry_run_shows_the_commands_and_runs_none() {
    let project = Project::new(&[("builder", "memory = '250M'", ""), ("reader", "", "")]);
    let output = project.run(&["delegate", "--dry-run", "-j", "2", REQUEST]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output)
        .replace(&agent(), "AGENT")
        .replace(project.path().to_str().unwrap(), "DIR");
    insta::assert_snapshot!(text);
    assert!(project.record().is_empty() && project.sessions().is_empty());
}

#[test]
fn no_request_becomes_code_or_an_option() {
    let project = Project::new(&[("builder", "", "")]);
    let nasty = "--help $(touch hit) `touch hit`; touch hit & 'x\" {workdir} {prompt}\n-rf";
    let output = project.run(&["delegate", "--", nasty]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let prompt = fs::read_to_string(project.session().join("builder/seen-prompt.txt")).unwrap();
    assert!(prompt.contains(nasty), "{prompt}");
    assert!(!project.path().join("hit").exists());
}

#[test]
fn one_command_for_all_agents_that_have_none() {
    let project = Project::new(&[("builder", "", "")]);
    let file = project.path().join("saferun.toml");
    fs::write(&file, "agent_command = ['sh', '-c', 'cp \"$1\" \"$2/copy\"; echo \"$SAFERUN_AGENT\"', 'sh', '{prompt_file}', '{artifacts}']\n").unwrap();
    let output = project.run(&[
        "delegate",
        "--agent",
        "documentation-writer",
        "Write a guide",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let copy = fs::read_to_string(project.session().join("documentation-writer/copy")).unwrap();
    assert!(
        copy.starts_with("You are documentation-writer (Words for people"),
        "{copy}"
    );
}

#[test]
fn three_validators_of_250_mib_in_a_cage_of_600_mib_all_finish() {
    let Some(cage) = Cage::for_test("delegate", 600 * MIB) else {
        return;
    };
    let validator = "--memory 245M --hold 300";
    let limit = "memory = '250M'\nconcurrency = 3";
    let project = Project::new(&[
        ("builder", "", ""),
        ("reader", limit, validator),
        ("tester", limit, validator),
        ("auditor", limit, validator),
    ]);
    let model = project.command(&[]);
    let mut command = cage.command(model.get_program());
    for (name, value) in model.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command
        .args(["delegate", "--file", "src/lib.rs", "-j", "3", REQUEST])
        .current_dir(project.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = project.record();
    assert_eq!(
        record.iter().filter(|line| line.starts_with("end")).count(),
        4,
        "{record:?}"
    );
    // Two fit together and three don't.
    assert_eq!(company(&record, |_| true), 2, "{record:?}");
    assert_eq!(cage.local_kills().unwrap(), 0);
    for record in project.manifest()["agents"].as_array().unwrap() {
        assert_eq!(record["attempts"], 1, "{record}");
    }
}

#[test]
fn the_script_of_the_page_on_agents_gives_each_its_own_worktree() {
    if Command::new("flock").arg("--version").output().is_err() {
        println!("skipped: no flock program here");
        return;
    }
    let project = Project::new(&[
        ("builder", "", ""),
        ("reader", "", ""),
        ("tester", "", ""),
        ("auditor", "", ""),
    ]);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/agents.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```sh in-worktree\n").unwrap();
    let (script, _) = rest.split_once("```\n").unwrap();
    let file = project.path().join("in-worktree");
    saferun_testbed::program::write(&file, script).unwrap();
    let mut text = String::new();
    for name in ["builder", "reader", "tester", "auditor"] {
        text += &format!(
            "[agents.{name}]\nconcurrency = 3\nmemory = '20M'\ncommand = ['./in-worktree', '{}', '--edit', 'src/lib.rs', '--record', '{{workdir}}/.git/record', '--prompt={{prompt}}']\n",
            agent()
        );
    }
    fs::write(project.path().join("saferun.toml"), text).unwrap();
    let mut command = project.command(&["delegate", "-j", "3", REQUEST]);
    let own = Path::new(command.get_program())
        .parent()
        .unwrap()
        .to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = [own].into_iter().chain(std::env::split_paths(&path));
    let output = command
        .env("PATH", std::env::join_paths(path).unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let session = project.session();
    let id = session.file_name().unwrap().to_str().unwrap();
    let told = fs::read_to_string(session.join("reader/seen-prompt.txt")).unwrap();
    let branch = format!("builder: works on branch saferun/{id}/builder");
    assert!(told.contains(&branch), "{told}");
    let trees = project
        .path()
        .join(".saferun/worktrees")
        .join(session.file_name().unwrap());
    for name in ["builder", "reader", "tester", "auditor"] {
        let edited = fs::read_to_string(trees.join(name).join("src/lib.rs")).unwrap();
        assert_eq!(edited, format!("//! It.\n// {name} was here.\n"));
    }
    assert_eq!(
        fs::read_to_string(project.path().join("src/lib.rs")).unwrap(),
        "//! It.\n"
    );
    let prompt = fs::read_to_string(session.join("reader/seen-prompt.txt")).unwrap();
    assert!(prompt.contains("## builder: exit status 0"), "{prompt}");
}

#[test]
fn every_five_agents_memory_is_told_and_at_ten_what_was_left_alive_is_ended() {
    let project = Project::new(&[("builder", "", "--hold 0")]);
    let file = project.path().join(".saferun/agents.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    text += &format!(
        "[[phase]]\nname = 'all'\nagents = [{}]\n",
        "'builder', ".repeat(10)
    );
    fs::write(&file, text).unwrap();
    // Left by an agent of this project whose run is over, and by one of another project.
    let left = |folder: &Path| {
        let output = Command::new("sh")
            .args(["-c", "setsid sleep 300 > /dev/null 2>&1 & echo $!"])
            .env("SAFERUN_RUN", "6b05e20b-16b0-7c50b1a0")
            .env("SAFERUN_TASK", "0")
            .env("SAFERUN_ARTIFACTS", folder)
            .output()
            .unwrap();
        stdout(&output).trim().parse::<u32>().unwrap()
    };
    let ours = left(
        &project
            .path()
            .join(".saferun/artifacts/20200101-000000-00000000/builder"),
    );
    let other = left(Path::new("/nowhere/.saferun/artifacts/x/builder"));
    let is_alive = |pid: u32| {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state
            .rsplit(')')
            .next()
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    };
    assert!(is_alive(ours) && is_alive(other));
    let output = project.run(&["delegate", "--recycle", REQUEST]);
    let said = stderr(&output);
    let spared = is_alive(other);
    for pid in [ours, other] {
        // They are ours: nobody else ends them.
        let _ = Command::new("kill")
            .arg(pid.to_string())
            .stderr(Stdio::null())
            .status();
    }
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("after 5 agents this session holds "),
        "{said}"
    );
    assert!(said.contains("10 agents have worked in it"), "{said}");
    assert!(
        said.contains("recycled a process that earlier work left alive"),
        "{said}"
    );
    assert!(spared, "{said}");
}
