//! Removing what dead runs have left.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use super::files;
use super::group::{self, PREFIX};
use crate::run_id::RunId;

/// How long all that is stale in one hierarchy may take to end.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often a parent that others are busy with is tried, and how long between. If all of them
/// begin and sweep at once, whoever comes last finds the rest.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// Ends and removes the groups of dead runs right below `parent`, those that bear a run's
/// name and whose lock nobody holds; `own` is left alone in any case. Everything else is too.
pub(crate) fn sweep(parent: BorrowedFd<'_>, own: &str) -> io::Result<()> {
    // An open file description of our own, so that our lock is ours and not the runner's too.
    let parent = files::open_dir(parent, ".")?;
    let candidates = candidates(&parent, own)?;
    if candidates.is_empty() {
        return Ok(());
    }
    let stale = claim(&parent, candidates)?;
    let deadline = Instant::now() + DEADLINE;
    for (name, dir) in &stale {
        // What can't be removed now is met by a later sweep.
        let _ = group::end(
            parent.as_fd(),
            dir.as_fd(),
            &name.to_string_lossy(),
            deadline,
        );
    }
    Ok(())
}

fn candidates(parent: &OwnedFd, own: &str) -> io::Result<Vec<CString>> {
    let mut names = files::children(parent)?;
    names.retain(|name| {
        name.to_str()
            .is_ok_and(|name| name != own && name.strip_prefix(PREFIX).is_some_and(RunId::is_form))
    });
    Ok(names)
}

/// Takes the locks of those that are stale. While it is decided, nobody makes a group here; the
/// killing comes after, so that nobody waits for it.
fn claim(parent: &OwnedFd, candidates: Vec<CString>) -> io::Result<Vec<(CString, OwnedFd)>> {
    for tried in 0.. {
        match group::lock(parent, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tried < TRIES => {
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
    let mut stale = Vec::new();
    for name in candidates {
        let Ok(dir) = files::open_dir(parent, name.as_c_str()) else {
            continue;
        };
        if group::lock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok() {
            stale.push((name, dir));
        }
    }
    group::lock(parent, FlockOperation::Unlock)?;
    Ok(stale)
}
