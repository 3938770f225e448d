//! Why a reading failed.

use std::io;
use std::path::PathBuf;

/// Why memory could not be read.
///
/// The text holds the cause, so that one line says everything; for programs the cause is a
/// field.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused to open or read a file.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{}: expected {expected}, found {text:?}", path.display())]
    Garbage {
        /// The file.
        path: PathBuf,
        /// What should have stood there.
        expected: &'static str,
        /// What stands there, cut to a length that fits a line.
        text: String,
    },
    /// A file lacks a field without which its reading means nothing.
    #[error("{}: there is no {field}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// This system has no way to say it.
    #[error("{what} can't be told on this system")]
    Unknown {
        /// What was asked.
        what: &'static str,
    },
    /// The portable reader was refused.
    #[error("{what} can't be read: {cause}")]
    Portable {
        /// What was asked.
        what: &'static str,
        /// Its word.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ReadError {
    /// Whether the process or group that was read is simply gone. That happens at any time and
    /// is no failure.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Io { cause, .. } => is_gone(cause),
            Self::Garbage { .. }
            | Self::Missing { .. }
            | Self::Unknown { .. }
            | Self::Portable { .. } => false,
        }
    }

    /// Whether it is somebody else's and not for us to see.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// A path that isn't there, a process that has ended under an open descriptor (ESRCH), a group
/// that was removed under one (ENODEV).
pub(crate) fn is_gone(cause: &io::Error) -> bool {
    if cause.kind() == io::ErrorKind::NotFound {
        return true;
    }
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let errno = Errno::from_io_error(cause);
        errno == Some(Errno::SRCH) || errno == Some(Errno::NODEV)
    }
    #[cfg(not(unix))]
    false
}
