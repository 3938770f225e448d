//! A repository and a home of their own, with settings at any level.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod table;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{saferun, stderr};

/// The levels of precedence above what is built in, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Profile,
    User,
    Project,
    DotEnv,
    Environment,
    Flag,
}

impl Level {
    pub(crate) const ALL: [Level; 6] = [
        Level::Profile,
        Level::User,
        Level::Project,
        Level::DotEnv,
        Level::Environment,
        Level::Flag,
    ];
}

pub(crate) struct Place {
    dir: TempDir,
    variables: Vec<(String, String)>,
    flags: Vec<String>,
    below: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("repo/.git")).unwrap();
        std::fs::create_dir_all(dir.path().join("xdg/saferun")).unwrap();
        Self {
            dir,
            variables: Vec::new(),
            flags: Vec::new(),
            below: PathBuf::new(),
        }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    pub(crate) fn work_in(&mut self, below: impl AsRef<Path>) {
        self.below = below.as_ref().to_path_buf();
    }

    pub(crate) fn file(&self, level: Level) -> PathBuf {
        match level {
            Level::User => self.dir.path().join("xdg/saferun/config.toml"),
            Level::Project => self.root().join("saferun.toml"),
            Level::DotEnv => self.root().join(".env"),
            _ => panic!("no file"),
        }
    }

    /// Sets a key of a file. A profile stands in the user's file, below all that is there.
    pub(crate) fn key(&mut self, level: Level, name: &str, value: &str) {
        if level == Level::Profile {
            let file = self.file(Level::User);
            let before = std::fs::read_to_string(&file).unwrap_or_default();
            std::fs::write(
                file,
                format!("{before}\n[profiles.mine]\n{name} = {value}\n"),
            )
            .unwrap();
            self.flags("--profile mine");
        } else {
            // Above whatever tables are there.
            let file = self.file(level);
            let before = std::fs::read_to_string(&file).unwrap_or_default();
            std::fs::write(file, format!("# one\n{name} = {value}\n{before}")).unwrap();
        }
    }

    /// The whole of a file.
    pub(crate) fn text(&self, level: Level, text: impl AsRef<[u8]>) {
        std::fs::write(self.file(level), text).unwrap();
    }

    pub(crate) fn variable(&mut self, level: Level, name: &str, value: &str) {
        if level == Level::DotEnv {
            let file = self.file(level);
            let mut text = std::fs::read_to_string(&file).unwrap_or_default();
            let _ = writeln!(text, "OTHER='a b'\nexport {name}=\"{value}\" # and why");
            std::fs::write(file, text).unwrap();
        } else {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(crate) fn flags(&mut self, flags: &str) {
        self.flags.extend(flags.split(' ').map(str::to_owned));
    }

    /// The command with these arguments and then the flags.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = saferun(&self.root().join(&self.below));
        command
            .env("XDG_CONFIG_HOME", self.dir.path().join("xdg"))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .args(arguments)
            .args(&self.flags);
        command
    }

    /// What `config show --json` answers.
    pub(crate) fn show(&self) -> Value {
        let output = self
            .command(&["config", "show", "--json"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).is_empty());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The source that is told is the one at this level.
    pub(crate) fn assert_source(&self, source: &Value, level: Level, setting: &str) {
        let kind = match level {
            Level::Profile => "profile",
            Level::User => "user",
            Level::Project => "project",
            Level::DotEnv => "dotenv",
            Level::Environment => "environment",
            Level::Flag => "flag",
        };
        assert_eq!(source["kind"], kind, "{setting}");
        match level {
            Level::Flag | Level::Environment => assert!(source["name"].is_string()),
            Level::Profile => assert_eq!(source["name"], "mine"),
            _ => {
                assert_eq!(source["file"], self.file(level).to_str().unwrap());
                assert_eq!(source["line"], 2, "{setting}");
            }
        }
    }
}
