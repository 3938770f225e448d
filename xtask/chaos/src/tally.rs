//! The table.

use serde::Serialize;

use crate::Record;

/// The figures of all runs of one contender.
#[derive(Debug, Serialize)]
pub struct Tally {
    name: String,
    runs: u64,
    /// Runs in which a promise was broken; peers have made none.
    pub broken: u64,
    /// Runs that something befell.
    struck: u64,
    kernel_kills: u64,
    lost: u64,
    doubled: u64,
    survivors: u64,
    groups_left: u64,
    hung: u64,
    restarts: u64,
    /// The median of makespan over bound where nothing befell the run.
    over_bound: Option<f64>,
    #[serde(skip)]
    ratios: Vec<f64>,
}

impl Tally {
    /// No runs yet of a contender of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            runs: 0,
            broken: 0,
            struck: 0,
            kernel_kills: 0,
            lost: 0,
            doubled: 0,
            survivors: 0,
            groups_left: 0,
            hung: 0,
            restarts: 0,
            over_bound: None,
            ratios: Vec::new(),
        }
    }

    /// Whether it has played at all.
    #[must_use]
    pub fn has_runs(&self) -> bool {
        self.runs > 0
    }

    /// How many runs it has played.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Adds a run.
    pub fn add(&mut self, record: &Record) {
        self.runs += 1;
        self.broken += u64::from(!record.wrong.is_empty());
        self.struck += u64::from(record.struck);
        self.kernel_kills += record.kills;
        self.lost += record.lost;
        self.doubled += record.doubled;
        self.survivors += record.survivors;
        self.groups_left += record.groups;
        self.hung += u64::from(record.hung);
        self.restarts += record.restarts;
        self.ratios.extend(record.over_bound);
        self.ratios.sort_by(f64::total_cmp);
        self.over_bound = self.ratios.get(self.ratios.len() / 2).copied();
    }

    /// Prints a row for each contender below one with the columns' names.
    pub fn print(tallies: &[Self]) {
        println!(
            "{:<23}{:>6}{:>8}{:>8}{:>6}{:>6}{:>9}{:>11}{:>8}{:>6}{:>10}{:>12}",
            "",
            "runs",
            "broken",
            "struck",
            "kills",
            "lost",
            "doubled",
            "survivors",
            "groups",
            "hung",
            "restarts",
            "over bound"
        );
        for tally in tallies {
            println!(
                "{:<23}{:>6}{:>8}{:>8}{:>6}{:>6}{:>9}{:>11}{:>8}{:>6}{:>10}{:>12}",
                tally.name,
                tally.runs,
                tally.broken,
                tally.struck,
                tally.kernel_kills,
                tally.lost,
                tally.doubled,
                tally.survivors,
                tally.groups_left,
                tally.hung,
                tally.restarts,
                tally
                    .over_bound
                    .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            );
        }
    }
}
