//! `saferun status`: what memory there is, who holds it, and what would be done with it.

mod admissions;
mod facts;
mod json;
mod text;
mod tiers;

use std::io::Write;

use crate::args::StatusArgs;
use crate::error::CliError;
use crate::exit::Exit;

/// Says it on standard output.
///
/// # Errors
///
/// Memory can't be read, or standard output can't be written.
pub(crate) fn status(args: &StatusArgs) -> Result<Exit, CliError> {
    let facts = facts::Facts::gather()?;
    let answer = if args.json {
        json::answer(&facts)
    } else {
        text::answer(&facts, args.why)
    };
    let mut out = std::io::stdout();
    out.write_all(answer.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}
