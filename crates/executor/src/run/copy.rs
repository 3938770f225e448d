//! Copies of tasks' output in files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::task::Copies;

/// A file that gets a copy of one stream of one attempt.
#[derive(Debug)]
pub(crate) struct CopyFile {
    file: File,
}

impl CopyFile {
    /// Opens it for its owner alone, to be added to.
    fn open(path: &Path) -> io::Result<(Self, Mark)> {
        let mut options = OpenOptions::new();
        // A named pipe in its place would stop the run.
        let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
        options.append(true).create(true).mode(0o600);
        let file = options.custom_flags(flags.bits() as i32).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mark = Mark {
            file: file.try_clone()?,
            bytes: metadata.len(),
        };
        Ok((Self { file }, mark))
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }
}

/// Where a file ended before an attempt.
#[derive(Debug)]
pub(crate) struct Mark {
    file: File,
    bytes: u64,
}

impl Mark {
    /// Takes back what was added since.
    pub(crate) fn take_back(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }
}

/// The two files of an attempt, and the way back.
pub(crate) type Opened = ((Option<CopyFile>, Option<CopyFile>), Vec<Mark>);

/// Opens both files, where there are to be any.
///
/// # Errors
///
/// Which can't be opened, and why.
pub(crate) fn open(copies: Option<&Copies>) -> Result<Opened, String> {
    let Some(copies) = copies else {
        return Ok(((None, None), Vec::new()));
    };
    let one = |path: &Path| {
        CopyFile::open(path).map_err(|error| {
            format!(
                "a copy of its output can't be made at {}: {error}",
                path.display()
            )
        })
    };
    let (stdout, first) = one(&copies.stdout)?;
    let (stderr, second) = one(&copies.stderr)?;
    Ok(((Some(stdout), Some(stderr)), vec![first, second]))
}
