//! `saferun completions`: a script that completes the command line in a shell.

use std::io::Write;

use clap::CommandFactory;

use crate::args::{Cli, CompletionsArgs};
use crate::error::CliError;
use crate::exit::Exit;

/// Prints the script.
///
/// # Errors
///
/// Standard output can't be written.
pub(super) fn completions(args: &CompletionsArgs) -> Result<Exit, CliError> {
    // Into memory first: the generator panics when its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "saferun", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}
