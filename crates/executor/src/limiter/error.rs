//! Why a limited task has no result.

use super::panicked::Panicked;

/// Nothing could ever run: a concurrency of 0 was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a concurrency of 0 would never run anything; it must be 1 or more")]
pub struct ZeroConcurrency;

/// The queue was cleared while the task waited in it; the task was never begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue was cleared before the task was begun")]
pub struct Cleared;

/// Why a limited task has no result.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The queue was cleared while the task waited in it; the task was never begun.
    #[error(transparent)]
    Cleared(#[from] Cleared),
    /// The task panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl LimitError {
    /// Whether the task was sent away before it was begun.
    pub fn is_cleared(&self) -> bool {
        matches!(self, Self::Cleared(_))
    }

    /// The panic, if it was one.
    pub fn panicked(self) -> Option<Panicked> {
        match self {
            Self::Panicked(panicked) => Some(panicked),
            Self::Cleared(_) => None,
        }
    }
}
