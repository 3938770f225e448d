//! The batches, and what is done between them.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use saferun_memory::reclaim::give_back_free_memory;
use saferun_memory::{CleanUp, memory_usage};
use saferun_scheduler::{Batches, Fallback, Plan, optimal_concurrency_at};

use super::error::TaskError;
use super::options::Options;
use crate::limiter::{Limiter, ZeroConcurrency};
use crate::notice::Notice;

/// What became of a task.
pub type TaskResult<T, E> = Result<T, TaskError<E>>;

/// Why memory could not be measured.
pub type MeasureError = Box<dyn Error + Send + Sync>;

type Measure = dyn Fn() -> Result<u64, MeasureError> + Send + Sync;
type Observe = dyn Fn(&Notice) + Send + Sync;
type Hear = dyn Fn(CleanUp) + Send + Sync;

/// Runs tasks side by side under a memory threshold, and gives their results in the order of the
/// tasks. [`SafeParallel::execute`] says how; this is one with nothing but options.
///
/// ```
/// use saferun_executor::{Options, execute_safe_parallel};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tasks = ["1", "two", "3"].map(|text| async move || text.parse::<u32>());
/// let results = execute_safe_parallel(tasks, Options::default()).await?;
/// assert_eq!(*results[0].as_ref().unwrap(), 1);
/// assert!(results[1].is_err());
/// assert_eq!(*results[2].as_ref().unwrap(), 3);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A concurrency of 0; then no task was begun.
///
/// # Cancel safety
/// As [`SafeParallel::execute`].
pub async fn execute_safe_parallel<I, F, Fut, T, E>(
    tasks: I,
    options: Options,
) -> Result<Vec<TaskResult<T, E>>, ZeroConcurrency>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    Ok(SafeParallel::new(options)?.execute(tasks).await)
}

/// How many tasks should run at once by what our session holds now: 3 below 1 GiB, 2 up to
/// 2 GiB, 1 above. Where that can't be read it is 1: what is unknown must not be taken for
/// little.
pub fn optimal_concurrency() -> usize {
    memory_usage().map_or(1, |usage| optimal_concurrency_at(usage.session_bytes))
}

/// Runs lists of tasks, all with the same options. Clones share what they write to.
///
/// ```
/// use saferun_executor::{Options, SafeParallel};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let parallel = SafeParallel::new(Options { concurrency: 3, ..Options::default() })?
///     .on_clean_up(|| { /* drop caches that can be filled again */ });
/// for round in 0..2 {
///     let tasks = (0..4).map(|number| async move || Ok::<_, std::io::Error>(round + number));
///     assert_eq!(parallel.execute(tasks).await.len(), 4);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SafeParallel {
    options: Options,
    measure: Arc<Measure>,
    release: Arc<dyn Fn() + Send + Sync>,
    hear: Option<Arc<Hear>>,
    observe: Option<Arc<Observe>>,
    writer: Arc<Mutex<dyn Write + Send>>,
}

impl SafeParallel {
    /// With these options; it measures the session's memory and writes to stderr.
    ///
    /// # Errors
    /// A concurrency of 0.
    pub fn new(options: Options) -> Result<Self, ZeroConcurrency> {
        if options.concurrency == 0 {
            return Err(ZeroConcurrency);
        }
        Ok(Self {
            options,
            measure: Arc::new(|| Ok(memory_usage()?.session_bytes)),
            release: Arc::new(|| {}),
            hear: None,
            observe: None,
            writer: Arc::new(Mutex::new(io::stderr())),
        })
    }

    /// The options.
    pub fn options(&self) -> Options {
        self.options
    }

    /// Measures memory in another way than by the session's.
    pub fn measured_by(
        mut self,
        measure: impl Fn() -> Result<u64, MeasureError> + Send + Sync + 'static,
    ) -> Self {
        self.measure = Arc::new(measure);
        self
    }

    /// What to do in each cleanup beside what is always done, such as dropping caches that can be
    /// filled again, or taking a [`saferun_memory::reclaim::Step`].
    ///
    /// A cleanup follows each batch and each task that runs alone, unless `force_gc` is off.
    /// First this is called; then the free pages of this process's allocator go back to the
    /// system, those that ended tasks left behind and those of what was dropped just now
    /// ([`give_back_free_memory`]). What the cleanup freed is measured, never estimated.
    pub fn on_clean_up(mut self, release: impl Fn() + Send + Sync + 'static) -> Self {
        self.release = Arc::new(release);
        self
    }

    /// Hears what each cleanup brought, after a task that ran alone as well as after a batch;
    /// not where memory can't be read.
    pub fn on_cleaned_up(mut self, hear: impl Fn(CleanUp) + Send + Sync + 'static) -> Self {
        self.hear = Some(Arc::new(hear));
        self
    }

