//! A task as the world knows it.

use saferun_scheduler::Outcome;

/// A task has its whole peak after so many steps of growth.
pub(super) const GROWN: u8 = 2;

/// Where a task is, as its driver sees it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    Waiting,
    Running,
    Frozen,
    /// It was told to end; it takes at most so many more readings.
    Ending(u8),
    Final(Outcome),
}

/// A task as the world knows it.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) peak: u64,
    pub(super) place: Place,
    /// Steps of growth behind it, in this attempt.
    pub(super) grown: u8,
    /// What it has of the next step, in bytes, where there was no room for all of it.
    pub(super) part: u64,
    /// What it used when memory was last read.
    pub(super) read: u64,
    /// It wanted to grow at the last reading, and there was no room.
    pub(super) held: bool,
    /// Readings for which it may still do nothing.
    pub(super) pauses: u8,
    pub(super) attempts: u32,
}

impl Task {
    pub(super) fn is_active(&self) -> bool {
        matches!(
            self.place,
            Place::Running | Place::Frozen | Place::Ending(_)
        )
    }

    pub(super) fn uses(&self) -> u64 {
        if self.is_active() {
            self.peak * u64::from(self.grown) / u64::from(GROWN) + self.part
        } else {
            0
        }
    }
}
