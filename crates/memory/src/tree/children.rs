//! Whose child is whose.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{decimal, slurp_if_there};
use crate::process::{Stat, all_pids};

/// Tells the children of a process. Where the kernel lists them (`CONFIG_PROC_CHILDREN`) that
/// costs as much as the tree is large; else all processes are asked for their parent, once for
/// every search.
#[derive(Debug)]
pub(super) struct Children {
    proc: PathBuf,
    listed: bool,
    by_parent: Option<BTreeMap<u32, Vec<u32>>>,
}

impl Children {
    pub(super) fn open(proc: &Path) -> Result<Self, ReadError> {
        let children = proc.join("thread-self/children");
        let listed = match children.try_exists() {
            Ok(there) => there,
            Err(cause) => {
                return Err(ReadError::Io {
                    path: children,
                    cause,
                });
            }
        };
        Ok(Self {
            proc: proc.to_path_buf(),
            listed,
            by_parent: None,
        })
    }

    /// Begins a new search: what was learned in the last one is old.
    pub(super) fn begin(&mut self) {
        self.by_parent = None;
    }

    /// The children of a process; none if it is gone. While processes end, the kernel's list may
    /// lack some; the next search has them.
    pub(super) fn of(&mut self, parent: u32) -> Result<Vec<u32>, ReadError> {
        if self.listed {
            return self.list(parent);
        }
        if self.by_parent.is_none() {
            self.by_parent = Some(self.scan()?);
        }
        let known = self.by_parent.as_ref().and_then(|all| all.get(&parent));
        Ok(known.cloned().unwrap_or_default())
    }

    /// A child belongs to the thread that made it.
    fn list(&self, parent: u32) -> Result<Vec<u32>, ReadError> {
        let threads = self.proc.join(format!("{parent}/task"));
        let mut children = Vec::new();
        match self.list_threads(&threads, parent, &mut children) {
            Ok(()) => Ok(children),
            // Its children have other parents now and will be found by those.
            Err(error) if error.is_gone() => Ok(children),
            Err(error) => Err(error),
        }
    }

    fn list_threads(
        &self,
        threads: &Path,
        parent: u32,
        children: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        let io = |cause| ReadError::Io {
            path: threads.to_path_buf(),
            cause,
        };
        // The directory links to itself, to its parent and to each thread. Most processes have
        // one thread, whose number is the process's: that saves listing.
        if std::fs::metadata(threads).map_err(io)?.nlink() == 3 {
            return list_thread(&threads.join(parent.to_string()), children);
        }
        for entry in std::fs::read_dir(threads).map_err(io)? {
            list_thread(&entry.map_err(io)?.path(), children)?;
        }
        Ok(())
    }

    fn scan(&self) -> Result<BTreeMap<u32, Vec<u32>>, ReadError> {
        let mut all: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for pid in all_pids(&self.proc)? {
            if let Some(stat) = Stat::read(&self.proc, pid)? {
                all.entry(stat.parent).or_default().push(pid);
            }
        }
        Ok(all)
    }
}

fn list_thread(thread: &Path, children: &mut Vec<u32>) -> Result<(), ReadError> {
    let path = thread.join("children");
    let Some(text) = slurp_if_there(&path)? else {
        return Ok(());
    };
    for word in text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
    {
        let pid = decimal(word)
            .and_then(|pid| u32::try_from(pid).ok())
            .ok_or_else(|| Flaw::garbage("numbers of processes", &text).at(&path))?;
        children.push(pid);
    }
    Ok(())
}
