//! A git work tree whose agents are small real programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::saferun;

/// The example program beside the tests' own directory.
pub(crate) fn agent() -> String {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/agent");
    assert!(
        path.exists(),
        "{} isn't built: cargo build -p saferun-cli --examples",
        path.display()
    );
    path.into_os_string().into_string().unwrap()
}

/// A git work tree with a team of which each agent is the small one, with these arguments more.
pub(crate) struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    pub(crate) fn new(agents: &[(&str, &str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
            ]);
            let status = command
                .args(arguments)
                .current_dir(dir.path())
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success(), "{arguments:?}");
        };
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("src/lib.rs"), "//! It.\n").unwrap();
        git(&["init", "-q"]);
        git(&["add", "."]);
        git(&["commit", "-q", "-m", "begin"]);
        let mut file = String::new();
        for (name, settings, arguments) in agents {
            let words: Vec<String> = arguments
                .split_whitespace()
                .map(|word| format!("'{word}', "))
                .collect();
            file += &format!(
                "[agents.{name}]\ncommand = ['{}', {}'--record', '{{workdir}}/.git/record', '--prompt={{prompt}}']\n{settings}\n",
                agent(),
                words.concat()
            );
        }
        let validators: Vec<String> = agents
            .iter()
            .skip(1)
            .map(|(name, _, _)| format!("'{name}'"))
            .collect();
        file += &format!(
            "[[rule]]\nname = 'all'\npattern = '**'\nprimary = '{}'\nvalidators = [{}]\n",
            agents[0].0,
            validators.join(", ")
        );
        fs::create_dir(dir.path().join(".saferun")).unwrap();
        fs::write(dir.path().join(".saferun/agents.toml"), file).unwrap();
        Self { dir }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = saferun(self.path());
        let (first, rest) = arguments.split_at(arguments.len().min(1));
        command.args(first);
        if first == ["delegate"] && !rest.contains(&"--resume") {
            // What is touched says who works on it.
            command.args(["--file", "src/lib.rs"]);
        }
        command.args(rest);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What the agents recorded.
    pub(crate) fn record(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join(".git/record")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The directories of all sessions.
    pub(crate) fn sessions(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path().join(".saferun/artifacts")) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    }

    pub(crate) fn session(&self) -> PathBuf {
        let all = self.sessions();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    }

    pub(crate) fn manifest(&self) -> Value {
        json(&self.session().join("manifest.json"))
    }

    pub(crate) fn status(&self, agent: &str) -> String {
        let manifest = self.manifest();
        let agents = manifest["agents"].as_array().unwrap();
        let record = agents.iter().find(|record| record["id"] == agent).unwrap();
        record["status"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The most that ran at once, by their own record.
pub(crate) fn company(record: &[String], of: impl Fn(&str) -> bool) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for line in record {
        let (what, name) = line.split_once(' ').unwrap();
        match what {
            "begin" if of(name) => now += 1,
            "end" | "fail" if of(name) => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}
