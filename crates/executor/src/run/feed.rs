//! Asking the source for tasks on a thread of its own, since it may block.

use std::io;

use tokio::sync::mpsc;

use crate::task::{Task, TaskSource};

/// Tasks that wait between the source's thread and the run: enough that the thread is woken
/// once for many, few enough that a million tasks never sit in memory.
const AHEAD: usize = 64;

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
                while let Some(task) = source.next_task() {
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
