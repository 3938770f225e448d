//! `saferun plan` on the built command.

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{saferun, stderr, stdout, with_input};
use serde_json::Value;

/// The plan for these arguments, with side by side allowed.
fn plan(dir: &Path, arguments: &[&str]) -> Value {
    let output = saferun(dir)
        .arg("plan")
        .args(arguments)
        .env("SAFE_PARALLEL", "true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is said about arguments that are refused.
fn refusal(dir: &Path, arguments: &[&str]) -> String {
    let output = saferun(dir).arg("plan").args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

fn write(dir: &Path, name: &str, text: &str) {
    let file = dir.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

const MAP: &str = r#"{"delegation_rules": [{"name": "React Components", "pattern": "src/**/*.tsx", "exclude": ["**/*.test.tsx"],
   "primary_agent": "react-expert", "secondary_agents": ["code-reviewer-pro", "test-automator"],
   "triggers": ["Edit", "Write"], "context": {"framework": "React 18"}, "color": "blue"}],
 "quality_gates": {"pre_commit": {"required": ["gate-keeper"], "optional": ["test-automator"], "min_score": 80, "blocking": true}},
 "agent_capabilities": {"react-expert": ["components", "styling"]},
 "mcp_routing": {"supabase": {"keywords": ["migration", "schema"], "agent": "backend-architect"}},
 "weather": "fine"}"#;

#[test]
fn the_old_sessions_work_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["plan", "Add Button component"])
        .env("SAFE_PARALLEL", "true")
        .output()
        .unwrap();
    let text = stdout(&output);
    let line = text.lines().find(|line| line.contains("execution_mode"));
    assert_eq!(line, Some("  \"execution_mode\": \"parallel\","));
    let renamed = plan(dir.path(), &["Rename Card to Tile everywhere"]);
    assert_eq!(renamed["execution_mode"], "sequential");
    // The old script wanted a word for it.
    assert_eq!(
        plan(dir.path(), &["--plan", "Add Button component"])["execution_mode"],
        "parallel"
    );
}

#[test]
fn the_plain_parallel_case() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &["Add", "Button", "component"]);
    assert_eq!(plan["request"], "Add Button component");
    assert_eq!(
        plan["rationale"],
        "Independent validation agents can run concurrently"
    );
    assert_eq!(plan["primary_agent"], "frontend-developer");
    let phases = plan["phases"].as_array().unwrap();
    assert_eq!(
        phases[0]["agents"],
        serde_json::json!(["frontend-developer"])
    );
    assert_eq!(phases[1]["waits_for"], serde_json::json!(["work"]));
    assert_eq!(
        (&phases[1]["mode"], &phases[1]["concurrency"]),
        (&"parallel".into(), &2.into())
    );
    assert_eq!(
        plan["settings"]["parallel"]["source"],
        "variable SAFE_PARALLEL"
    );
    assert_eq!(plan["memory_threshold_mb"], 4096);
}

