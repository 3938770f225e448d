//! Which worlds there are.

use std::num::NonZeroUsize;

use saferun_scheduler::{Config, Preempt, Strategy};

pub(super) const MIB: u64 = 1 << 20;
/// What all tasks together may use.
pub(super) const BUDGET: u64 = 600 * MIB;
/// What others take of it where they take something.
pub(super) const FOREIGN: u64 = 250 * MIB;

/// Small beside anything; more than half, so that no two fit; and more than there is.
const SIZES: [u64; 3] = [100 * MIB, 340 * MIB, 700 * MIB];

/// How far the search goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) mishaps: u8,
    pub(super) pauses: u8,
    pub(super) depth: u32,
}

/// What the scheduler is told about the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// Nothing.
    Nothing,
    /// Each one's peak.
    Peaks,
    /// That none may be run a second time.
    OnceOnly,
}

/// How tasks are admitted and ended, as a line of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manner {
    pub(super) name: &'static str,
    strategy: Plan,
    preempt: Grade,
    pub(super) brake: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Continuous,
    Sequential,
    Batch,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Last,
    Eager,
    Never,
}

const MANNERS: [Manner; 8] = [
    manner("continuous last", Plan::Continuous, Grade::Last, true),
    manner("continuous eager", Plan::Continuous, Grade::Eager, true),
    manner("continuous never", Plan::Continuous, Grade::Never, true),
    manner("sequential", Plan::Sequential, Grade::Last, true),
    manner("batch", Plan::Batch, Grade::Last, true),
    manner("last, no brake", Plan::Continuous, Grade::Last, false),
    manner("eager, no brake", Plan::Continuous, Grade::Eager, false),
    manner("never, no brake", Plan::Continuous, Grade::Never, false),
];

const fn manner(name: &'static str, strategy: Plan, preempt: Grade, brake: bool) -> Manner {
    Manner {
        name,
        strategy,
        preempt,
        brake,
    }
}

/// One world before anything has happened in it.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) manner: Manner,
    pub(super) telling: Telling,
    /// The tasks' peaks in the order of their arrival, in bytes.
    pub(super) peaks: Vec<u64>,
    pub(super) bounds: Bounds,
}

impl Setting {
    /// Every world of so many tasks.
    pub(super) fn all(tasks: usize, bounds: Bounds) -> Vec<Self> {
        let mut lists: Vec<Vec<u64>> = vec![Vec::new()];
        for _ in 0..tasks {
            lists = lists
                .iter()
                .flat_map(|list| {
                    SIZES.map(|size| {
                        let mut longer = list.clone();
                        longer.push(size);
                        longer
                    })
                })
                .collect();
        }
        let mut all = Vec::new();
        for manner in MANNERS {
            for telling in [Telling::Nothing, Telling::Peaks, Telling::OnceOnly] {
                all.extend(lists.iter().map(|peaks| Self {
                    manner,
                    telling,
                    peaks: peaks.clone(),
                    bounds,
                }));
            }
        }
        all
    }

    pub(super) fn config(&self) -> Config {
        Config {
            strategy: match self.manner.strategy {
                Plan::Continuous => Strategy::Continuous,
                Plan::Sequential => Strategy::Sequential,
                Plan::Batch => Strategy::Batch,
            },
            preempt: self.preempt(),
            brake: self.manner.brake,
            // Cores are no matter here.
            cores: NonZeroUsize::MIN.saturating_add(63),
            ..Config::default()
        }
    }

    pub(super) fn preempt(&self) -> Preempt {
        match self.manner.preempt {
            Grade::Last => Preempt::Last,
            Grade::Eager => Preempt::Eager,
            Grade::Never => Preempt::Never,
        }
    }

    /// Whether room can be made by ending a task that runs.
    pub(super) fn may_end(&self) -> bool {
        self.preempt() != Preempt::Never && self.telling != Telling::OnceOnly
    }
}
