//! Attempts out to lines of JSON and back.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;

use saferun_history::Row;
use saferun_history::store::{Filter, Retention, Store};

use super::refused;
use crate::error::{CliError, plain_cause};
use crate::exit::Exit;
use crate::printable::printable;

/// Rows that are added at once.
const BATCH: usize = 1000;

pub(super) fn export(store: &Store, file: Option<&Path>) -> Result<Exit, CliError> {
    let failed = |error: &std::io::Error| match file {
        Some(path) => named(path, "written", error),
        None => CliError::output(error),
    };
    let to: Box<dyn Write> = match file {
        Some(path) => Box::new(File::create(path).map_err(|error| failed(&error))?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut out = BufWriter::new(to);
    let mut written = Ok(());
    store
        .for_each(&Filter::default(), |_, row| {
            written = serde_json::to_writer(&mut out, &row)
                .map_err(std::io::Error::from)
                .and_then(|()| out.write_all(b"\n"));
            match written {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })
        .map_err(|error| refused(&error))?;
    written
        .and_then(|()| out.flush())
        .map_err(|error| failed(&error))?;
    Ok(Exit::Success)
}

/// Adds what a file holds and says how many attempts that were. A line that is none ends it; what
/// stands before it has been added.
pub(super) fn import(
    store: &mut Store,
    file: &Path,
    retention: &Retention,
) -> Result<usize, CliError> {
    let from: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(
            File::open(file).map_err(|error| named(file, "read", &error))?,
        ))
    };
    let mut batch: Vec<Row> = Vec::new();
    let mut count = 0;
    for (number, line) in (1..).zip(from.lines()) {
        let line = line.map_err(|error| named(file, "read", &error))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = serde_json::from_str(&line).map_err(|error| {
            CliError::usage(
                format!("line {number} is no attempt: {error}"),
                "give a file that saferun history export has written",
            )
        })?;
        batch.push(row);
        count += 1;
        if batch.len() == BATCH {
            store
                .add(&batch, retention)
                .map_err(|error| refused(&error))?;
            batch.clear();
        }
    }
    store
        .add(&batch, retention)
        .map_err(|error| refused(&error))?;
    Ok(count)
}

fn named(path: &Path, how: &str, error: &std::io::Error) -> CliError {
    CliError::usage(
        format!(
            "'{}' can't be {how}: {}",
            printable(path.as_os_str(), 60),
            plain_cause(error)
        ),
        "name another file",
    )
}
