//! The group of a run in one hierarchy: made, locked, ended, removed.
//!
//! A group's lock is a `flock` on its own directory. Runner and guard hold it together through
//! one open file description, so it is free only when both are gone. A group is made and locked
//! under a shared lock of the directory above, which a sweeper takes for itself alone: it never
//! sees a group that is made but not locked yet.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::files;
use crate::run_id::RunId;

/// What the names of all our groups begin with.
pub(crate) const PREFIX: &str = "saferun-";

/// Which hierarchy a group is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hierarchy {
    /// Memory of v1.
    Memory,
    /// Process counts of v1.
    Pids,
    /// The freezer of v1.
    Freezer,
    /// The unified one of v2.
    Unified,
}

impl Hierarchy {
    /// Its name, as handed to the guard.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
            Self::Unified => "unified",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Memory, Self::Pids, Self::Freezer, Self::Unified]
            .into_iter()
            .find(|h| h.as_str() == name)
    }
}

/// The group of this run in one hierarchy.
#[derive(Debug)]
pub(crate) struct RunGroup {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Our own group, below which it lies.
    pub(crate) parent: OwnedFd,
    /// Its directory; this descriptor holds the lock.
    pub(crate) dir: OwnedFd,
}

impl RunGroup {
    /// Makes and locks the group below `own`.
    pub(crate) fn make(hierarchy: Hierarchy, own: &Path, name: &str) -> io::Result<Self> {
        let parent = files::open_dir(rustix::fs::CWD, own)?;
        let made = if is_run_group(own) && !try_lock_shared(&parent)? {
            // We are a task of another run ourselves, and this is its group: its lock, which it
            // holds until it ends, keeps sweepers away.
            make_locked(&parent, name)
        } else {
            // Waits for a sweeper, which keeps it for a moment only.
            lock(&parent, FlockOperation::LockShared)?;
            let made = make_locked(&parent, name);
            lock(&parent, FlockOperation::Unlock)?;
            made
        };
        Ok(Self {
            hierarchy,
            name: name.to_owned(),
            path: own.join(name),
            parent,
            dir: made?,
        })
    }

    /// Ends everything in the group and removes it. Waits until `deadline`.
    pub(crate) fn end(&self, deadline: Instant) -> io::Result<()> {
        end(self.parent.as_fd(), self.dir.as_fd(), &self.name, deadline)
    }
}

fn is_run_group(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.strip_prefix(PREFIX))
        .is_some_and(RunId::is_form)
}

fn try_lock_shared(dir: &OwnedFd) -> io::Result<bool> {
    match lock(dir, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

fn make_locked(parent: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    let locked = files::open_dir(parent, name).and_then(|dir| {
        lock(&dir, FlockOperation::NonBlockingLockExclusive)?;
        Ok(dir)
    });
    if locked.is_err() {
        let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
    }
    locked
}

pub(crate) fn lock(dir: &OwnedFd, how: FlockOperation) -> io::Result<()> {
    loop {
        match rustix::fs::flock(dir, how) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Ends everything in a group and all below it, and removes it. Repeats until it is gone or the
/// deadline has passed: what forks quickly may need several rounds.
pub(crate) fn end(
    parent: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: &str,
    deadline: Instant,
) -> io::Result<()> {
    let mut pause = Duration::from_micros(200);
    loop {
        kill(dir);
        match remove(parent, dir, name) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => {}
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Kills everything in a group and all below it, once. What can't be read or killed is left
/// for the next round.
pub(crate) fn kill(dir: BorrowedFd<'_>) {
    if files::write(dir, "cgroup.kill", "1").is_ok() {
        return;
    }
    for name in files::children(dir).unwrap_or_default() {
        if let Ok(child) = files::open_dir(dir, name.as_c_str()) {
            kill(child.as_fd());
        }
    }
    kill_own(dir);
}

/// Kills the processes of a group itself, once, frozen or not.
fn kill_own(dir: BorrowedFd<'_>) {
    let Ok(pids) = files::procs(dir) else { return };
    if pids.is_empty() {
        return;
    }
    for pid in pids {
        signal(pid, Signal::KILL);
    }
    // A frozen process dies only once it goes on.
    let _ = files::write(dir, "freezer.state", "THAWED");
}

/// Signals one process; that it is gone is no failure.
pub(crate) fn signal(pid: i32, signal: Signal) {
    // Nobody is called 0 (that would be our own group) or below.
    if pid > 0
        && let Some(pid) = Pid::from_raw(pid)
    {
        let _ = kill_process(pid, signal);
    }
}

/// Removes an empty group and the empty groups below it.
fn remove<P: rustix::path::Arg + Copy>(
    parent: BorrowedFd<'_>,
    dir: BorrowedFd<'_>,
    name: P,
) -> io::Result<()> {
    let own = || rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
    match own() {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::BUSY | Errno::NOTEMPTY) => {}
        Err(error) => return Err(error.into()),
    }
    match files::children(dir) {
        Ok(children) => {
            for child in children {
                match files::open_dir(dir, child.as_c_str()) {
                    Ok(fd) => remove(dir, fd.as_fd(), child.as_c_str())?,
                    Err(error) if files::is_gone(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Err(error) if files::is_gone(&error) => {}
        Err(error) => return Err(error),
    }
    match own() {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
