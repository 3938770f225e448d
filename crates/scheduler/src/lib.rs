//! Pure admission and preemption under a memory budget.
//!
//! [`Scheduler::on`] takes one [`Event`] and the time, and returns the [`Action`]s that follow.
//! It reads no clock, does no I/O, depends on nothing but the standard library, and so can be
//! run a million times in a test without a process.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod action;
mod config;
mod event;
mod task;

pub use action::{Action, EndCause};
pub use config::{Config, FailureLimit, Halt, Preempt, Strategy};
pub use event::{Event, Exit, Reading, TaskReading};
pub use task::{GiveUpReason, Outcome, SkipReason, TaskId, TaskSpec};

use std::time::Duration;

/// The state machine of one run.
#[derive(Debug, Clone)]
pub struct Scheduler {
    config: Config,
}

impl Scheduler {
    /// A scheduler with nothing queued and nothing running.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Handles one event that happened at `now` (measured from the run's start; a time before
    /// the latest seen counts as the latest seen) and appends what follows to `actions`.
    pub fn on(&mut self, event: Event<'_>, now: Duration, actions: &mut Vec<Action>) {
        let _ = (event, now, actions, &self.config);
    }

    /// How many more tasks the scheduler wants in its queue now.
    pub fn wants_tasks(&self) -> usize {
        0
    }

    /// Whether the source is drained and every task is concluded.
    pub fn is_finished(&self) -> bool {
        false
    }

    /// The task that is never frozen and never ended, if one is active.
    pub fn champion(&self) -> Option<TaskId> {
        None
    }

    /// How long from `now` (a delay, not a point in time; zero if it is overdue) until the
    /// scheduler wants its next [`Event::Reading`] at the latest, given that nothing else
    /// happens: soon while growth or a pending admission makes time matter, `None` when only a
    /// new task can change anything. It is counted from the last reading, so asking again after
    /// every event never postpones the reading.
    pub fn next_reading(&self, now: Duration) -> Option<Duration> {
        let _ = now;
        None
    }

    /// Checks every invariant of the state; for tests.
    ///
    /// # Errors
    ///
    /// The first violated invariant, in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        Ok(())
    }
}
