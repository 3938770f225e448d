//! How a limiter is made.

/// How a [`Limiter`](super::Limiter) is made. A number alone is enough where the rest stays as
/// it is by default: `Limiter::new(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterOptions {
    /// How many tasks run at once at most: 1 or more. 2^31 - 1 or more are no limit that could
    /// ever be met, and are read back as 2^31 - 1.
    pub concurrency: usize,
    /// What becomes of the tasks that wait when the queue is cleared.
    pub on_clear: OnClear,
}

/// What becomes of the tasks that wait when the queue is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnClear {
    /// Each ends with [`LimitError::Cleared`](super::LimitError::Cleared).
    #[default]
    Tell,
    /// Each stays pending for ever. Only for futures that somebody drops sooner or later, such as
    /// the losing branches of a `select!`: whoever awaits one waits for ever.
    Forget,
}

impl From<usize> for LimiterOptions {
    fn from(concurrency: usize) -> Self {
        Self {
            concurrency,
            on_clear: OnClear::default(),
        }
    }
}
