//! The work of the demo: sorting a file in memory.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command as Probe, Stdio};

use tokio::process::Command;

use super::itself;
use crate::error::CliError;
use crate::exit::Exit;

/// How files are sorted.
#[derive(Debug)]
pub(super) enum Work {
    /// By `sort` of GNU.
    Gnu,
    /// By ourselves, where that is missing.
    Own,
}

impl Work {
    /// What this machine has.
    pub(super) fn choose() -> Self {
        let probe = Probe::new("sort")
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match probe {
            Ok(output) if String::from_utf8_lossy(&output.stdout).contains("GNU") => Work::Gnu,
            _ => Work::Own,
        }
    }

    /// The command and its arguments, the file's name to be added.
    pub(super) fn words(&self) -> Vec<OsString> {
        match self {
            Work::Gnu => ["sort", "-S", "1G", "--parallel=1", "-o", "/dev/null"]
                .map(OsString::from)
                .to_vec(),
            Work::Own => vec![itself().into_os_string(), OsString::from("__sort")],
        }
    }

    /// The command for a file.
    pub(super) fn command(&self, file: &OsStr) -> Command {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(file);
        command
    }
}

/// Sorts the lines of a file in memory and forgets them.
///
/// # Errors
///
/// The file can't be read.
pub(crate) fn sort_in_memory(file: &Path) -> Result<Exit, CliError> {
    let text = std::fs::read(file).map_err(|error| {
        CliError::usage(
            format!("{} can't be read: {error}", file.display()),
            "saferun demo",
        )
    })?;
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    lines.sort();
    std::hint::black_box(&lines);
    Ok(Exit::Success)
}
