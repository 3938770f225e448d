//! What an earlier simulation of the same policy reached: the floor for this one.

use super::way::{Grade, Way};

/// One cell of its table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) mix: &'static str,
    pub(crate) way: Way,
    /// The median makespan over the lower bound.
    pub(crate) over_bound: f64,
    /// Restarts in a run, where it tells them.
    pub(crate) restarts: Option<f64>,
}

/// A row of the table: a mix, then what was reached by the clairvoyant, cold with `eager` and with
/// `last` (each with its restarts), and with `eager` where hints are off by 0, 10, 30 and 50 %.
/// Nothing stands as zero.
type Row = (&'static str, f64, [f64; 2], [f64; 2], [f64; 4]);

const NONE: [f64; 2] = [0.0; 2];

const TABLE: [Row; 11] = [
    (
        "hog",
        1.21,
        [1.46, 20.0],
        [1.60, 4.0],
        [1.31, 1.39, 1.46, 1.51],
    ),
    (
        "hog-100",
        1.22,
        [1.40, 94.0],
        NONE,
        [1.27, 1.33, 1.38, 1.42],
    ),
    ("hog-1000", 1.12, [1.21, 174.0], NONE, [0.0; 4]),
    (
        "cpu-bound",
        0.0,
        [1.03, 1.0],
        NONE,
        [1.01, 1.01, 1.02, 1.02],
    ),
    (
        "flat",
        1.06,
        [1.30, 56.0],
        [1.38, 3.0],
        [1.19, 1.23, 1.29, 1.32],
    ),
    (
        "heavy",
        1.15,
        [1.39, 18.0],
        [1.65, 2.0],
        [1.22, 1.29, 1.36, 1.39],
    ),
    (
        "blend",
        1.15,
        [1.54, 18.0],
        [1.82, 4.0],
        [1.25, 1.38, 1.43, 1.49],
    ),
    (
        "early-spike",
        1.22,
        [1.69, 16.0],
        NONE,
        [1.54, 1.62, 1.71, 1.83],
    ),
    (
        "late-spike",
        1.13,
        [1.80, 6.0],
        [1.92, 7.0],
        [1.16, 1.56, 1.59, 1.68],
    ),
    (
        "sawtooth",
        1.30,
        [1.78, 16.0],
        NONE,
        [1.44, 1.67, 1.70, 1.73],
    ),
    ("leak", 1.34, [1.83, 18.0], NONE, [1.50, 1.78, 1.82, 1.86]),
];

/// Beside the table: `last` with hints that are off by 10 %, makespan and restarts.
const WARM_LAST: [(&str, f64, f64); 4] = [
    ("hog", 1.40, 0.3),
    ("flat", 1.21, 0.8),
    ("heavy", 1.30, 0.2),
    ("blend", 1.42, 5.9),
];

/// And how slow others are on the hog mix.
const OTHERS: [(Way, f64); 3] = [
    (Way::sequential(), 6.16),
    (Way::batch(2), 3.6),
    (Way::batch(3), 2.5),
];

impl Goal {
    /// All of them, those of a mix together.
    pub(crate) fn all() -> Vec<Self> {
        let mut goals = Vec::new();
        for (mix, clairvoyant, eager, last, warm) in TABLE {
            let mut add = |way, over_bound: f64, restarts: f64| {
                let restarts = (restarts > 0.0).then_some(restarts);
                if over_bound > 0.0 {
                    goals.push(Self {
                        mix,
                        way,
                        over_bound,
                        restarts,
                    });
                }
            };
            if mix == "hog" {
                for (way, over_bound) in OTHERS {
                    add(way, over_bound, 0.0);
                }
            }
            add(Way::Clairvoyant, clairvoyant, 0.0);
            add(Way::continuous(Grade::Eager, None), eager[0], eager[1]);
            add(Way::continuous(Grade::Last, None), last[0], last[1]);
            for (off, over_bound) in [0, 10, 30, 50].into_iter().zip(warm) {
                add(Way::continuous(Grade::Eager, Some(off)), over_bound, 0.0);
            }
            for (_, over_bound, restarts) in WARM_LAST.iter().filter(|goal| goal.0 == mix) {
                let way = Way::continuous(Grade::Last, Some(10));
                add(way, *over_bound, *restarts);
            }
        }
        goals
    }

    /// How many runs of a mix a median needs where a usual one needs `usual`.
    pub(crate) fn runs(mix: &str, usual: u64) -> u64 {
        match mix {
            // A thousand tasks are a median of their own.
            "hog-1000" => usual.div_ceil(8),
            // Runs differ by twice as much as those of others: a spike that comes too early for
            // what runs beside it loses nearly all of a life.
            "late-spike" => usual.saturating_mul(4),
            _ => usual,
        }
    }

    /// By what the makespan may be passed: medians of some dozen runs are off by some percent.
    pub(crate) const TOLERANCE: f64 = 1.10;

    /// Whether a median makespan over the bound is good enough; nothing is too fast.
    pub(crate) fn is_met(&self, over_bound: f64) -> bool {
        over_bound <= Self::TOLERANCE * self.over_bound
    }
}
