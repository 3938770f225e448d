//! Everything that is answered, before it becomes text or JSON.

use saferun_memory::reclaim::Figure;

use super::advice::Advice;
use super::ending::Gone;
use super::facts::Facts;
use super::memory::Memory;
use super::steps::{Done, Planned};

/// The answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the session held at first.
    pub(super) before: Memory,
    /// What was read.
    pub(super) facts: Facts,
    /// What follows.
    pub(super) advice: Advice,
    /// What would be done; `None` when something was.
    pub(super) plan: Option<Vec<Planned>>,
    /// What was done.
    pub(super) results: Option<Results>,
    /// Why something that was asked for was not done, each in a line.
    pub(super) not_done: Vec<String>,
}

/// What a cleanup brought.
#[derive(Debug)]
pub(super) struct Results {
    /// Each step.
    pub(super) steps: Vec<Done>,
    /// The leftovers that were ended.
    pub(super) gone: Vec<Gone>,
    /// What can be used, before and after all.
    pub(super) room_bytes: Option<(u64, u64)>,
    /// What the session holds afterwards.
    pub(super) after: Memory,
}

impl Results {
    /// By how much the memory fell that was held, by the figures of those who held it: processes
    /// and files in memory. Page cache is not in it, as nobody held that, nor what files on disk
    /// took.
    pub(super) fn freed_bytes(&self) -> u64 {
        let gone = self
            .gone
            .iter()
            .map(|gone| gone.before_bytes.saturating_sub(gone.after_bytes));
        self.of(|figure| matches!(figure, Figure::Held | Figure::Files))
            .chain(gone)
            .fold(0, u64::saturating_add)
    }

    /// How much page cache was given back.
    pub(super) fn cache_bytes(&self) -> u64 {
        self.of(|figure| figure == Figure::Cache)
            .fold(0, u64::saturating_add)
    }

    /// How much space came back on disks, which is no memory.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.of(|figure| figure == Figure::Disk)
            .fold(0, u64::saturating_add)
    }

    /// Whether something went wrong.
    pub(super) fn failed(&self) -> bool {
        self.steps.iter().any(Done::failed)
            || self.gone.iter().any(|gone| !gone.ended.left.is_empty())
    }

    fn of(&self, counts: impl Fn(Figure) -> bool) -> impl Iterator<Item = u64> {
        self.steps
            .iter()
            .filter(move |step| counts(step.about.figure))
            .map(|step| step.measured.taken.gained_bytes())
    }
}
