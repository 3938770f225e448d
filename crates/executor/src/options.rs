//! The resolved choices of one run.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_memory::Amount;
use saferun_scheduler::{Halt, Order, Preempt, Strategy};

use crate::guard::Isolation;

/// The threshold of session memory where nobody has set one: 4096 MiB.
pub const DEFAULT_THRESHOLD_BYTES: u64 = 4096 << 20;

/// How many tasks run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// Memory decides; tasks busy on the CPU are bounded by the cores.
    Auto,
    /// At most so many.
    Count(NonZeroUsize),
}

/// Which containment a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Containment {
    /// The best that this machine offers.
    #[default]
    Best,
    /// Process trees only, no control groups.
    Tree,
}

/// How the tasks' output is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputMode {
    /// All of a task at once, when it has ended.
    #[default]
    Grouped,
    /// Line by line as it comes.
    LineBuffered,
}

/// What happens to the tasks' standard output and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutputOptions {
    /// When it is handed on.
    pub mode: OutputMode,
    /// Whether tasks' output comes in input order.
    pub keep_order: bool,
    /// Whether each line begins with the task's name and a tab.
    pub tag: bool,
}

/// Where the bytes of tasks and of saferun itself go. Each is written by a thread of its own,
/// so that a reader that has stopped reading doesn't stop the brake.
pub struct Sinks {
    /// Tasks' standard output.
    pub stdout: Box<dyn Write + Send>,
    /// Tasks' standard error, and whatever the observer says through
    /// [`crate::Say`].
    pub stderr: Box<dyn Write + Send>,
}

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sinks")
    }
}

/// The program that outlives the runner and cleans up after it: started as
/// `program args... ` followed by the guard's own arguments; it must hand them to
/// [`crate::guard::main`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardProgram {
    /// The program; usually `/proc/self/exe`.
    pub program: OsString,
    /// Arguments that lead it to [`crate::guard::main`].
    pub args: Vec<OsString>,
}

/// The choices of one run. All are resolved: nothing here is parsed again.
#[derive(Debug)]
pub struct RunOptions {
    /// How tasks are admitted.
    pub strategy: Strategy,
    /// How eagerly running work is ended to make room.
    pub preempt: Preempt,
    /// Which of the waiting tasks are tried first.
    pub order: Order,
    /// How many tasks run at once.
    pub concurrency: Concurrency,
    /// Strictly above so many bytes of session memory ([`saferun_memory::memory_usage`]) tasks
    /// run one by one: with [`Strategy::Batch`] for the rest of the run, where `None` stands for
    /// [`DEFAULT_THRESHOLD_BYTES`]; with [`Strategy::Continuous`] until there is room again, where
    /// `None` sets no threshold. The other strategies have none.
    pub threshold: Option<u64>,
    /// The configured budget; a share is of the machine's (or container's) limit.
    pub memory: Option<Amount>,
    /// What is left free for everything else; `None` is the default of the tier.
    pub reserve: Option<Amount>,
    /// The assumed peak in bytes of a task of which nothing is known.
    pub assumed_bytes: Option<u64>,
    /// When failures end the run.
    pub halt: Halt,
    /// How long after TERM a task is killed.
    pub grace: Duration,
    /// What happens to tasks' output.
    pub output: OutputOptions,
    /// Where bytes go.
    pub sinks: Sinks,
    /// Which containment may be used.
    pub containment: Containment,
    /// What tasks are kept in beside that; it needs a guard.
    pub isolation: Isolation,
    /// The guard; `None` runs without one, and then a killed runner leaves its tasks behind.
    pub guard: Option<GuardProgram>,
    /// Whether INT, TERM, HUP and TSTP end and stop the run (a binary's choice, not a library's).
    pub handle_signals: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            preempt: Preempt::default(),
            order: Order::default(),
            concurrency: Concurrency::Auto,
            threshold: None,
            memory: None,
            reserve: None,
            assumed_bytes: None,
            halt: Halt::default(),
            grace: Duration::from_secs(5),
            output: OutputOptions::default(),
            sinks: Sinks {
                stdout: Box::new(std::io::stdout()),
                stderr: Box::new(std::io::stderr()),
            },
            containment: Containment::default(),
            isolation: Isolation::default(),
            guard: None,
            handle_signals: false,
        }
    }
}
