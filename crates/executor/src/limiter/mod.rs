//! So many at once and no more: futures that wait for one another.

mod crew;
mod error;
mod function;
mod gate;
mod line;
mod map;
mod options;
mod panicked;
mod place;

pub use error::{Cleared, LimitError, ZeroConcurrency};
pub use function::{LimitedFunction, limit_function};
pub use options::{LimiterOptions, OnClear};
pub use panicked::Panicked;
pub use place::Place;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use gate::{Gate, Held};
use panicked::{caught, poll_contained};

/// Lets so many tasks run at once and no more; the rest waits, first come first served.
///
/// Clones share everything, so one limiter can bound what is done in many parts of a program. It
/// needs no particular runtime, starts no thread and spawns nothing: tasks run within the futures
/// that it returns, and only while these are polled.
///
/// ```
/// use saferun_executor::Limiter;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(2)?;
/// let lengths = limiter
///     .map(["one", "three", "seven"], async |word, _| word.len())
///     .await;
/// assert_eq!(lengths.into_iter().collect::<Result<Vec<_>, _>>()?, [3, 5, 5]);
///
/// let sum = limiter.run(async || 1 + 1).await?;
/// assert_eq!(sum, 2);
/// # Ok(())
/// # }
/// ```
///
/// # What can go wrong
/// - A task that waits for another task of the *same* limiter can wait for ever: it holds the
///   place that the other one needs. Use a second limiter for inner tasks.
/// - A future that got a place and then isn't polled any more, yet is kept, holds the place. Drop
///   what isn't wanted any longer.
#[derive(Debug, Clone)]
pub struct Limiter {
    gate: Arc<Gate>,
}

impl Limiter {
    /// A limiter with nothing running.
    ///
    /// ```
    /// use saferun_executor::{Limiter, LimiterOptions, OnClear};
    ///
    /// let simple = Limiter::new(3)?;
    /// let forgetful = Limiter::new(LimiterOptions { concurrency: 3, on_clear: OnClear::Forget })?;
    /// assert!(Limiter::new(0).is_err());
    /// # Ok::<(), saferun_executor::ZeroConcurrency>(())
    /// ```
    ///
    /// # Errors
    /// A concurrency of 0.
    pub fn new(options: impl Into<LimiterOptions>) -> Result<Self, ZeroConcurrency> {
        let options = options.into();
        if options.concurrency == 0 {
            return Err(ZeroConcurrency);
        }
        let gate = Gate::new(options.concurrency, options.on_clear);
        Ok(Self {
            gate: Arc::new(gate),
        })
    }

    /// How many tasks may run at once.
    pub fn concurrency(&self) -> usize {
        self.gate.places()
    }

    /// Changes how many tasks may run at once. With more, waiting tasks get their places at once;
    /// with fewer, what runs goes on, and nothing is begun until enough of it has ended.
    ///
    /// # Errors
    /// A concurrency of 0; then nothing is changed.
    pub fn set_concurrency(&self, concurrency: usize) -> Result<(), ZeroConcurrency> {
        if concurrency == 0 {
            return Err(ZeroConcurrency);
        }
        self.gate.set_places(concurrency);
        Ok(())
    }

    /// How many tasks have a place now. One that was given its place and hasn't been polled since
    /// counts.
    pub fn active(&self) -> usize {
        self.gate.active()
    }

    /// How many tasks wait for a place now. A [`map`](Self::map) counts once, however many items
    /// are still to come.
    pub fn pending(&self) -> usize {
        self.gate.pending()
    }

    /// Sends away all tasks that wait, and says how many they were. They are not begun; by
    /// default each ends with [`Cleared`] ([`OnClear`] has the other way). What runs goes on, and
    /// the limiter can be used as before.
    pub fn clear(&self) -> usize {
        self.gate.clear()
    }

    /// Runs a task once there is a place for it, and frees the place when the task ends.
    ///
    /// The task stands in line from when the returned future is first polled, in the order of
    /// these first polls. To have it stand in line without awaiting it, spawn the future or poll
    /// it beside others.
    ///
    /// A plain function is a task too: `limiter.run(|| std::future::ready(work()))`.
    ///
    /// # Errors
    /// The queue was cleared before the task was begun, or the task panicked. An error of the
    /// task's own is part of its output.
    ///
    /// # Cancel safety
    /// Dropped while it waits, the future leaves the line, and the task is never begun. Dropped
    /// while the task runs, the task is dropped first and then its place is free. Nobody loses
    /// the place in line by it.
    pub fn run<F, Fut>(
        &self,
        task: F,
    ) -> impl Future<Output = Result<Fut::Output, LimitError>> + use<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future,
    {
        let limiter = self.clone();
        async move {
            let gate = &*limiter.gate;
            // All in one block: each async function called here would make the future larger,
            // and its size is most of what a spawned task costs.
            if !gate.try_acquire() {
                gate.acquire().await?;
            }
            let place = Held(gate);
            let mut future = pin!(caught(task)?);
            let output = poll_fn(|context| poll_contained(future.as_mut(), context)).await;
            // Whoever sees the result finds the place free.
            drop(place);
            Ok(output?)
        }
    }

    /// Runs a task for every item, and gives the results in the order of the items. The mapper
    /// gets the item and its index.
    ///
    /// Items are taken from the iterator as places become free, one ahead, so it may be long. The
    /// tasks run within the returned future, side by side but on one thread; for work that keeps
    /// a core busy let the mapper spawn.
    ///
    /// Each result is an error only as [`run`](Self::run)'s is. When the queue is cleared, all
    /// items that were not begun are told so; the iterator is taken to its end for it.
    ///
    /// # Cancel safety
    /// Dropped, the future drops the tasks that run and takes no more items. Results so far are
    /// lost.
    pub fn map<I, F, Fut>(
        &self,
        items: I,
        mapper: F,
    ) -> impl Future<Output = Vec<Result<Fut::Output, LimitError>>> + use<I, F, Fut>
    where
        I: IntoIterator,
        F: FnMut(I::Item, usize) -> Fut,
        Fut: Future,
    {
        map::map(self.clone(), items.into_iter(), mapper)
    }

    /// Wraps a function into one whose calls go through this limiter.
    ///
    /// ```
    /// use saferun_executor::Limiter;
    ///
    /// async fn shout(word: &str) -> String {
    ///     word.to_uppercase()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let shout = Limiter::new(1)?.wrap(shout);
    /// assert_eq!(shout.call("hello").await?, "HELLO");
    /// # Ok(())
    /// # }
    /// ```
    pub fn wrap<F>(&self, function: F) -> LimitedFunction<F> {
        LimitedFunction::new(self.clone(), function)
    }

    /// Waits for a place and keeps it until it is dropped, for work that is no single future.
    ///
    /// # Errors
    /// The queue was cleared while it waited.
    ///
    /// # Cancel safety
    /// As with [`run`](Self::run).
    pub fn place(&self) -> impl Future<Output = Result<Place, Cleared>> + use<> {
        self.clone().into_place()
    }

    async fn into_place(self) -> Result<Place, Cleared> {
        self.gate.acquire().await?;
        Ok(Place::taken(self.gate))
    }
}
