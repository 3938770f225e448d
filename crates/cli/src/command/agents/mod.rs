//! `saferun agents`: who there is, how each is run, and whether its program is found.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use saferun_router::{Agent, Team};
use serde_json::{Value, json};

use super::plan::{MAP, Project, team};
use crate::args::{AgentsArgs, AgentsCommand, SettingsArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::printable::printable;
use crate::settings::Configuration;

/// Answers on standard output.
///
/// # Errors
///
/// A setting, an agent or the map is wrong, or standard output can't be written.
pub(crate) fn agents(args: &AgentsArgs) -> Result<Exit, CliError> {
    let answer = match &args.command {
        Some(AgentsCommand::Import { map }) => import(map.as_deref())?,
        None => {
            let configuration = Configuration::gather(&SettingsArgs::default())?;
            let usual = configuration.layer.agent_command.as_ref();
            let usual = usual
                .map(|command| command.value.clone())
                .unwrap_or_default();
            let team = team(&configuration)?;
            if args.json {
                json(&team, &usual)
            } else {
                text(&team, &usual)
            }
        }
    };
    let mut out = std::io::stdout();
    out.write_all(answer.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

fn import(map: Option<&Path>) -> Result<String, CliError> {
    let found = Project::find().map(map)?;
    let map = found.ok_or_else(|| {
        CliError::usage(
            format!("there is no {MAP} here or above"),
            "saferun agents import PATH",
        )
    })?;
    Ok(map.to_toml())
}

/// The command of an agent: its own, else the one that is set for all.
fn command<'a>(agent: &'a Agent, usual: &'a [String]) -> &'a [String] {
    if agent.command.is_empty() {
        usual
    } else {
        &agent.command
    }
}

fn text(team: &Team, usual: &[String]) -> String {
    let mut out = String::new();
    for (name, agent) in team.agents() {
        let how = match command(agent, usual).first() {
            None => String::from("no command; set agent_command or its own"),
            Some(program) => match found(program) {
                Some(file) => printable(file.as_os_str(), 60),
                None => format!("{} is not found", printable(program.as_ref(), 60)),
            },
        };
        let name = printable(name.as_ref(), 40);
        let mut limits = format!("{} at once", agent.concurrency);
        for (what, value) in [("memory", &agent.memory), ("timeout", &agent.timeout)] {
            if let Some(value) = value {
                let _ = write!(limits, ", {what} {}", printable(value.as_ref(), 20));
            }
        }
        let _ = writeln!(out, "{name:22} {limits:12} {how}");
        if !agent.about.is_empty() {
            let _ = writeln!(out, "{:22} {}", "", printable(agent.about.as_ref(), 100));
        }
    }
    out
}

fn json(team: &Team, usual: &[String]) -> String {
    let agents: Vec<Value> = team
        .agents()
        .map(|(name, agent)| {
            let command = command(agent, usual);
            let file = command.first().and_then(|program| found(program));
            json!({
                "name": name,
                "about": agent.about,
                "command": command,
                "program": file.as_ref().map(|file| file.to_string_lossy()),
                "is_found": file.is_some(),
                "concurrency": agent.concurrency,
                "memory": agent.memory,
                "timeout": agent.timeout,
                "retries": agent.retries,
                "restartable": agent.restartable,
                "env": agent.env,
            })
        })
        .collect();
    format!("{:#}\n", Value::from(agents))
}

/// Where a program lies: as it is named, or in a directory of `PATH`.
fn found(program: &str) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        let metadata = file.metadata();
        metadata
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(is_program)
}
