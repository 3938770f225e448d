//! Why a task has no result.

use crate::limiter::{LimitError, Panicked};

/// Why a task has no result.
#[derive(Debug, thiserror::Error)]
pub enum TaskError<E> {
    /// The task's own error.
    #[error(transparent)]
    Failed(E),
    /// The task panicked.
    #[error(transparent)]
    Panicked(Panicked),
}

impl<E> TaskError<E> {
    pub(super) fn of<T>(result: Result<Result<T, E>, LimitError>) -> Result<T, Self> {
        match result {
            Ok(result) => result.map_err(Self::Failed),
            Err(LimitError::Panicked(panicked)) => Err(Self::Panicked(panicked)),
            Err(LimitError::Cleared(_)) => unreachable!("nobody else has this limiter"),
        }
    }
}
