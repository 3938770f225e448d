//! The SQLite file of finished attempts.

mod open;
mod retention;
mod rows;
mod writer;

pub use retention::{Expired, Retention};
pub use writer::Writer;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::predict::{Keys, Options, Predictor};
use crate::row::Row;

/// Rows of the least specific keys that a predictor is taught at most.
const TAUGHT: usize = 400;

/// Why the history can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A directory or file can't be made, read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// SQLite refused.
    #[error("{}: {cause}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: rusqlite::Error,
    },
    /// The file belongs to another program.
    #[error("{} is a database of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version.
    #[error("{} was written by a later version (schema {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema known here.
        known: i64,
    },
}

/// An open history.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    set_aside: Option<PathBuf>,
}

/// Which rows are meant. What is `None` restricts nothing.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those whose command holds this text.
    pub text: Option<String>,
    /// Those that share the most specific key known of this command.
    pub keys: Option<Keys>,
    /// Those that ended before this, in milliseconds since 1970.
    pub before_ms: Option<i64>,
    /// One row by its number.
    pub id: Option<i64>,
}

impl Store {
    /// Opens the history for reading and writing, making file and directory where they are
    /// missing. A damaged file is set aside under another name and a new one begun.
    ///
    /// # Errors
    ///
    /// The file can't be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        open::open(path)
    }

    /// Opens a history that is there and makes nothing: `None` where there is no file. A damaged
    /// file stays where it is.
    ///
    /// # Errors
    ///
    /// The file can't be used.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, StoreError> {
        open::open_existing(path)
    }

    /// Where a damaged file was put when this one was opened.
    pub fn set_aside(&self) -> Option<&Path> {
        self.set_aside.as_deref()
    }

    /// A predictor that has learned what the history holds of these keys, oldest first.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn predictor(&self, keys: &Keys, options: Options) -> Result<Predictor, StoreError> {
        let mut predictor = Predictor::new(options);
        for (_, row) in &self.evidence(keys)? {
            teach(&mut predictor, row);
        }
        Ok(predictor)
    }

    /// The latest rows that share any of these keys, oldest first, each once, with their numbers.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn evidence(&self, keys: &Keys) -> Result<Vec<(i64, Row)>, StoreError> {
        let mut rows = self.latest(keys, TAUGHT)?;
        rows.sort_by_key(|(id, _)| *id);
        rows.dedup_by_key(|(id, _)| *id);
        Ok(rows)
    }
}

/// Teaches a predictor what a row shows: what ran to its end says what it needs, what ran out of
/// memory says that it needs more, and what was cut short for another reason says nothing.
pub fn teach(predictor: &mut Predictor, row: &Row) {
    if row.end.is_whole() {
        predictor.learn(&row.question(), &row.needed());
    } else if row.end.is_shortage() {
        predictor.learn_shortage(&row.question(), row.peak_bytes, row.seconds);
    }
}

#[cfg(test)]
mod tests;
