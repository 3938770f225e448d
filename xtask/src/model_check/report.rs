//! The table of what was explored.

use std::collections::BTreeMap;
use std::time::Duration;

use super::search::Found;
use super::setting::{MIB, Manner, Setting};
use super::step::Step;

/// Sums over worlds, a row for each manner.
#[derive(Debug, Default)]
pub(super) struct Report {
    rows: BTreeMap<Manner, Row>,
    broken: Vec<String>,
}

#[derive(Debug, Default)]
struct Row {
    worlds: u64,
    states: u64,
    events: u64,
    ends: u64,
    longest_ms: u64,
    endings: u64,
    violations: u64,
}

impl Report {
    /// Adds one world.
    pub(super) fn add(&mut self, setting: &Setting, found: Found) {
        let row = self.rows.entry(setting.manner).or_default();
        row.worlds += 1;
        row.states += found.states;
        row.events += found.events;
        row.ends += found.ends;
        row.longest_ms = row.longest_ms.max(found.longest_ms);
        row.endings = row.endings.max(found.endings);
        if let Some((broken, path)) = found.violation {
            row.violations += 1;
            self.broken.push(tell(setting, &broken, &path));
        }
    }

    pub(super) fn violations(&self) -> usize {
        self.broken.len()
    }

    #[cfg(test)]
    pub(super) fn states(&self) -> u64 {
        self.rows.values().map(|row| row.states).sum()
    }

    #[cfg(test)]
    pub(super) fn endings(&self) -> u64 {
        self.rows.values().map(|row| row.endings).sum()
    }

    pub(super) fn print(&self, took: Duration) {
        self.print_violations();
        println!(
            "{:<18}{:>8}{:>12}{:>13}{:>10}{:>11}{:>13}{:>8}",
            "manner", "worlds", "states", "events", "ends", "longest s", "most endings", "broken"
        );
        let mut total = Row::default();
        for (manner, row) in &self.rows {
            row.print(manner.name);
            total.worlds += row.worlds;
            total.states += row.states;
            total.events += row.events;
            total.ends += row.ends;
            total.longest_ms = total.longest_ms.max(row.longest_ms);
            total.endings = total.endings.max(row.endings);
            total.violations += row.violations;
        }
        total.print("all");
        println!("in {:.1} s", took.as_secs_f64());
    }

    /// The first broken promises with their paths; one is mostly enough.
    pub(super) fn print_violations(&self) {
        for broken in self.broken.iter().take(5) {
            println!("{broken}");
        }
    }
}

impl Row {
    fn print(&self, name: &str) {
        println!(
            "{name:<18}{:>8}{:>12}{:>13}{:>10}{:>11.1}{:>13}{:>8}",
            self.worlds,
            self.states,
            self.events,
            self.ends,
            self.longest_ms as f64 / 1e3,
            self.endings,
            self.violations
        );
    }
}

/// A broken promise with the way there; what was repeated is said once.
fn tell(setting: &Setting, broken: &str, path: &[Step]) -> String {
    let peaks: Vec<u64> = setting.peaks.iter().map(|peak| peak / MIB).collect();
    let mut text = format!(
        "BROKEN: {broken}\n  {}, told {:?}, peaks {peaks:?} MiB",
        setting.manner.name, setting.telling
    );
    for same in path.chunk_by(|a, b| a == b) {
        if let Some(step) = same.first() {
            text.push_str(&format!("\n  {step:?}"));
        }
        if same.len() > 1 {
            text.push_str(&format!(" x {}", same.len()));
        }
    }
    text
}
