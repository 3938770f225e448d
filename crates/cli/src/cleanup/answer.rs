//! Everything that is answered, before it becomes text or JSON.

use saferun_memory::MachineReading;
use saferun_memory::reclaim::Figure;

use super::memory::Memory;
use super::steps::{Done, Planned};

/// The answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the session held at first.
    pub(super) before: Memory,
    /// What memory there was at first.
    pub(super) machine: MachineReading,
    /// What would be done; `None` when it was done.
    pub(super) plan: Option<Vec<Planned>>,
    /// What was done.
    pub(super) results: Option<Results>,
}

/// What a cleanup brought.
#[derive(Debug)]
pub(super) struct Results {
    /// Each step.
    pub(super) steps: Vec<Done>,
    /// What the session holds afterwards.
    pub(super) after: Memory,
}

impl Results {
    /// By how much what processes hold fell, by the figures of those that gave it back. Page
    /// cache is not in it: nobody held that.
    pub(super) fn freed_bytes(&self) -> u64 {
        self.steps
            .iter()
            .filter(|step| step.about.figure == Figure::Held)
            .map(|step| step.measured.taken.gained_bytes())
            .fold(0, u64::saturating_add)
    }
}
