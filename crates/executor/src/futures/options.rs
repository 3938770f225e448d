//! How tasks are run within a program.

use crate::options::DEFAULT_THRESHOLD_BYTES;

/// How tasks are run within a program; what isn't named stays as it is by default:
/// `Options { verbose: true, ..Options::default() }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many tasks run at once at most, 1 or more; 2 by default. Where the session's memory
    /// calls for fewer, there are fewer.
    pub concurrency: usize,
    /// Above so many bytes of session memory the rest runs one by one; 4096 MiB by default.
    pub memory_threshold: u64,
    /// Whether to clean up after each batch, and after each task that runs alone; by default yes.
    /// It gives pages that ended tasks left with the allocator back to the system, and calls what
    /// was set by [`SafeParallel::on_clean_up`](super::SafeParallel::on_clean_up).
    pub force_gc: bool,
    /// Whether to say what is done, line by line; by default no.
    pub verbose: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 2,
            memory_threshold: DEFAULT_THRESHOLD_BYTES,
            force_gc: true,
            verbose: false,
        }
    }
}
