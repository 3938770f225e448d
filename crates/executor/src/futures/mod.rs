//! Memory-hungry futures side by side, in batches, with a look at memory before each.

mod boxed;
mod error;
mod options;
mod safe_parallel;
mod wait;

pub use boxed::{BoxedTask, boxed};
pub use error::TaskError;
pub use options::Options;
pub use safe_parallel::{
    MeasureError, SafeParallel, TaskResult, execute_safe_parallel, optimal_concurrency,
};
pub use wait::wait_until_memory_below;

/// The guide's programs are built, and run where they can be.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/guide.md")]
struct Guide;
