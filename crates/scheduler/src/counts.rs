//! Figures of a run, for people and reports.

/// How many tasks are where, and what it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that wait, including those that wait to be run again.
    pub queued: usize,
    /// Tasks with a running attempt, including frozen ones and those being ended.
    pub active: usize,
    /// Active tasks that the scheduler has frozen.
    pub frozen: usize,
    /// Tasks concluded as [`crate::Outcome::Done`].
    pub done: u64,
    /// Tasks concluded as [`crate::Outcome::Failed`].
    pub failed: u64,
    /// Tasks concluded as [`crate::Outcome::Skipped`].
    pub skipped: u64,
    /// Tasks concluded as [`crate::Outcome::GivenUp`].
    pub given_up: u64,
    /// Attempts that were asked to end to make room ([`crate::EndCause::Preempt`]).
    pub preemptions: u64,
    /// Attempts started that were not the first of their task, for whatever reason.
    pub restarts: u64,
    /// Attempts that failed for want of memory ([`crate::Exit::Victim`]).
    pub victims: u64,
}

impl Counts {
    /// Tasks that have reached their final state.
    pub fn concluded(&self) -> u64 {
        self.done + self.failed + self.skipped + self.given_up
    }

    /// Tasks that count as failures where a run is halted by them.
    pub(crate) fn failures(&self) -> u64 {
        self.failed + self.given_up
    }
}
