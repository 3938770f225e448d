//! What falls to us as the first process of a container: orphans that nobody else waits for.

use std::collections::HashMap;
use std::io;

use saferun_scheduler::TaskId;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::slot::tree::strangers::reap_strangers;

/// Takes the statuses of strangers where we are process 1. Elsewhere it does nothing.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// Whether we are process 1 of a program that has no children but those of the run.
    active: bool,
    /// The processes of attempts whose watches take their statuses.
    ours: HashMap<TaskId, u32>,
}

impl Reaper {
    /// `exclusive` says that this process has no children but those of the run.
    pub(crate) fn new(exclusive: bool) -> Self {
        Self {
            active: exclusive && std::process::id() == 1,
            ours: HashMap::new(),
        }
    }

    /// Tells when a child has ended, where that is of interest.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub(crate) fn listen(&self) -> io::Result<Option<Signal>> {
        self.active.then(|| signal(SignalKind::child())).transpose()
    }

    /// An attempt has begun.
    pub(crate) fn started(&mut self, task: TaskId, pid: u32) {
        if self.active {
            self.ours.insert(task, pid);
        }
    }

    /// The status of a task's attempt was taken.
    pub(crate) fn ended(&mut self, task: TaskId) {
        self.ours.remove(&task);
    }

    /// Takes what is to be taken.
    pub(crate) fn reap(&self) {
        if self.active {
            reap_strangers(|pid| self.ours.values().any(|ours| *ours == pid));
        }
    }
}
