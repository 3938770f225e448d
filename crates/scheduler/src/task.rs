//! What the scheduler knows of a task: nothing of the command, only of its memory and its rights.

use crate::hint::Hint;

/// Names a task within one run. The driver chooses it; the scheduler only compares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub u64);

/// A task as it joins the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskSpec {
    /// The task's name within this run.
    pub id: TaskId,
    /// The peak in bytes that somebody who knows has declared, if anybody has.
    pub declared_bytes: Option<u64>,
    /// Whether the task may be ended and run again from its beginning.
    pub restartable: bool,
    /// How many times a failed attempt is followed by another.
    pub retries: u32,
    /// Tasks of one kind (one command template) are expected to need alike; `None` knows no kin.
    pub kind: Option<u64>,
    /// What earlier runs say of it, if they say anything.
    pub hint: Option<Hint>,
}

/// The one final state of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its last attempt succeeded.
    Done,
    /// Its last attempt failed and no retry is left.
    Failed,
    /// It was never run, or not run again, because the run was stopped or halted.
    Skipped(SkipReason),
    /// It can't be finished inside the budget.
    GivenUp(GiveUpReason),
}

/// Why a task was not run to an end of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// The run was stopped from outside (a signal).
    Stopped,
    /// So many tasks had failed that the run was halted.
    Halted,
    /// A task that it depends on, perhaps through others, did not succeed. Said by a driver that
    /// keeps such tasks back; the scheduler itself knows of no dependencies.
    Dependency {
        /// The task that did not succeed.
        failed: TaskId,
    },
}

/// Why a task can't be finished inside the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUpReason {
    /// Its declared memory is above what the budget can ever be.
    DeclaredAboveBudget {
        /// The declared peak in bytes.
        declared_bytes: u64,
        /// The undisturbed budget in bytes.
        budget_bytes: u64,
    },
    /// Alone, it filled the undisturbed budget and still wanted more.
    ExceedsBudgetAlone {
        /// What it held when it was given up, in bytes.
        reached_bytes: u64,
        /// The undisturbed budget in bytes.
        budget_bytes: u64,
    },
    /// Alone, it waited too long for memory that other programs hold.
    ForeignMemory {
        /// What it held when it was given up, in bytes.
        reached_bytes: u64,
        /// What others held of the undisturbed budget then, in bytes.
        foreign_bytes: u64,
        /// How long it had waited without getting on, in whole seconds.
        waited_seconds: u64,
    },
    /// Memory ran out, nothing else could be ended, and it may not be restarted (or the
    /// preemption grade forbids restarts).
    Pressure {
        /// What it held when it was given up, in bytes.
        reached_bytes: u64,
        /// What the stalled tasks still needed, in bytes.
        needed_bytes: u64,
        /// What was free at that moment, in bytes.
        free_bytes: u64,
    },
}