#[test]
fn dependent_work_is_one_phase_after_another() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &["Drop the users table"]);
    assert_eq!(
        (&plan["category"], &plan["concurrency"]),
        (&"migration".into(), &1.into())
    );
    let phases = plan["phases"].as_array().unwrap();
    for (before, phase) in phases.iter().zip(phases.iter().skip(1)) {
        assert_eq!(phase["waits_for"], serde_json::json!([before["name"]]));
        assert_eq!(phase["agents"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn the_setting_decides_where_it_is_off() {
    let dir = tempfile::tempdir().unwrap();
    for value in [None, Some("false"), Some("0")] {
        let mut command = saferun(dir.path());
        command.args(["plan", "Add Button component"]);
        if let Some(value) = value {
            command.env("SAFE_PARALLEL", value);
        }
        let output = command.output().unwrap();
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(plan["execution_mode"], "sequential");
        let why = plan["rationale"].as_str().unwrap();
        assert!(why.contains("the setting, not the work"), "{why}");
    }
    let output = saferun(dir.path())
        .args(["plan", "-j", "3", "Add Button component"])
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["execution_mode"], "parallel");
    assert_eq!(plan["settings"]["concurrency"]["source"], "flag --jobs");
}

#[test]
fn words_of_the_old_router_no_longer_mislead() {
    let dir = tempfile::tempdir().unwrap();
    for (request, category, agent) in [
        ("Build the CLI parser", "feature", "full-stack-developer"),
        ("Add a guide", "docs", "documentation-writer"),
        (
            "Fix performance regression",
            "performance",
            "performance-engineer",
        ),
        ("Fix the login bug", "bugfix", "full-stack-developer"),
        ("Drop the users table", "migration", "database-specialist"),
    ] {
        let plan = plan(dir.path(), &[request]);
        assert_eq!(plan["category"], category, "{request}");
        assert_eq!(plan["primary_agent"], agent, "{request}");
    }
    let plan = plan(dir.path(), &["Show the latest version"]);
    assert_ne!(plan["category"], "test");
}

#[test]
fn what_is_touched_counts_whatever_the_words() {
    let dir = tempfile::tempdir().unwrap();
    for (file, category) in [
        ("db/migrations/0001_users.sql", "migration"),
        ("prisma/schema.prisma", "migration"),
        ("web/package-lock.json", "breaking"),
        ("Cargo.lock", "breaking"),
        ("api/openapi.yaml", "breaking"),
    ] {
        let plan = plan(dir.path(), &["--file", file, "Fix the typo in the header"]);
        assert_eq!(plan["execution_mode"], "sequential", "{file}");
        assert_eq!(plan["category"], category, "{file}");
        assert!(plan["rationale"].as_str().unwrap().contains(file));
    }
    let users = plan(
        dir.path(),
        &["Add users table", "--file", "./db/migrations/1.sql"],
    );
    assert_eq!(users["execution_mode"], "sequential");
    let harmless = plan(
        dir.path(),
        &[
            "--file",
            "db/migrations/README.md",
            "Fix the typo in the header",
        ],
    );
    assert_eq!(harmless["execution_mode"], "parallel");
}

#[test]
fn a_rename_that_git_knows_is_dependent() {
    let dir = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    write(dir.path(), "a.txt", "line\n".repeat(20).as_str());
    if !git(&["init", "-q"]) || !git(&["add", "."]) || !git(&["commit", "-qm", "a"]) {
        eprintln!("skipped: git can't be run");
        return;
    }
    let unchanged = plan(dir.path(), &["--diff", "HEAD", "Add a button"]);
    assert_eq!(unchanged["execution_mode"], "parallel");
    assert!(git(&["mv", "a.txt", "b.txt"]));
    let renamed = plan(dir.path(), &["--diff", "HEAD", "Add a button"]);
    assert_eq!(renamed["execution_mode"], "sequential");
    assert_eq!(renamed["category"], "refactor");
    let said = refusal(dir.path(), &["--diff", "nowhere", "Add a button"]);
    assert!(said.contains("what changed since 'nowhere'"), "{said}");
    refusal(dir.path(), &["--diff", "--output=x", "Add a button"]);
    assert!(!dir.path().join("x").exists());
}

#[test]
fn a_delegation_map_is_read_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), ".claude/agents/delegation-map.json", MAP);
    let output = saferun(dir.path())
        .args(["plan", "Add a card", "--file", "src/a/Card.tsx"])
        .env("SAFE_PARALLEL", "1")
        .output()
        .unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Only the map names this agent; a plan needs no more.
    assert_eq!(plan["primary_agent"], "react-expert");
    assert_eq!(
        plan["secondary_agents"],
        serde_json::json!(["code-reviewer-pro", "test-automator", "gate-keeper"])
    );
    let said = stderr(&output);
    assert!(
        said.contains("delegation_rules['React Components'].color, weather")
            || said.contains("weather, delegation_rules['React Components'].color"),
        "{said}"
    );
    let excluded = self::plan(dir.path(), &["Add a card", "--file", "src/a/Card.test.tsx"]);
    assert_ne!(excluded["primary_agent"], "react-expert");
    let words = self::plan(dir.path(), &["Change the schema of orders"]);
    assert_eq!(words["primary_agent"], "backend-architect");
}

#[test]
fn lines_in_and_lines_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = saferun(dir.path());
    command
        .args(["plan", "--lines"])
        .env("SAFE_PARALLEL", "true");
    let output = with_input(
        command,
        b"Add Button component\n\nRename Card to Tile everywhere\r\nFix the login bug",
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let modes: Vec<&str> = lines
        .iter()
        .map(|line| line["execution_mode"].as_str().unwrap())
        .collect();
    assert_eq!(modes, ["parallel", "sequential", "parallel"]);
    for line in &lines {
        let keys: Vec<&str> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "request",
                "execution_mode",
                "category",
                "confidence",
                "dependent_score",
                "evidence"
            ]
        );
        assert!((0.0..=1.0).contains(&line["dependent_score"].as_f64().unwrap()));
    }
}

#[test]
fn a_long_request_is_cut_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let long = "Rename the class Foo to Bar. ".repeat(40_000);
    let mut command = saferun(dir.path());
    command
        .args(["plan", "--lines"])
        .env("SAFE_PARALLEL", "true");
    let output = with_input(command, long.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let said = stderr(&output);
    assert!(said.contains("only the first 16384 were read"), "{said}");
    let medium = "Rename the class Foo to Bar. ".repeat(1_000);
    let plan = plan(dir.path(), &[&medium]);
    let why = plan["rationale"].as_str().unwrap();
    assert!(
        why.contains("only the first 16384 bytes were read"),
        "{why}"
    );
}

