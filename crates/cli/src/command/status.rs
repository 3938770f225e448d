//! placeholder
use crate::{args::StatusArgs, error::CliError, exit::Exit};
/// Says it.
pub(super) fn status(_: &StatusArgs) -> Result<Exit, CliError> {
    Err(CliError::usage("status is not there yet", "saferun run"))
}
