//! A panic, caught and kept as a value.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

/// A task's panic, caught where it happened. The panic hook has run, so the usual message is on
/// stderr already.
pub struct Panicked {
    message: String,
    /// Behind a lock only so that the whole can be shared between threads.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl Panicked {
    fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a value that is no text".to_owned()
        };
        Self {
            message,
            payload: Mutex::new(payload),
        }
    }

    /// What the panic said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What was handed to the panic.
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on panicking, here.
    pub fn resume(self) -> ! {
        resume_unwind(self.into_payload())
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked")
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task panicked: {}", self.message)
    }
}

impl std::error::Error for Panicked {}

/// Calls something and catches its panic.
///
/// What it shares with others through locks or cells may be left half changed by the panic, as
/// with a thread's.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(Panicked::new)
}

/// Polls a future and catches its panic, with [`caught`]'s caveat. One that has panicked must not
/// be polled again.
pub(super) fn poll_contained<Fut: Future>(
    future: Pin<&mut Fut>,
    context: &mut Context<'_>,
) -> Poll<Result<Fut::Output, Panicked>> {
    match caught(|| future.poll(context)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    }
}