    /// Hears of each step, whether `verbose` or not.
    pub fn observed_by(mut self, observe: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.observe = Some(Arc::new(observe));
        self
    }

    /// Where verbose lines are written, stderr by default. What can't be written is lost without
    /// a word: tasks don't fail for it.
    pub fn writing_to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.writer = Arc::new(Mutex::new(writer));
        self
    }

    /// Runs tasks side by side under the memory threshold, and gives their results in the order
    /// of the tasks. An error or a panic of one is its own result and touches no other.
    ///
    /// Tasks run in batches of twice the concurrency. Before each batch memory is read and the
    /// concurrency chosen anew, [the optimal one](optimal_concurrency) but no more than the
    /// configured. If more than the threshold is in use, or if what is in use can't be read, the
    /// rest runs one by one. After each batch, and each task that runs alone, memory is
    /// [cleaned up](Self::on_clean_up). Each reading and each cleanup takes some milliseconds, in
    /// which other tasks of the same thread stand still.
    ///
    /// Tasks run within the returned future, side by side but on one thread. For work that keeps
    /// a core busy let the task spawn, and await what it spawned.
    ///
    /// # Cancel safety
    /// Dropped, the future drops the tasks that run; those that wait are never begun, and results
    /// so far are lost. What a task has spawned by itself goes on, unless the task sees to it.
    pub async fn execute<I, F, Fut, T, E>(&self, tasks: I) -> Vec<TaskResult<T, E>>
    where
        I: IntoIterator<Item = F>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // The count is needed before the first is begun.
        let tasks: Vec<F> = tasks.into_iter().collect();
        let Options {
            concurrency,
            memory_threshold,
            ..
        } = self.options;
        let mut results = Vec::with_capacity(tasks.len());
        let mut batches = Batches::new(NonZeroUsize::new(concurrency), memory_threshold);
        self.say(Notice::Starting {
            tasks: tasks.len() as u64,
            concurrency,
        });
        let mut memory = self.measure();
        let initial_bytes = memory.as_ref().ok().copied();
        if let Some(bytes) = initial_bytes {
            self.say(Notice::InitialMemory { bytes });
        }
        let mut tasks = tasks.into_iter();
        while tasks.len() > 0 {
            match batches.next(memory.as_ref().ok().copied(), tasks.len()) {
                Plan::Batch {
                    number,
                    tasks: count,
                    concurrency,
                } => {
                    self.say(Notice::Batch {
                        number,
                        tasks: count,
                    });
                    let batch = tasks.by_ref().take(count);
                    results.extend(side_by_side(batch, concurrency).await);
                    if self.options.force_gc {
                        let freed_bytes = self.clean_up();
                        self.say(Notice::BatchComplete {
                            number,
                            freed_bytes,
                        });
                    }
                }
                Plan::OneByOne(why) => {
                    let count = tasks.len() as u64;
                    self.say_fallback(why, &memory);
                    for (number, task) in (1..).zip(tasks.by_ref()) {
                        self.say(Notice::Sequential {
                            number,
                            tasks: count,
                        });
                        results.extend(side_by_side([task], 1).await);
                        if self.options.force_gc {
                            self.clean_up();
                        }
                    }
                }
            }
            memory = self.measure();
        }
        self.say(Notice::Complete {
            initial_bytes,
            final_bytes: memory.ok(),
        });
        results
    }

    fn measure(&self) -> Result<u64, MeasureError> {
        (self.measure)()
    }

    /// How much was freed. Where memory can't be read it is still given back: nothing is known
    /// of it then, and there may be little.
    fn clean_up(&self) -> Option<u64> {
        let before = self.measure();
        (self.release)();
        give_back_free_memory();
        let result = CleanUp {
            before_bytes: before.ok()?,
            after_bytes: self.measure().ok()?,
        };
        if let Some(hear) = &self.hear {
            hear(result);
        }
        Some(result.freed_bytes())
    }

    fn say_fallback(&self, why: Fallback, memory: &Result<u64, MeasureError>) {
        let reason = memory.as_ref().err().map(ToString::to_string);
        self.say(Notice::of_fallback(why, reason.unwrap_or_default()));
    }

    fn say(&self, notice: Notice) {
        if let Some(observe) = &self.observe {
            observe(&notice);
        }
        if self.options.verbose {
            // In one call, so that lines of several executors don't mix.
            let line = format!("{notice}\n");
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writer.write_all(line.as_bytes());
            let _ = writer.flush();
        }
    }
}

async fn side_by_side<F, Fut, T, E>(
    tasks: impl IntoIterator<Item = F>,
    concurrency: usize,
) -> impl Iterator<Item = TaskResult<T, E>>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let limiter = Limiter::new(concurrency).expect("plans have at least one place");
    let results = limiter.map(tasks, |task, _| task()).await;
    results.into_iter().map(TaskError::of)
}

impl fmt::Debug for SafeParallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SafeParallel")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
