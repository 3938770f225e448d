//! The page cache of one control group.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use crate::error::ReadError;
use crate::group::{v1_cache, v2_cache};
use crate::kept::Kept;

/// Gives the page cache of one control group, with those below it, back: the strategy behind
/// [`PageCache`](super::PageCache), and what an executor calls for the groups that it has made
/// itself, between two tasks or two batches.
///
/// The group is known by a descriptor of its directory, so that it can't come to mean another.
/// It needs write access to `memory.force_empty` (v1) or `memory.reclaim` (v2, Linux 5.19). What
/// was cached is read from disk when it is wanted again; the call lasts about 100 ms for 300 MiB,
/// and waits for nothing else.
#[derive(Debug)]
pub struct GroupCache {
    dir: OwnedFd,
    version: Version,
}

/// Which kind of group it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    /// The file by which a group is asked for its cache.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::V1 => "memory.force_empty",
            Self::V2 => "memory.reclaim",
        }
    }

    /// How much a group, by its directory, has in cache.
    pub(super) fn cache_bytes(self, dir: &Path) -> Result<u64, ReadError> {
        Kept::open(dir.join("memory.stat"))?.read(match self {
            Self::V1 => v1_cache,
            Self::V2 => v2_cache,
        })
    }
}

impl GroupCache {
    /// Of a group in the v1 hierarchy of memory, by its directory.
    pub fn v1(dir: OwnedFd) -> Self {
        Self {
            dir,
            version: Version::V1,
        }
    }

    /// Of a group of v2, by its directory.
    pub fn v2(dir: OwnedFd) -> Self {
        Self {
            dir,
            version: Version::V2,
        }
    }

    /// Of a group of this kind, by the path of its directory.
    pub(super) fn open(dir: &Path, version: Version) -> io::Result<Self> {
        let dir = File::open(dir)?.into();
        Ok(Self { dir, version })
    }

    /// Asks the kernel to give up to so many bytes of it back, and returns when it has tried.
    /// A v1 group can't be told how much: it gives all that it can, and with swap it may swap out
    /// as well. A v2 group does not swap where the kernel can be told so (Linux 6.8).
    ///
    /// How much it was is to be measured: that the kernel got less than was asked for is no error.
    ///
    /// # Errors
    /// The group is gone, has no such file, or it may not be written.
    pub fn give_back(&self, at_most_bytes: u64) -> io::Result<()> {
        let written = match self.version {
            Version::V1 => self.write("0"),
            Version::V2 => match self.write(&format!("{at_most_bytes} swappiness=0")) {
                Err(cause) if cause.kind() == ErrorKind::InvalidInput => {
                    self.write(&at_most_bytes.to_string())
                }
                other => other,
            },
        };
        match written {
            // Less was found than was asked for.
            Err(cause) if cause.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// One value in one write, taken up again when a signal has interrupted it.
    fn write(&self, value: &str) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(&self.dir, self.version.file_name(), flags, Mode::empty())?;
        File::from(file).write_all(value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_version_is_asked_in_its_own_words() {
        let dir = tempfile::tempdir().expect("made");
        let open = || OwnedFd::from(File::open(dir.path()).expect("a directory"));
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).expect("there");
        for name in ["memory.force_empty", "memory.reclaim"] {
            fs::write(dir.path().join(name), "").expect("written");
        }
        GroupCache::v1(open()).give_back(7).expect("writable");
        assert_eq!(read("memory.force_empty"), "0");
        assert_eq!(read("memory.reclaim"), "");
        GroupCache::v2(open()).give_back(7).expect("writable");
        assert_eq!(read("memory.reclaim"), "7 swappiness=0");
    }

    #[test]
    fn a_group_without_the_file_is_an_error() {
        let dir = tempfile::tempdir().expect("made");
        let dir = OwnedFd::from(File::open(dir.path()).expect("a directory"));
        let error = GroupCache::v2(dir).give_back(1).expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}
