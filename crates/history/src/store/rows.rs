//! Rows in and out of the file.

use std::ops::ControlFlow;

use rusqlite::types::Value;
use rusqlite::{Connection, TransactionBehavior, params, params_from_iter};

use super::retention::{Retention, let_go};
use super::{Filter, Store, StoreError};
use crate::predict::{Curve, Keys, STEPS};
use crate::row::{End, Row};

const COLUMNS: &str = "id, at_ms, run, task, attempt, command, template, items, directory, agent, \
    key_command, key_items, key_template, key_program, key_agent, peak_bytes, average_bytes, \
    curve, seconds, cpu_seconds, end, tier, input_bytes";

const INSERT: &str = "INSERT INTO attempts (at_ms, run, task, attempt, command, template, items, \
    directory, agent, key_command, key_items, key_template, key_program, key_agent, peak_bytes, \
    average_bytes, curve, seconds, cpu_seconds, end, tier, input_bytes) \
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

impl Store {
    /// Adds rows, all or none, and lets go of what has expired.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn add(&mut self, rows: &[Row], retention: &Retention) -> Result<(), StoreError> {
        let added = add(&mut self.connection, rows, retention);
        added.map_err(|cause| self.error(cause))
    }

    /// Hands rows to `each` with their numbers, oldest first, until it breaks.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn for_each(
        &self,
        filter: &Filter,
        mut each: impl FnMut(i64, Row) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (condition, values) = condition(filter);
        let query = format!("SELECT {COLUMNS} FROM attempts WHERE {condition} ORDER BY id");
        let read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(&query)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let (id, row) = row_of(row)?;
                if each(id, row).is_break() {
                    break;
                }
            }
            Ok(())
        };
        read().map_err(|cause| self.error(cause))
    }

    /// Removes rows and says how many.
    ///
    /// # Errors
    ///
    /// The file can't be written.
    pub fn forget(&mut self, filter: &Filter) -> Result<usize, StoreError> {
        let (condition, values) = condition(filter);
        let query = format!("DELETE FROM attempts WHERE {condition}");
        self.connection
            .execute(&query, params_from_iter(values))
            .map_err(|cause| self.error(cause))
    }

    /// How many rows there are.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn count(&self) -> Result<u64, StoreError> {
        self.connection
            .query_row("SELECT count(*) FROM attempts", [], |row| {
                row.get::<_, i64>(0)
            })
            .map(|count| count.max(0) as u64)
            .map_err(|cause| self.error(cause))
    }

    /// The latest rows that share a key, at most so many for each.
    pub(super) fn latest(&self, keys: &Keys, most: usize) -> Result<Vec<(i64, Row)>, StoreError> {
        let read = || -> rusqlite::Result<Vec<(i64, Row)>> {
            let mut found = Vec::new();
            for (column, key) in columns(keys) {
                let Some(key) = key else { continue };
                let mut statement = self.connection.prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM attempts WHERE {column} = ? ORDER BY id DESC LIMIT ?"
                ))?;
                let mut rows = statement.query(params![wrapped(key), most as i64])?;
                while let Some(row) = rows.next()? {
                    found.push(row_of(row)?);
                }
            }
            Ok(found)
        };
        read().map_err(|cause| self.error(cause))
    }

    pub(super) fn error(&self, cause: rusqlite::Error) -> StoreError {
        StoreError::Database {
            path: self.path.clone(),
            cause,
        }
    }
}

fn add(connection: &mut Connection, rows: &[Row], retention: &Retention) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = change.prepare_cached(INSERT)?;
        for row in rows {
            statement.execute(params![
                row.at_ms,
                row.run,
                wrapped(row.task),
                row.attempt,
                json(&row.command),
                row.template.as_ref().map(json),
                json(&row.items),
                row.directory,
                row.agent,
                row.keys.command.map(wrapped),
                row.keys.items.map(wrapped),
                row.keys.template.map(wrapped),
                row.keys.program.map(wrapped),
                row.keys.agent.map(wrapped),
                signed(row.peak_bytes),
                row.average_bytes.map(signed),
                row.curve.as_ref().map(packed),
                row.seconds,
                row.cpu_seconds,
                json(&row.end),
                row.tier,
                row.input_bytes.map(signed),
            ])?;
        }
    }
    let_go(&change, retention)?;
    change.commit()
}

