//! Starting a process that is born where it belongs.

use std::ffi::CString;
use std::os::fd::{BorrowedFd, OwnedFd};

/// What is started. Everything is prepared beforehand, so that nothing is allocated between
/// clone and exec.
#[derive(Debug)]
pub struct SpawnRequest<'a> {
    /// Paths to try in order (the `PATH` search done beforehand, or the one path given).
    pub candidates: &'a [CString],
    /// The arguments, the program's name first.
    pub argv: &'a [CString],
    /// The environment, `NAME=value` each.
    pub envp: &'a [CString],
    /// Where it runs; `None` is the runner's own directory.
    pub workdir: Option<&'a CString>,
    /// Its standard input.
    pub stdin: BorrowedFd<'a>,
    /// Its standard output.
    pub stdout: BorrowedFd<'a>,
    /// Its standard error.
    pub stderr: BorrowedFd<'a>,
}

/// A started process, leader of a session of its own.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is not there, or may not be run.
    #[error("{program}: {cause}")]
    Exec {
        /// The program as given.
        program: String,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Its directory can't be entered.
    #[error("{directory}: {cause}")]
    Workdir {
        /// The directory.
        directory: String,
        /// The system's word.
        cause: std::io::Error,
    },
    /// The system could not make a process now (no memory, too many processes): the task is not
    /// at fault, and the same may succeed later.
    #[error("no process could be made: {0}")]
    Process(std::io::Error),
}
