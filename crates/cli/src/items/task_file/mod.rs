//! Task files: a list of tasks in TOML, some of which wait for others.
//!
//! Three steps, each in a file: `text` reads the bytes and knows where in them something stands,
//! `document` makes entries of the TOML, `names` turns the names in `after` into an order.
//! `fields` says which keys there are and what each may hold.

mod document;
mod fields;
mod names;
mod problem;
mod text;

use std::path::Path;

use saferun_executor::OrderedTasks;

use super::source::TaskRights;
use crate::error::CliError;
use text::Text;

/// The tasks of a file (`-` is standard input), in an order in which they can run. What a task
/// doesn't say is taken from the file's `[defaults]`, and what these don't say from `rights`.
///
/// # Errors
///
/// The file can't be read or something in it is wrong, told with its line and column.
pub(crate) fn read(path: &Path, rights: TaskRights) -> Result<OrderedTasks, CliError> {
    let text = Text::read(path)?;
    // Names in the file are meant from where it lies.
    let base = match path.parent() {
        Some(directory) if path != Path::new("-") => directory,
        _ => Path::new(""),
    };
    names::ordered(&text, document::entries(&text, base, rights)?)
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
