//! `saferun config`: the settings, where they come from, and files of them.

mod init;
mod show;

use std::io::Write;

use crate::args::{ConfigArgs, ConfigCommand};
use crate::error::CliError;
use crate::exit::Exit;
use crate::settings::schema;

/// Does it.
///
/// # Errors
///
/// A setting is wrong, a file can't be written, or standard output can't.
pub(super) fn config(args: &ConfigArgs) -> Result<Exit, CliError> {
    let answer = match &args.command {
        ConfigCommand::Show(args) => show::answer(args)?,
        ConfigCommand::Init(args) => init::init(args)?,
        ConfigCommand::Schema => format!("{:#}\n", schema()),
    };
    let mut out = std::io::stdout();
    out.write_all(answer.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}
