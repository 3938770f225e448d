//! The choices a user makes once for a run.

use std::num::NonZeroUsize;

/// How tasks are admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// As many as memory allows at every moment.
    #[default]
    Continuous,
    /// In batches of twice the concurrency: the next begins when all of one have ended, memory
    /// was given back, and what the session holds has decided how many run at once
    /// ([`crate::Batches`]).
    Batch,
    /// One at a time.
    Sequential,
    /// All that the count allows, whatever memory says. Unsafe; for comparison.
    Unlimited,
}

/// How eagerly running work is ended to make room (and run again later).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Preempt {
    /// Only to let the champion go on.
    #[default]
    Last,
    /// Whenever ending costs less than waiting. For pure work.
    Eager,
    /// Never; a task starts only if its whole reservation fits.
    Never,
}

/// Which of the waiting tasks are tried first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Those that take longest, as far as that is known, so that short ones fill what is left.
    /// What is not known counts as the mean; among equals the order of arrival holds.
    #[default]
    Longest,
    /// Those that came first. A later one still starts before an earlier one that doesn't fit.
    Fifo,
}

/// When failures end the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Halt {
    /// Failures don't end the run.
    #[default]
    Never,
    /// After so many failures nothing more is started.
    Soon(FailureLimit),
    /// After so many failures nothing more is started and what runs is ended.
    Now(FailureLimit),
}

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FailureLimit {
    /// So many tasks.
    Count(u64),
    /// So large a share (0.0 to 1.0) of the tasks concluded, once at least three are.
    Share(f64),
}

/// The configuration of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How tasks are admitted.
    pub strategy: Strategy,
    /// How eagerly running work is ended.
    pub preempt: Preempt,
    /// Which of the waiting tasks are tried first.
    pub order: Order,
    /// The largest number of tasks at once; `None` lets memory and cores decide.
    pub concurrency: Option<NonZeroUsize>,
    /// The number of cores, for the bound on busy tasks when `concurrency` is `None`.
    pub cores: NonZeroUsize,
    /// Whether the driver has a brake that stops growth at the budget by itself. Without one
    /// the scheduler keeps wider margins and freezes what would overflow.
    pub brake: bool,
    /// When failures end the whole run.
    pub halt: Halt,
    /// Above so many bytes of session memory tasks run one by one: in [`Strategy::Batch`] for the
    /// rest of the run, in [`Strategy::Continuous`] until there is room again. Others ignore it.
    pub threshold_bytes: Option<u64>,
    /// The assumed peak in bytes of a task of which nothing is known (`--task-memory`); `None`
    /// leaves it to the prior.
    pub assumed_bytes: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            preempt: Preempt::default(),
            order: Order::default(),
            concurrency: None,
            cores: NonZeroUsize::MIN,
            brake: true,
            halt: Halt::default(),
            threshold_bytes: None,
            assumed_bytes: None,
        }
    }
}