/// The condition of a filter with its values.
fn condition(filter: &Filter) -> (String, Vec<Value>) {
    let mut parts = vec!["1".to_owned()];
    let mut values = Vec::new();
    if let Some(text) = &filter.text {
        parts.push("instr(command, ?) > 0".to_owned());
        // As the text stands within JSON, without the quotes around it.
        let quoted = json(text);
        let inner = quoted
            .get(1..quoted.len().saturating_sub(1))
            .unwrap_or_default();
        values.push(Value::from(inner.to_owned()));
    }
    if let Some(keys) = &filter.keys {
        let known = columns(keys)
            .into_iter()
            .find_map(|(column, key)| Some((column, key?)));
        match known {
            Some((column, key)) => {
                parts.push(format!("{column} = ?"));
                values.push(Value::from(wrapped(key)));
            }
            None => parts.push("0".to_owned()),
        }
    }
    if let Some(before) = filter.before_ms {
        parts.push("at_ms < ?".to_owned());
        values.push(Value::from(before));
    }
    if let Some(id) = filter.id {
        parts.push("id = ?".to_owned());
        values.push(Value::from(id));
    }
    (parts.join(" AND "), values)
}

fn columns(keys: &Keys) -> [(&'static str, Option<u64>); 5] {
    [
        ("key_command", keys.command),
        ("key_items", keys.items),
        ("key_template", keys.template),
        ("key_program", keys.program),
        ("key_agent", keys.agent),
    ]
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Row)> {
    let id = row.get(0)?;
    let key = |place: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(place)?.map(|key| key as u64))
    };
    let size = |place: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row
            .get::<_, Option<i64>>(place)?
            .map(|size| size.max(0) as u64))
    };
    let words = |place: usize| -> rusqlite::Result<Vec<String>> {
        let text: String = row.get(place)?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    };
    let end: String = row.get(20)?;
    let made = Row {
        at_ms: row.get(1)?,
        run: row.get(2)?,
        task: row.get::<_, i64>(3)? as u64,
        attempt: row.get::<_, i64>(4)?.clamp(0, i64::from(u32::MAX)) as u32,
        command: words(5)?,
        template: row
            .get::<_, Option<String>>(6)?
            .and_then(|text| serde_json::from_str(&text).ok()),
        items: words(7)?,
        directory: row.get(8)?,
        agent: row.get(9)?,
        keys: Keys {
            command: key(10)?,
            items: key(11)?,
            template: key(12)?,
            program: key(13)?,
            agent: key(14)?,
        },
        peak_bytes: size(15)?.unwrap_or(0),
        average_bytes: size(16)?,
        curve: row
            .get::<_, Option<Vec<u8>>>(17)?
            .as_deref()
            .and_then(unpacked),
        seconds: row.get(18)?,
        cpu_seconds: row.get(19)?,
        // What a later version may have written is taken for an end that teaches nothing.
        end: serde_json::from_str(&end).unwrap_or(End::Stopped),
        tier: row.get(21)?,
        input_bytes: size(22)?,
    };
    Ok((id, made))
}

/// Text in base JSON; words and ends can always be written so.
fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// SQLite counts to 2^63.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A hash uses all 64 bits; SQLite takes them as a signed number.
fn wrapped(key: u64) -> i64 {
    key as i64
}

/// A curve in a byte a step: a 255th of a peak is finer than what any task repeats.
fn packed(curve: &Curve) -> Vec<u8> {
    curve
        .steps()
        .iter()
        .map(|step| (step * 255.0).round() as u8)
        .collect()
}

fn unpacked(bytes: &[u8]) -> Option<Curve> {
    let bytes: [u8; STEPS] = bytes.try_into().ok()?;
    Some(Curve::from(bytes.map(|byte| f32::from(byte) / 255.0)))
}
