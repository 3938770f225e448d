//! What a project says about routing: its rules, its agents, its delegation map.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use saferun_router::{DelegationMap, Router, Rules, SHIPPED_RULES, Team};

use super::wrong_team;
use crate::error::{CliError, plain_cause};
use crate::settings::{Configuration, path};

/// The project's own rules for words.
const RULES: &str = ".saferun/router.toml";
/// The project's own rules for files, and phases.
const TEAM: &str = ".saferun/agents.toml";
/// The map that other tools use.
pub(in crate::command) const MAP: &str = ".claude/agents/delegation-map.json";
/// Nobody writes more by hand.
const MOST_BYTES: u64 = 4 << 20;

/// The files of the nearest directory that has them, up to the repository's root.
#[derive(Debug)]
pub(in crate::command) struct Project {
    directories: Vec<PathBuf>,
}

impl Project {
    /// Looks from the working directory up to the root of the repository; without a repository
    /// only in the directory itself, since others may write above it.
    pub(in crate::command) fn find() -> Self {
        let here = std::env::current_dir().unwrap_or_default();
        let mut directories: Vec<PathBuf> = Vec::new();
        for directory in here.ancestors() {
            directories.push(directory.to_path_buf());
            if directory.join(".git").exists() {
                return Self { directories };
            }
        }
        directories.truncate(1);
        Self { directories }
    }

    /// The router with the project's rules over ours.
    pub(in crate::command) fn router(&self) -> Result<Router, CliError> {
        let own = self.read(RULES)?;
        let own_name = own.as_ref().map(|(file, _)| path(file));
        let mut files = vec![("config/router.toml", SHIPPED_RULES)];
        if let (Some(name), Some((_, text))) = (&own_name, &own) {
            files.push((name, text));
        }
        let wrong = |error: &dyn std::error::Error| {
            CliError::usage(
                one_line(error),
                "mend the rule; docs/router.md tells the form",
            )
        };
        let rules = Rules::parse(&files).map_err(|error| wrong(&error))?;
        Router::new(rules).map_err(|error| wrong(&error))
    }

    /// Everybody: ours, the map's, the project's, each over those before.
    pub(in crate::command) fn team(&self, configuration: &Configuration) -> Result<Team, CliError> {
        let mut team = Team::shipped().map_err(|error| wrong_team(&error))?;
        if let Some(map) = self.map(None)? {
            team.add_map(&map).map_err(|error| wrong_team(&error))?;
        }
        if let Some((file, text)) = self.read(TEAM)? {
            let added = team.add_file(&path(&file), &text);
            added.map_err(|error| wrong_team(&error))?;
        }
        // The uppermost file has the last word, so it comes last.
        for document in configuration.documents.iter().rev() {
            for (name, agents) in &document.tables {
                if *name == "agents" {
                    let added = team.add_agents(&path(&document.file), agents);
                    added.map_err(|error| wrong_team(&error))?;
                }
            }
        }
        team.check().map_err(|error| wrong_team(&error))?;
        Ok(team)
    }

    /// The delegation map: the one that is named, else the project's if it has one.
    pub(in crate::command) fn map(
        &self,
        named: Option<&Path>,
    ) -> Result<Option<DelegationMap>, CliError> {
        let found = match named {
            Some(file) => Some((file.to_path_buf(), read(file)?)),
            None => self.read(MAP)?,
        };
        let Some((file, text)) = found else {
            return Ok(None);
        };
        let map = DelegationMap::parse(&text).map_err(|error| {
            CliError::usage(format!("{}: {error}", path(&file)), "mend the map")
        })?;
        Ok(Some(map))
    }

    /// What a person should know: keys of the map that mean nothing here.
    pub(in crate::command) fn notes(&self) -> Vec<String> {
        let map = self.map(None).ok().flatten();
        let unknown = map.map(|map| map.unknown_keys()).unwrap_or_default();
        if unknown.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "{MAP} holds keys that a plan has no use for: {}",
            unknown.join(", ")
        )]
    }

    fn read(&self, name: &str) -> Result<Option<(PathBuf, String)>, CliError> {
        for directory in &self.directories {
            let file = directory.join(name);
            if file.symlink_metadata().is_ok() {
                let text = read(&file)?;
                return Ok(Some((file, text)));
            }
        }
        Ok(None)
    }
}

fn read(file: &Path) -> Result<String, CliError> {
    let cause = |error: io::Error| {
        CliError::usage(
            format!("{} can't be read: {}", path(file), plain_cause(&error)),
            "a file that can be read",
        )
    };
    let metadata = fs::metadata(file).map_err(cause)?;
    // Opening a named pipe would wait for its writer.
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(CliError::usage(
            format!("{} is no regular file of at most 4 MiB", path(file)),
            "a file that can be read",
        ));
    }
    let bytes = fs::read(file).map_err(cause)?;
    String::from_utf8(bytes).map_err(|_| {
        CliError::usage(
            format!("{} is no UTF-8 text", path(file)),
            "save it as UTF-8",
        )
    })
}

/// The parser's complaints have several lines.
fn one_line(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}
