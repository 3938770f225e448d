//! Asking the source for tasks on a thread of its own, since it may block.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::mpsc;

use crate::task::{Task, TaskSource};

/// Tasks that wait between the source's thread and the run: enough that the thread is woken
/// once for many, few enough that a million tasks never sit in memory.
pub(crate) const AHEAD: usize = 64;

/// The run's end of the source.
#[derive(Debug)]
pub(crate) struct Feed {
    tasks: mpsc::Receiver<Result<Task, String>>,
}

impl Feed {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// No thread could be made.
    pub(crate) fn start(mut source: Box<dyn TaskSource>) -> io::Result<Self> {
        let (sender, tasks) = mpsc::channel(AHEAD);
        // The thread may wait in a read for ever; it is never joined and ends with the process.
        std::thread::Builder::new()
            .name("source".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                // A panic would look like the end of the input: part of the work would be left
                // out and nobody told.
                let mut next = || {
                    catch_unwind(AssertUnwindSafe(|| source.next_task()))
                        .unwrap_or_else(|_| Some(Err("the reader of the input panicked".into())))
                };
                while let Some(task) = next() {
                    let failed = task.is_err();
                    if sender.blocking_send(task).is_err() || failed {
                        break;
                    }
                }
            })?;
        Ok(Self { tasks })
    }

    /// The next task; `None` when there are no more. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Result<Task, String>> {
        self.tasks.recv().await
    }

    /// The next task, if it is there already.
    pub(crate) fn try_next(&mut self) -> Option<Result<Task, String>> {
        self.tasks.try_recv().ok()
    }
}
