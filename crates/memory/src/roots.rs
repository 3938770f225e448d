//! Where the system's files are read.

use std::path::{Path, PathBuf};

/// Where the system's files are read. [`Roots::default`] is the real system; tests hand in
/// trees of files of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Stands for `/proc`.
    pub proc: PathBuf,
    /// Stands for `/` where a mount point of control groups is looked up: a hierarchy that is
    /// mounted at `/sys/fs/cgroup` is read at `<cgroup_base>/sys/fs/cgroup`.
    pub cgroup_base: PathBuf,
}

impl Roots {
    /// A system that lies whole below one directory: `<dir>/proc`, `<dir>/sys/fs/cgroup`.
    pub fn below(dir: impl AsRef<Path>) -> Self {
        Self {
            proc: dir.as_ref().join("proc"),
            cgroup_base: dir.as_ref().to_path_buf(),
        }
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self::below("/")
    }
}
