//! `saferun agents` on the built command.

mod common;

use std::fs;

use common::{saferun, stderr, stdout};
use serde_json::Value;

#[test]
fn the_team_with_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("saferun.toml"),
        "agent_command = [\"sh\", \"-c\", \"true\"]\n[agents.mine]\nabout = \"Mine\"\ncommand = [\"no-such-program-anywhere\"]\nconcurrency = 5\ntimeout = \"2m\"\n",
    )
    .unwrap();
    let output = saferun(dir.path())
        .args(["agents", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let agents: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| agents.iter().find(|agent| agent["name"] == name).unwrap();
    for name in [
        "frontend-developer",
        "backend-architect",
        "full-stack-developer",
        "database-specialist",
        "devops-engineer",
        "code-reviewer-pro",
        "test-automator",
        "security-auditor",
        "documentation-writer",
        "performance-engineer",
    ] {
        let agent = of(name);
        assert!(!agent["about"].as_str().unwrap().is_empty());
        assert_eq!(
            (&agent["restartable"], &agent["memory"]),
            (&false.into(), &Value::Null)
        );
        assert_eq!(agent["is_found"], true);
    }
    assert_eq!(of("backend-architect")["concurrency"], 1);
    assert_eq!(of("code-reviewer-pro")["concurrency"], 3);
    assert_eq!(of("frontend-developer")["concurrency"], 2);
    assert_eq!(
        (&of("mine")["concurrency"], &of("mine")["is_found"]),
        (&5.into(), &false.into())
    );
    let output = saferun(dir.path()).arg("agents").output().unwrap();
    let text = stdout(&output);
    assert!(
        text.contains("no-such-program-anywhere is not found"),
        "{text}"
    );
    assert!(text.contains("5 at once, timeout 2m"), "{text}");
}

#[test]
fn a_wrong_agent_is_named() {
    let dir = tempfile::tempdir().unwrap();
    for (text, said) in [
        ("[agents.mine]\nconcurrency = 0\n", "agents.mine"),
        ("[agents.mine]\ncolour = \"red\"\n", "colour"),
    ] {
        fs::write(dir.path().join("saferun.toml"), text).unwrap();
        let output = saferun(dir.path()).arg("agents").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn a_map_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let output = saferun(dir.path())
        .args(["agents", "import"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let map = r#"{"delegation_rules": [{"name": "UI", "pattern": "src/**/*.tsx", "exclude": ["**/*.test.tsx"],
        "primary_agent": "react-expert", "secondary_agents": ["second"], "triggers": ["Edit"]}],
        "agent_capabilities": {"react-expert": ["components", "styling"]},
        "mcp_routing": {"supabase": {"keywords": ["schema"], "agent": "backend-architect"}}, "odd": 1}"#;
    fs::write(dir.path().join("map.json"), map).unwrap();
    let output = saferun(dir.path())
        .args(["agents", "import", "map.json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("# Not taken over: odd"), "{text}");
    // What was written is what is read.
    fs::create_dir(dir.path().join(".saferun")).unwrap();
    fs::write(dir.path().join(".saferun/agents.toml"), &text).unwrap();
    let output = saferun(dir.path())
        .args(["plan", "Add a card", "--file", "src/Card.tsx"])
        .output()
        .unwrap();
    let plan: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    assert_eq!(plan["primary_agent"], "react-expert");
    assert_eq!(plan["secondary_agents"], serde_json::json!(["second"]));
}
