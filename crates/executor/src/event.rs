//! What a run tells its observers.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::{GiveUpReason, Hint, Hold, Outcome, TaskId};

use crate::notice::Notice;
use crate::slot::Tier;

/// How one attempt ended, as the system saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptEnd {
    /// It exited with this status.
    Exited(i32),
    /// A signal ended it.
    Signaled(i32),
    /// Its time was up.
    TimedOut,
    /// It could not be started, and why.
    NotStarted(String),
    /// It failed or was killed while its group was short of memory.
    Victim(String),
    /// It was ended to make room and will be run again.
    Preempted,
    /// It was ended because the run is stopped.
    Stopped,
    /// It was ended because it can't be finished inside the budget.
    GivenUp(GiveUpReason),
}

/// The memory figures of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// What all tasks together may use now, in bytes.
    pub budget_bytes: u64,
    /// What they use, in bytes.
    pub used_bytes: u64,
    /// Tasks running (frozen ones included).
    pub running: usize,
    /// Tasks frozen by the scheduler or held by the brake.
    pub held: usize,
    /// Tasks known to wait. While the source is not drained there may be more.
    pub waiting: usize,
    /// Tasks concluded.
    pub concluded: u64,
    /// How many tasks there are in all, once the source is drained.
    pub total: Option<u64>,
}

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEvent {
    /// The run begins.
    RunStarted {
        /// The run's id, as in `SAFERUN_RUN`.
        run: String,
        /// The containment in use.
        tier: Tier,
        /// What is worth knowing about the choice (what is missing, what would improve it).
        notes: Vec<String>,
        /// The budget at the start, in bytes.
        budget_bytes: u64,
        /// The reserve, in bytes.
        reserve_bytes: u64,
    },
    /// The source has brought a task; said only of sources with dependencies.
    TaskAdded {
        /// Which.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// Which agent does it, if that was said.
        agent: Option<String>,
        /// What must have succeeded before it starts, with names.
        after: Vec<(TaskId, Arc<OsString>)>,
    },
    /// An attempt begins.
    TaskStarted {
        /// Whose.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// 1 for the first.
        attempt: u32,
        /// The process.
        pid: u32,
    },
    /// An attempt is over.
    AttemptEnded {
        /// Whose.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// 1 for the first.
        attempt: u32,
        /// How.
        end: AttemptEnd,
        /// The highest use seen, in bytes.
        peak_bytes: u64,
        /// How long it ran, frozen time included.
        elapsed: Duration,
        /// How long it could run: without the time that the scheduler froze it or the brake held
        /// it.
        ran: Duration,
        /// The CPU time it took.
        cpu: Duration,
        /// The highest use in each sixteenth of the time that it could run, in 255ths of the
        /// highest seen; `None` where it ended before it was looked at.
        curve: Option<[u8; Hint::STEPS]>,
    },
    /// A task has reached its final state.
    TaskConcluded {
        /// Which.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// The state.
        outcome: Outcome,
        /// If it was skipped because of another task that did not succeed: that one's name.
        culprit: Option<Arc<OsString>>,
    },
    /// A running attempt is being ended to make room.
    Preempting {
        /// Which.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// What all that run need within the next moment, in bytes.
        needed_bytes: u64,
        /// What was free, in bytes.
        free_bytes: u64,
        /// The figures of that moment.
        figures: Figures,
    },
    /// An attempt has begun that runs alone, because its task was a victim of pressure again and
    /// again.
    Alone {
        /// Whose.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// The figures of that moment.
        figures: Figures,
    },
    /// The scheduler froze a task.
    Frozen {
        /// Which.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// The figures of that moment.
        figures: Figures,
    },
    /// The scheduler let a task go on.
    Thawed {
        /// Which.
        task: TaskId,
        /// Its name.
        name: Arc<OsString>,
        /// The figures of that moment.
        figures: Figures,
    },
    /// The brake began to hold back growth (said once per episode).
    BrakeEngaged(Figures),
    /// Admissions are held back since now, and why (said when the reason changes).
    Holding {
        /// Why.
        hold: Hold,
        /// The figures of that moment.
        figures: Figures,
    },
    /// File cache of the run was given back to make room.
    Reclaimed {
        /// By how much there was less of it a moment later, in bytes.
        freed_bytes: u64,
        /// The figures of the moment when it was asked for.
        figures: Figures,
    },
    /// A step of a run by batches or under a threshold of session memory, or a task begins in a
    /// run one by one whose count is known.
    Session(Notice),
    /// Memory was read. Comes as often as it is read; observers thin it out.
    Figures(Figures),
    /// A signal asked the run to stop.
    Stopping {
        /// The signal's number.
        signal: i32,
    },
    /// Something worth a line of its own.
    Note(String),
    /// The run is over.
    RunEnded(RunReport),
}

/// One of the heaviest tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeavyTask {
    /// Its name.
    pub name: Arc<OsString>,
    /// Its peak, in bytes.
    pub peak_bytes: u64,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunReport {
    /// Tasks that succeeded.
    pub done: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Tasks not run because the run was stopped or halted.
    pub skipped: u64,
    /// Tasks that can't be finished inside the budget.
    pub given_up: u64,
    /// Attempts ended to make room and run again.
    pub restarted: u64,
    /// Attempts that were victims of pressure and run again.
    pub victims: u64,
    /// First start to last end.
    pub wall: Duration,
    /// The most that all tasks together used, in bytes.
    pub peak_bytes: u64,
    /// The largest budget of the run, in bytes.
    pub budget_bytes: u64,
    /// The heaviest tasks, heaviest first (at most three).
    pub heaviest: Vec<HeavyTask>,
    /// The signal that ended the run, if one did.
    pub signal: Option<i32>,
    /// Whether nobody reads the tasks' output any more (a closed pipe), which ended the run.
    pub output_closed: bool,
}

/// Where an observer's words go: lines for saferun's own standard error, written in order with
/// the tasks' error output by a thread that may block.
pub trait Say {
    /// Hands on bytes.
    fn say(&mut self, bytes: &[u8]);
}

/// A reader of the run's events. It must not block; what it wants said it hands to `say`.
pub trait Observer {
    /// One event, `at` so long after the run's start.
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say);
}

impl Observer for () {
    fn on(&mut self, _: &RunEvent, _: Duration, _: &mut dyn Say) {}
}
