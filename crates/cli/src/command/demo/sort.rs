//! Sorting in memory, where the machine's own `sort` is missing.

use std::io::Read;

use crate::error::{CliError, plain_cause};
use crate::exit::Exit;

/// Sorts the lines of standard input in memory and forgets them.
///
/// # Errors
///
/// It can't be read.
pub(crate) fn sort_in_memory() -> Result<Exit, CliError> {
    let mut text = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut text)
        .map_err(|error| {
            CliError::usage(
                format!("standard input can't be read: {}", plain_cause(&error)),
                "saferun demo",
            )
        })?;
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    lines.sort();
    std::hint::black_box(&lines);
    Ok(Exit::Success)
}