#[test]
fn what_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let said = refusal(dir.path(), &["  "]);
    assert!(said.contains("the request is empty"), "{said}");
    let said = refusal(dir.path(), &["--agent", "nobody", "Add a button"]);
    assert!(said.contains("the agent 'nobody'"), "{said}");
    write(
        dir.path(),
        ".saferun/router.toml",
        "[[phrase]]\nname = \"mine\"\ncategory = \"breaking\"\nweight = 99\ntext = [\"a\"]\n",
    );
    let said = refusal(dir.path(), &["Add a button"]);
    assert!(said.contains("phrase 'mine': the weight 99"), "{said}");
    write(
        dir.path(),
        ".saferun/router.toml",
        "[[phrase]]\nname = \"mine\"\nwieght = 3\n",
    );
    refusal(dir.path(), &["Add a button"]);
    fs::remove_file(dir.path().join(".saferun/router.toml")).unwrap();
    write(
        dir.path(),
        ".saferun/agents.toml",
        "[[rule]]\nname = \"x\"\npattern = \"*.x\"\nprimary = \"ghost\"\n",
    );
    let said = refusal(dir.path(), &["Add a button"]);
    assert!(said.contains("rule 'x' names the agent 'ghost'"), "{said}");
    write(
        dir.path(),
        ".saferun/agents.toml",
        "[[phase]]\nname = \"a\"\nagents = [\"test-automator\"]\nafter = [\"b\"]\n[[phase]]\nname = \"b\"\nagents = [\"test-automator\"]\nafter = [\"a\"]\n",
    );
    let said = refusal(dir.path(), &["Add a button"]);
    assert!(
        said.contains("the phases a, b wait for one another in a circle"),
        "{said}"
    );
    write(
        dir.path(),
        ".saferun/agents.toml",
        "[[rule]]\nname = \"x\"\npattern = \"a[\"\nprimary = \"test-automator\"\n",
    );
    let said = refusal(dir.path(), &["Add a button"]);
    assert!(said.contains("rule 'x': the pattern 'a['"), "{said}");
    fs::remove_file(dir.path().join(".saferun/agents.toml")).unwrap();
    write(
        dir.path(),
        ".claude/agents/delegation-map.json",
        "{\"delegation_rules\": 3}",
    );
    refusal(dir.path(), &["Add a button"]);
}

#[test]
fn a_projects_own_rules_come_on_top() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        plan(dir.path(), &["Add a frobnicator"])["execution_mode"],
        "parallel"
    );
    write(
        dir.path(),
        ".saferun/router.toml",
        "[[phrase]]\nname = \"frobnicator\"\ncategory = \"breaking\"\nweight = 15\ntext = [\"frobnicator\"]\n",
    );
    let own = plan(dir.path(), &["Add a frobnicator"]);
    assert_eq!(
        (&own["execution_mode"], &own["category"]),
        (&"sequential".into(), &"breaking".into())
    );
    assert_eq!(own["evidence"][0]["rule"], "frobnicator");
    write(
        dir.path(),
        ".saferun/agents.toml",
        "[[phase]]\nname = \"look\"\nagents = [\"code-reviewer-pro\"]\nafter = [\"do\"]\n[[phase]]\nname = \"do\"\nagents = [\"mine\"]\n",
    );
    write(
        dir.path(),
        "saferun.toml",
        "[agents.mine]\ncommand = [\"true\"]\n",
    );
    let phased = plan(dir.path(), &["Add a button"]);
    let names: Vec<&Value> = phased["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| &phase["name"])
        .collect();
    assert_eq!(names, ["do", "look"]);
}

#[test]
fn plans_are_as_their_schema_says() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/schema/plan.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for request in [
        "Add Button component",
        "Drop the users table",
        "Florp the zibble",
        "Fix it, then rename it",
    ] {
        let plan = plan(dir.path(), &[request]);
        let errors: Vec<String> = validator
            .iter_errors(&plan)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{request}: {errors:?}");
    }
    assert!(!validator.is_valid(&serde_json::json!({"request": "x"})));
}

#[test]
fn what_nobody_understands_is_sequential_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let plan = plan(dir.path(), &["Florp zibble"]);
    assert_eq!(plan["execution_mode"], "sequential");
    let why = plan["rationale"].as_str().unwrap();
    assert!(why.contains("not certain enough"), "{why}");
}
