//! How long attempts are kept, and giving back the space of those that are not.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};

use super::rows::signed;
use super::{Store, StoreError};

/// What is kept: an attempt that passes any of these bounds has expired, the oldest first.
///
/// A writer lets go of what has expired with every batch, and its space is used again. Only
/// [`Store::remove_expired`] makes the file smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// So many attempts at most.
    pub most_rows: u64,
    /// So many bytes of the file at most.
    pub most_bytes: u64,
    /// None that ended longer ago than so many days.
    pub most_days: u32,
}

impl Retention {
    /// Attempts that are kept where nothing is said: some 25 MB of usual commands.
    pub const MOST_ROWS: u64 = 50_000;
    /// Bytes where nothing is said: commands of any length stay below.
    pub const MOST_BYTES: u64 = 64 << 20;
    /// Days where nothing is said: what a program needed a year ago says little of its next
    /// version.
    pub const MOST_DAYS: u32 = 365;

    /// What ended before this moment is too old, in milliseconds since 1970.
    fn oldest_ms(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        now.saturating_sub(i64::from(self.most_days) * 86_400_000)
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            most_rows: Self::MOST_ROWS,
            most_bytes: Self::MOST_BYTES,
            most_days: Self::MOST_DAYS,
        }
    }
}

/// What has expired, or was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// So many attempts.
    pub rows: u64,
    /// So many bytes: of what has expired its part of the file, of what was removed by how much
    /// the file and its companions have become smaller.
    pub bytes: u64,
}

/// Age and number: the first value is the oldest moment, the second how many are kept.
const HAS_EXPIRED: &str = "at_ms < ?1 OR \
    id <= coalesce((SELECT id FROM attempts ORDER BY id DESC LIMIT 1 OFFSET ?2), -1)";

impl Store {
    /// What has expired by now, changing nothing. What the file holds beyond `most_bytes` counts
    /// as bytes only: how many attempts that are shows when they are removed.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn expired(&self, retention: &Retention) -> Result<Expired, StoreError> {
        let read = || -> rusqlite::Result<Expired> {
            let query = format!("SELECT count(*) FROM attempts WHERE {HAS_EXPIRED}");
            let bounds = params![retention.oldest_ms(), signed(retention.most_rows)];
            let rows = self
                .connection
                .query_row(&query, bounds, |row| row.get::<_, i64>(0))?;
            let all = self
                .connection
                .query_row("SELECT count(*) FROM attempts", [], |row| {
                    row.get::<_, i64>(0)
                })?;
            let used = used_bytes(&self.connection)?;
            let part = used as f64 * rows as f64 / all.max(1) as f64;
            Ok(Expired {
                rows: rows.max(0) as u64,
                bytes: (part as u64).max(used.saturating_sub(retention.most_bytes)),
            })
        };
        read().map_err(|cause| self.error(cause))
    }

    /// Removes what has expired, gives the space back to the system, and says how many attempts
    /// went and by how many bytes the file has become smaller. Other processes may go on writing;
    /// while one of them reads, the space comes back only with the next call.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn remove_expired(&mut self, retention: &Retention) -> Result<Expired, StoreError> {
        let before = self.file_bytes();
        let change = |connection: &mut Connection| -> rusqlite::Result<u64> {
            let query = format!("DELETE FROM attempts WHERE {HAS_EXPIRED}");
            let bounds = params![retention.oldest_ms(), signed(retention.most_rows)];
            let rows = connection.execute(&query, bounds)? as u64;
            let rows = rows + remove_beyond(connection, retention.most_bytes)?;
            connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
            Ok(rows)
        };
        let rows = change(&mut self.connection).map_err(|cause| self.error(cause))?;
        Ok(Expired {
            rows,
            bytes: before.saturating_sub(self.file_bytes()),
        })
    }

    /// What the file and its companions take.
    pub(super) fn file_bytes(&self) -> u64 {
        let length = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
        let companion = |ending: &str| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(ending);
            length(&PathBuf::from(name))
        };
        length(&self.path) + companion("-wal") + companion("-shm")
    }
}

/// Lets go of what has expired, within a change that adds rows: cheap where nothing has.
pub(super) fn let_go(connection: &Connection, retention: &Retention) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM attempts WHERE id <= (SELECT max(id) FROM attempts) - ?")?
        .execute([signed(retention.most_rows)])?;
    connection
        .prepare_cached("DELETE FROM attempts WHERE at_ms < ?")?
        .execute([retention.oldest_ms()])?;
    remove_beyond(connection, retention.most_bytes)?;
    Ok(())
}

/// Removes the oldest until the rest takes no more than `most_bytes`; says how many went. An
/// eighth at once, so that a full file isn't cut with every batch.
fn remove_beyond(connection: &Connection, most_bytes: u64) -> rusqlite::Result<u64> {
    let mut removed = 0;
    while used_bytes(connection)? > most_bytes {
        let rows = connection
            .prepare_cached(
                "DELETE FROM attempts WHERE id <= (SELECT min(id) + (max(id) - min(id)) / 8 \
                 FROM attempts) AND id < (SELECT max(id) FROM attempts)",
            )?
            .execute([])? as u64;
        // The latest stays whatever it takes.
        if rows == 0 {
            break;
        }
        removed += rows;
    }
    Ok(removed)
}

/// What is in use of the file.
fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0).map(|n| n.max(0)))
    };
    let pages = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(pages.max(0) as u64 * pragma("page_size")? as u64)
}
