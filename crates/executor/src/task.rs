//! A task as the executor runs it: a command with its rights.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::{Hint, TaskId};

/// A program with its arguments and surroundings. Arguments are bytes and reach the program
/// unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program's own name.
    pub args: Vec<OsString>,
    /// Where it runs; `None` is the runner's own directory.
    pub workdir: Option<PathBuf>,
    /// Variables set on top of the runner's environment.
    pub env: Vec<(OsString, OsString)>,
}

impl CommandSpec {
    /// A program with arguments, run where the runner is.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            workdir: None,
            env: Vec::new(),
        }
    }

    /// The program as text for people.
    pub fn program(&self) -> &OsStr {
        &self.program
    }
}

/// Of all tasks with a limit of this name only so many run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is limited, such as an agent's name.
    pub name: Arc<str>,
    /// How many at once. Where tasks disagree, each follows its own.
    pub most: NonZeroUsize,
}

/// Files that get a copy of a task's output as it comes. They are made if they aren't there and
/// added to if they are; what an attempt wrote that is run again (it made room, or was a victim
/// of pressure) is taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    /// For its standard output.
    pub stdout: PathBuf,
    /// For its standard error.
    pub stderr: PathBuf,
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What people call it (bytes; whoever prints it makes it safe to print).
    pub name: OsString,
    /// What is run.
    pub command: CommandSpec,
    /// Its declared peak in bytes, if somebody knows it.
    pub declared_bytes: Option<u64>,
    /// Whether it may be ended and run again from its beginning.
    pub restartable: bool,
    /// How often a failed attempt is followed by another.
    pub retries: u32,
    /// How long one attempt may run; the clock stands still while it is frozen.
    pub timeout: Option<Duration>,
    /// Tasks of one template are expected to need alike.
    pub kind: Option<u64>,
    /// What earlier runs say that it needs, if they say anything.
    pub hint: Option<Hint>,
    /// Earlier tasks of the source that must have succeeded before this one starts; the source's
    /// first task is `TaskId(0)`. If one of them does not succeed, this one is skipped. Only
    /// where [`TaskSource::has_dependencies`] says so; [`crate::OrderedTasks`] brings tasks that
    /// name later ones into order.
    pub after: Vec<TaskId>,
    /// Which agent does it. Nothing but recorded, in [`crate::RunEvent::TaskAdded`].
    pub agent: Option<String>,
    /// The limits that it shares with others. Beyond them it waits, and never fails for want of
    /// a place. Only where [`TaskSource::has_dependencies`] says so.
    pub limits: Vec<Limit>,
    /// Where its output is kept beside being handed on.
    pub copies: Option<Copies>,
}

impl Task {
    /// A task that may be restarted, is not retried, has no time limit and waits for no other.
    pub fn new(name: impl Into<OsString>, command: CommandSpec) -> Self {
        Self {
            name: name.into(),
            command,
            declared_bytes: None,
            restartable: true,
            retries: 0,
            timeout: None,
            kind: None,
            hint: None,
            after: Vec::new(),
            agent: None,
            limits: Vec::new(),
            copies: None,
        }
    }
}

/// Where the tasks of a run come from. It is asked on a thread of its own and may block.
pub trait TaskSource: Send {
    /// The next task; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// A text that names what is wrong with the input and a way out. The run then admits
    /// nothing more, ends what runs, and fails with [`crate::RunError::Source`].
    fn next_task(&mut self) -> Option<Result<Task, String>>;

    /// How many tasks will come in all, where that is known before the first is taken. What a
    /// run by batches or one by one says of its steps needs it; nothing else does.
    fn count(&self) -> Option<u64> {
        None
    }

    /// Whether tasks may name others in [`Task::after`]. Such a source must have an end: the
    /// run keeps what waits in memory, looks beyond it for what may start, and gives every task
    /// of the source its outcome even when it is stopped.
    fn has_dependencies(&self) -> bool {
        false
    }
}

impl<I> TaskSource for I
where
    I: Iterator<Item = Result<Task, String>> + Send,
{
    fn next_task(&mut self) -> Option<Result<Task, String>> {
        self.next()
    }

    fn count(&self) -> Option<u64> {
        let (least, most) = self.size_hint();
        (most == Some(least)).then_some(least as u64)
    }
}
