//! The table.

use serde::Serialize;

use super::judge::Verdict;
use super::stage::Facts;

/// The figures of all runs of one contender.
#[derive(Debug, Serialize)]
pub(super) struct Tally {
    name: String,
    runs: u64,
    /// Runs in which a promise was broken; peers have made none.
    pub(super) broken: u64,
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
    pub(super) fn new(name: impl Into<String>) -> Self {
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

    pub(super) fn has_runs(&self) -> bool {
        self.runs > 0
    }

    /// Adds a run of our own.
    pub(super) fn add(&mut self, facts: &Facts, verdict: &Verdict, over_bound: Option<f64>) {
        self.runs += 1;
        self.broken += u64::from(!verdict.wrong.is_empty());
        self.struck += u64::from(facts.struck);
        self.kernel_kills += facts.kills;
        self.lost += verdict.lost;
        self.doubled += verdict.doubled;
        self.survivors += facts.survivors.len() as u64;
        self.groups_left += facts.groups.len() as u64;
        self.hung += u64::from(facts.hung);
        self.restarts += verdict.restarts;
        self.ratios.extend(over_bound);
        self.ratios.sort_by(f64::total_cmp);
        self.over_bound = self.ratios.get(self.ratios.len() / 2).copied();
    }

    /// Adds a run of a peer, of which nothing was promised.
    pub(super) fn add_peer(&mut self, facts: &Facts, verdict: &Verdict, over_bound: f64) {
        self.add(facts, verdict, Some(over_bound));
    }

    pub(super) fn print(tallies: &[Self]) {
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
