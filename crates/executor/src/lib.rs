//! Runs commands side by side under a memory budget.
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod brake;
mod budget;
mod descriptors;
mod event;
mod futures;
pub mod graph;
pub mod guard;
mod limiter;
mod notice;
mod options;
mod output;
#[expect(unsafe_code, reason = "tokio asks for a promise about descriptors")]
mod readiness;
mod run;
mod run_id;
pub mod slot;
pub mod spawn;
mod survey;
mod task;

pub use budget::{Budget, BudgetBinding};
pub use event::{AttemptEnd, Figures, HeavyTask, Observer, RunEvent, RunReport, Say};
pub use futures::{
    BoxedTask, MeasureError, Options, SafeParallel, TaskError, TaskResult, boxed,
    execute_safe_parallel, optimal_concurrency, wait_until_memory_below,
};
pub use graph::{OrderError, OrderedTasks};
pub use guard::{Isolation, IsolationError};
pub use limiter::{
    Cleared, LimitError, LimitedFunction, Limiter, LimiterOptions, OnClear, Panicked, Place,
    ZeroConcurrency, limit_function,
};
pub use notice::Notice;
pub use options::{
    Concurrency, Containment, DEFAULT_THRESHOLD_BYTES, GuardProgram, OutputMode, OutputOptions,
    RunOptions, Sinks,
};
pub use output::spool::spool_file;
pub use run::launch::{RUN_VARIABLE, TASK_VARIABLE};
pub use run::{LEAST_BUDGET, run};
pub use run_id::RunId;
pub use saferun_scheduler::optimal_concurrency_at;
pub use slot::Tier;
pub use survey::{GroupStanding, Survey, survey};
pub use task::{CommandSpec, Copies, Limit, Task, TaskSource};

/// Why a run could not be begun or carried on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The input is wrong; nothing can be done with the rest of it.
    #[error("{0}")]
    Source(String),
    /// Memory can't be read, so nothing can be promised.
    #[error("memory can't be read: {0}")]
    Memory(#[from] saferun_memory::ReadError),
    /// The budget that follows from the settings is too small to run anything.
    #[error("{0}")]
    Budget(String),
    /// Tasks can't be isolated as the settings ask for.
    #[error(transparent)]
    Isolation(#[from] guard::IsolationError),
    /// The system refused something that a run can't do without.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The system's word.
        cause: std::io::Error,
    },
}
