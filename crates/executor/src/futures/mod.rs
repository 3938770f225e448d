//! Memory-hungry futures side by side, in batches, with a look at memory before each.

mod boxed;
mod error;
mod notice;
mod options;
mod planner;
mod safe_parallel;
mod wait;

pub use boxed::{BoxedTask, boxed};
pub use error::TaskError;
pub use notice::Notice;
pub use options::Options;
pub use planner::optimal_concurrency_at;
pub use safe_parallel::{
    MeasureError, SafeParallel, TaskResult, execute_safe_parallel, optimal_concurrency,
};
pub use wait::wait_until_memory_below;
