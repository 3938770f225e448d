//! placeholder
use crate::{args::DemoArgs, error::CliError, exit::Exit};
/// Shows it.
pub(super) fn demo(_: &DemoArgs) -> Result<Exit, CliError> {
    Err(CliError::usage("demo is not there yet", "saferun run"))
}
/// Sorts.
pub(super) fn sort_in_memory(_: &std::path::Path) -> Result<Exit, CliError> {
    Ok(Exit::Success)
}
