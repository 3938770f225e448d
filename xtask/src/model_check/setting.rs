//! Which worlds there are.

use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_scheduler::{Config, Hint, Order, Preempt, Strategy};

pub(super) const MIB: u64 = 1 << 20;
/// What all tasks together may use.
pub(super) const BUDGET: u64 = 600 * MIB;
/// What others take of it where they take something.
pub(super) const FOREIGN: u64 = 250 * MIB;

/// Small beside anything; more than half, so that no two fit; and more than there is.
const SIZES: [u64; 3] = [100 * MIB, 340 * MIB, 700 * MIB];

/// How long tasks took before, in worlds where that is known.
const LIFE: Duration = Duration::from_millis(60);

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
    /// What each needed before, and it needs the same now,
    Right,
    /// or twice as much in twice the time,
    TooLow,
    /// or half as much in a tenth of the time.
    TooHigh,
}

impl Telling {
    /// All of them.
    const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Peaks,
        Self::OnceOnly,
        Self::Right,
        Self::TooLow,
        Self::TooHigh,
    ];

    /// Whether earlier runs are known.
    #[cfg(test)]
    pub(super) fn is_hint(self) -> bool {
        matches!(self, Self::Right | Self::TooLow | Self::TooHigh)
    }

    /// What earlier runs say of a task with that peak: growth in two equal steps.
    pub(super) fn hint(self, peak: u64) -> Option<Hint> {
        let (peak_bytes, duration) = match self {
            Self::Nothing | Self::Peaks | Self::OnceOnly => return None,
            Self::Right => (peak, LIFE),
            Self::TooLow => (peak / 2, LIFE / 2),
            Self::TooHigh => (peak * 2, LIFE * 10),
        };
        let half = Hint::STEPS / 2;
        Some(Hint {
            peak_bytes,
            // The larger of two tasks is the longer one too.
            duration: duration + Duration::from_millis(peak / MIB),
            curve: std::array::from_fn(|step| if step < half { 128 } else { 255 }),
        })
    }
}

/// How tasks are admitted and ended, as a line of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manner {
    pub(super) name: &'static str,
    strategy: Plan,
    preempt: Grade,
    pub(super) brake: bool,
    /// Tried in the order of arrival, not the longest first.
    fifo: bool,
    /// At most so many at once.
    limit: Option<usize>,
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

const MANNERS: [Manner; 11] = [
    manner("continuous last", Plan::Continuous, Grade::Last, true),
    manner("continuous eager", Plan::Continuous, Grade::Eager, true),
    manner("continuous never", Plan::Continuous, Grade::Never, true),
    manner("sequential", Plan::Sequential, Grade::Last, true),
    manner("batch", Plan::Batch, Grade::Last, true),
    manner("last, no brake", Plan::Continuous, Grade::Last, false),
    manner("eager, no brake", Plan::Continuous, Grade::Eager, false),
    manner("never, no brake", Plan::Continuous, Grade::Never, false),
    Manner {
        fifo: true,
        ..manner("last, fifo", Plan::Continuous, Grade::Last, true)
    },
    Manner {
        limit: Some(2),
        ..manner("eager, 2 at once", Plan::Continuous, Grade::Eager, true)
    },
    Manner {
        limit: Some(1),
        ..manner("batch, 1 at once", Plan::Batch, Grade::Last, true)
    },
];

const fn manner(name: &'static str, strategy: Plan, preempt: Grade, brake: bool) -> Manner {
    Manner {
        name,
        strategy,
        preempt,
        brake,
        fifo: false,
        limit: None,
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
            for telling in Telling::ALL {
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
            order: if self.manner.fifo {
                Order::Fifo
            } else {
                Order::Longest
            },
            concurrency: self.limit().and_then(NonZeroUsize::new),
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

    /// How many may run at once, if that is bounded by a number.
    pub(super) fn limit(&self) -> Option<usize> {
        match self.manner.strategy {
            Plan::Sequential => Some(1),
            Plan::Continuous | Plan::Batch => self.manner.limit,
        }
    }

    /// Whether room can be made by ending a task that runs.
    pub(super) fn may_end(&self) -> bool {
        self.preempt() != Preempt::Never && self.telling != Telling::OnceOnly
    }
}
