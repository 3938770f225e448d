//! What the driver tells the scheduler.

use crate::task::{TaskId, TaskSpec};

/// One thing that happened. Each is handed to [`crate::Scheduler::on`] with the time at which
/// it happened, measured from the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A task joins the queue.
    Added(TaskSpec),
    /// No further task will be added.
    SourceDrained,
    /// Memory was read.
    Reading(Reading<'a>),
    /// Memory could not be read: what was read before is out of date, and nothing is started on
    /// it until the next [`Event::Reading`].
    Unread,
    /// What the session holds was read, in bytes; `None` is not known. It answers an
    /// [`crate::Action::Checkpoint`], and comes now and then where [`crate::Strategy::Continuous`]
    /// is bound by a threshold.
    SessionMemory(Option<u64>),
    /// An attempt ended, by itself or because an action asked for it; its slot is empty.
    Exited {
        /// Whose attempt.
        task: TaskId,
        /// How it ended.
        exit: Exit,
        /// The highest use seen by the driver in this attempt, in bytes.
        peak_bytes: u64,
    },
    /// Somebody wants the run to end: nothing is admitted any more, what waits is skipped, and
    /// what runs is ended ([`crate::EndCause::Stop`]).
    StopRequested,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Exit status 0.
    Success,
    /// Any other ending that is the program's own (status, signal, timeout, could not start).
    Failure,
    /// It failed while its group was short of memory, or the kernel killed it for memory: not
    /// the program's fault; it is run again if it may be.
    Victim,
    /// The system could not start it, for want of something other than memory (processes,
    /// descriptors): nothing was begun, and the same may succeed later.
    Refused,
    /// It ended because the driver carried out an [`crate::Action::End`].
    Ended,
}

/// One sample of memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading<'a> {
    /// Bytes that all tasks together may use now: follows what others on the machine take.
    pub budget_bytes: u64,
    /// What [`Reading::budget_bytes`] would be if nobody else took memory from us during the
    /// run; at least `budget_bytes`. Only a task that fills this, alone, doesn't fit.
    pub undisturbed_bytes: u64,
    /// What all tasks together use now (without reclaimable file cache), including what ended
    /// tasks have not given back yet.
    pub used_bytes: u64,
    /// One reading for each active task, in any order. A task without one keeps its last.
    pub tasks: &'a [TaskReading],
}

/// One active task's part of a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskReading {
    /// Whose.
    pub task: TaskId,
    /// What it uses now, in bytes, without reclaimable file cache.
    pub use_bytes: u64,
    /// Whether the driver's brake or the kernel holds it back now, so that its use says nothing
    /// about what it wants.
    pub at_wall: bool,
    /// How many cores it kept busy lately (0.0 to the number of cores); a task too young to
    /// tell counts as 1.0.
    pub busy_cores: f64,
}
