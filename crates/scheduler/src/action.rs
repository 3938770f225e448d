//! What the scheduler asks the driver to do.

use crate::batches::Fallback;
use crate::task::{GiveUpReason, Outcome, TaskId};

/// One thing to do now, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start an attempt.
    Start {
        /// Whose.
        task: TaskId,
        /// 1 for the first.
        attempt: u32,
    },
    /// Stop the task's tree in place.
    Freeze {
        /// Whose.
        task: TaskId,
    },
    /// Let it go on.
    Thaw {
        /// Whose.
        task: TaskId,
    },
    /// Give back reclaimable memory (file cache of the run) before anything worse.
    Reclaim,
    /// No task runs, and the next batch waits for this: measure what the session holds, then
    /// report [`crate::Event::SessionMemory`] as soon as the queue holds the next batch or as
    /// much of it as there is. After a batch memory is given back first.
    Checkpoint {
        /// The number of the batch that has ended; `None` before a batch that follows none
        /// directly, such as the first.
        after: Option<u64>,
    },
    /// Nothing to do but to say it: a batch begins. Its tasks' starts follow.
    Batch {
        /// From 1.
        number: u64,
        /// How many tasks it has.
        tasks: usize,
        /// How many of them run at once at most.
        concurrency: usize,
    },
    /// Nothing to do but to say it: from now on tasks are started one by one.
    OneByOne(Fallback),
    /// Nothing to do but to say it: tasks run side by side again.
    SideBySide {
        /// What the session holds, in bytes.
        session_bytes: u64,
    },
    /// End the running attempt and everything in its slot, then report [`crate::Event::Exited`].
    End {
        /// Whose.
        task: TaskId,
        /// Why: a preempted task is run again, another one is not.
        cause: EndCause,
    },
    /// The task has reached its final state; said exactly once for every task.
    Conclude {
        /// Whose.
        task: TaskId,
        /// The state.
        outcome: Outcome,
    },
}

/// Why a running attempt is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// To make room; it will be run again.
    Preempt {
        /// What all that run need within the next moment, in bytes.
        needed_bytes: u64,
        /// What was free at that moment, in bytes.
        free_bytes: u64,
    },
    /// It can't be finished inside the budget.
    GiveUp(GiveUpReason),
    /// The run is stopped or halted at once.
    Stop,
}
