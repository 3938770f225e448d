//! A function whose calls are limited.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::error::{LimitError, ZeroConcurrency};
use super::{Limiter, LimiterOptions};

/// A function whose calls are limited: made by [`Limiter::wrap`] or [`limit_function`]. Clones
/// share the limiter and the function.
pub struct LimitedFunction<F> {
    limiter: Limiter,
    function: Arc<F>,
}

/// Wraps a function into one with a limiter of its own.
///
/// ```
/// use saferun_executor::limit_function;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let double = limit_function(async |number: u32| number * 2, 1)?;
/// assert_eq!(double.call(21).await?, 42);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A concurrency of 0.
pub fn limit_function<F>(
    function: F,
    options: impl Into<LimiterOptions>,
) -> Result<LimitedFunction<F>, ZeroConcurrency> {
    Ok(Limiter::new(options)?.wrap(function))
}

impl<F> LimitedFunction<F> {
    pub(super) fn new(limiter: Limiter, function: F) -> Self {
        Self {
            limiter,
            function: Arc::new(function),
        }
    }

    /// Calls the function once there is a place; see [`Limiter::run`] for when it waits, for
    /// panics and for cancelling. A function of several arguments takes them as a tuple.
    pub fn call<A, Fut>(
        &self,
        argument: A,
    ) -> impl Future<Output = Result<Fut::Output, LimitError>> + use<A, Fut, F>
    where
        F: Fn(A) -> Fut,
        Fut: Future,
    {
        let function = Arc::clone(&self.function);
        // The future may borrow nothing of the function, so that the call can be spawned.
        self.limiter.run(move || function(argument))
    }

    /// The limiter, which may be shared with others.
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }
}

impl<F> Clone for LimitedFunction<F> {
    fn clone(&self) -> Self {
        Self {
            limiter: self.limiter.clone(),
            function: Arc::clone(&self.function),
        }
    }
}

impl<F> fmt::Debug for LimitedFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitedFunction")
            .field("limiter", &self.limiter)
            .finish_non_exhaustive()
    }
}
