//! What is known of a run after it was judged.

use serde::{Deserialize, Serialize};

/// The figures of one run. It is written as one line of JSON where it crosses a serial line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The seed that names the run.
    pub seed: u64,
    /// What befell it and when, for a person.
    pub blow: String,
    /// Whether that fell before the end.
    pub struck: bool,
    /// Kills by the kernel in the cage.
    pub kills: u64,
    /// Tasks without a right final state.
    pub lost: u64,
    /// Tasks that ended more often than they should.
    pub doubled: u64,
    /// Processes alive long after the run.
    pub survivors: u64,
    /// Groups left, and other traces in the cage.
    pub groups: u64,
    /// It had to be ended.
    pub hung: bool,
    /// Attempts that were run again.
    pub restarts: u64,
    /// Seconds from its start to its end.
    pub seconds: f64,
    /// Makespan over the area bound, where nothing befell it.
    pub over_bound: Option<f64>,
    /// The promises that it broke, in words; none if it is sound.
    pub wrong: Vec<String>,
}

impl Record {
    /// The record of a run that never came to be judged.
    #[must_use]
    pub fn of_a_loss(seed: u64, why: impl Into<String>) -> Self {
        Self {
            seed,
            hung: true,
            wrong: vec![why.into()],
            ..Self::default()
        }
    }
}
