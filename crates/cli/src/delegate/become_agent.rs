//! `saferun __agent FOLDER`: makes an agent's prompt and becomes the agent's program.
//!
//! It runs as the task, inside the task's slot: what it reads of others is there by then, and
//! nothing of it is left once the program has taken its place.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::handover;
use super::launch::Launch;
use super::placeholder::{self, Values};
use crate::artifacts::manifest::private;
use crate::error::plain_cause;

/// The prompt as a file.
const PROMPT: &str = "prompt.md";
/// The variable that names the prompt's file.
const PROMPT_VARIABLE: &str = "SAFERUN_PROMPT_FILE";
/// What a shell answers where a program can't be run.
const NOT_RUN: u8 = 126;

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
    let launch = Launch::read(folder).map_err(said("what to start can't be read"))?;
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
