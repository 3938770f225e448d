//! `saferun __agent FOLDER`: makes an agent's prompt and becomes the agent's program.
//!
//! It runs as the task, inside the task's slot: what it reads of others is there by then, and
//! nothing of it is left once the program has taken its place.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::handover;
use super::placeholder::{self, Values};
use crate::artifacts::digest::Limit;
use crate::artifacts::manifest::private;
use crate::error::plain_cause;

/// What the runner says of an agent before it starts.
pub(crate) const FILE: &str = "launch.json";
/// The prompt as a file.
const PROMPT: &str = "prompt.md";
/// The variable that names the prompt's file.
const PROMPT_VARIABLE: &str = "SAFERUN_PROMPT_FILE";
/// What a shell answers where a program can't be run.
const NOT_RUN: u8 = 126;

/// Everything that is needed to start an agent, but what those before it have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The session.
    pub(crate) session: String,
    /// The agent.
    pub(crate) agent: String,
    /// What it is for.
    pub(crate) about: String,
    /// The phase of the plan.
    pub(crate) phase: String,
    /// What was asked for.
    pub(crate) request: String,
    /// The folders of those before it, the nearest last.
    pub(crate) before: Vec<String>,
    /// Its command with placeholders.
    pub(crate) words: Vec<String>,
    /// How large a digest may be, in percent of its source.
    pub(crate) digest_percent: u64,
    /// How large it may be, in bytes.
    pub(crate) digest_bytes: u64,
}

impl Launch {
    /// How large a digest may be.
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            percent: self.digest_percent,
            most_bytes: self.digest_bytes,
        }
    }

    /// Writes it into the agent's folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(folder.join(FILE))?;
        file.write_all(&text)
    }
}

/// Becomes the agent of this folder; comes back only with an exit status for a failure.
pub(crate) fn become_agent(folder: &Path) -> u8 {
    let error = match prepare(folder) {
        Ok(mut command) => {
            let error = command.exec();
            let program = command.get_program().to_string_lossy().into_owned();
            format!("{program:?} can't be run: {}", plain_cause(&error))
        }
        Err(error) => error,
    };
    let _ = writeln!(std::io::stderr(), "saferun: {error}");
    NOT_RUN
}

fn prepare(folder: &Path) -> Result<Command, String> {
    let said = |what: &'static str| {
        move |error: std::io::Error| format!("{what}: {}", plain_cause(&error))
    };
    let file = folder.join(FILE);
    let text = fs::read(&file).map_err(said("what to start can't be read"))?;
    let launch: Launch = serde_json::from_slice(&text)
        .map_err(|error| format!("what to start can't be read: {error}"))?;
    let workdir = std::env::current_dir().map_err(said("the working directory is gone"))?;
    let prompt = handover::prompt(&launch, folder, &workdir);
    // Nothing that a program takes as an argument can hold it.
    let prompt = prompt.replace('\0', "\u{fffd}");
    let prompt_file = folder.join(PROMPT);
    write_private(&prompt_file, &prompt).map_err(said("the prompt can't be written"))?;
    let values = Values {
        prompt: OsStr::new(&prompt),
        prompt_file: prompt_file.as_os_str(),
        artifacts: folder.as_os_str(),
        workdir: workdir.as_os_str(),
    };
    let mut words = launch
        .words
        .iter()
        .map(|word| placeholder::fill(word, values));
    let program: OsString = words.next().ok_or("there is no command")?;
    let mut command = Command::new(program);
    command.args(words).env(PROMPT_VARIABLE, &prompt_file);
    Ok(command)
}

fn write_private(file: &PathBuf, text: &str) -> std::io::Result<()> {
    let mut file = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(file)?;
    file.write_all(text.as_bytes())
}
