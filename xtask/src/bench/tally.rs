//! What many runs of one contender add up to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saferun_testbed::size::MIB;

use super::report::Row;
use super::trial::Outcome;

/// The sums and spreads of one contender's runs.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) walls: Vec<f64>,
    pub(super) ratios: Vec<f64>,
    pub(super) restarts: Vec<f64>,
    pub(super) kills: u64,
    pub(super) lost: u64,
    pub(super) left: u64,
    peaks: Vec<f64>,
    codes: BTreeMap<i32, u64>,
    processes_left: u64,
    groups_left: u64,
    hung: u64,
}

impl Tally {
    /// Adds a run.
    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.walls.push(outcome.wall.as_secs_f64());
        self.kills += outcome.kills;
        self.processes_left += outcome.processes_left;
        self.groups_left += outcome.groups_left;
        self.left += outcome.processes_left + outcome.groups_left;
        self.hung += u64::from(outcome.hung);
        *self.codes.entry(outcome.code()).or_default() += 1;
    }

    /// Adds the peak of a run, in bytes.
    pub(super) fn add_peak(&mut self, bytes: u64) {
        self.peaks.push(bytes as f64 / MIB as f64);
    }

    /// Adds how many of the tasks that there were did not come to their end exactly once.
    pub(super) fn add_ends(&mut self, wanted: u64, seen: u64) {
        self.lost += wanted.abs_diff(seen);
    }

    /// Adds what the runner's own events say about restarts.
    pub(super) fn add_restarts(&mut self, events: &Path) {
        if let Some(count) = restarts(events) {
            self.restarts.push(count as f64);
        }
    }

    /// How many runs ended with another code than this.
    pub(super) fn unexpected(&self, wanted: i32) -> u64 {
        let others = self.codes.iter().filter(|(code, _)| **code != wanted);
        others.map(|(_, count)| count).sum()
    }

    /// The figures that every scenario shows, after those that only some have.
    pub(super) fn row(&self, name: impl Into<String>) -> Row {
        let mut row = Row::new(name);
        if !self.ratios.is_empty() {
            row = row.spread("over bound", self.ratios.clone());
        }
        row = row.spread("wall s", self.walls.clone());
        if !self.peaks.is_empty() {
            row = row.spread("peak MiB", self.peaks.clone());
        }
        if !self.restarts.is_empty() {
            row = row.spread("restarts", self.restarts.clone());
        }
        row.count("lost", self.lost)
            .count("kills", self.kills)
            .text(
                "left p/g",
                format!("{}/{}", self.processes_left, self.groups_left),
            )
            .text("exit", self.exits())
    }

    fn exits(&self) -> String {
        let mut parts: Vec<String> = self
            .codes
            .iter()
            .map(|(code, count)| match self.codes.len() {
                1 => code.to_string(),
                _ => format!("{code}x{count}"),
            })
            .collect();
        if self.hung > 0 {
            parts.push(format!("hung x{}", self.hung));
        }
        parts.join(" ")
    }
}

/// The restarts of a run from its JSON lines: attempts ended to make room, and victims of pressure.
pub(super) fn restarts(events: &Path) -> Option<u64> {
    let text = fs::read_to_string(events).ok()?;
    text.lines()
        .rev()
        .filter_map(|line| serde_json::from_str(line).ok())
        .find_map(|value: serde_json::Value| {
            let ended = named(&value, "restarted")?;
            Some(ended + named(&value, "victims").unwrap_or(0))
        })
}

/// The first number of this name anywhere in the value.
fn named(value: &serde_json::Value, name: &str) -> Option<u64> {
    match value {
        serde_json::Value::Object(fields) => fields
            .get(name)
            .and_then(serde_json::Value::as_u64)
            .or_else(|| fields.values().find_map(|field| named(field, name))),
        _ => None,
    }
}

/// The lines in a file; none when there is no file.
pub(super) fn lines_in(path: &Path) -> u64 {
    fs::read_to_string(path).map_or(0, |text| text.lines().count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_read_from_the_last_line_that_names_them() -> std::io::Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("events");
        fs::write(
            &path,
            "{\"restarted\":1}\nno json\n{\"report\":{\"restarted\":3,\"victims\":1}}\n{\"other\":2}\n",
        )?;
        assert_eq!(restarts(&path), Some(4));
        assert_eq!(restarts(&directory.path().join("none")), None);
        Ok(())
    }
}
