//! A task as the executor runs it: a command with its rights.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

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
}

impl<I> TaskSource for I
where
    I: Iterator<Item = Result<Task, String>> + Send,
{
    fn next_task(&mut self) -> Option<Result<Task, String>> {
        self.next()
    }
}
