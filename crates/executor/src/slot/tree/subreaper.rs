//! That orphans fall to us for as long as somebody here wants them, and no longer.

use std::io;
use std::sync::{Mutex, PoisonError};

use rustix::process::{child_subreaper, getpid, set_child_subreaper};

/// How many want it, and whether it was so before the first of them.
static WANTED: Mutex<(usize, bool)> = Mutex::new((0, false));

/// While one lives, this process is a subreaper (PR_SET_CHILD_SUBREAPER of prctl(2)).
///
/// A program that merely links this crate doesn't expect orphans: nobody there takes the
/// statuses of those that come after a run, so that they would stay for as long as it lives.
#[derive(Debug)]
pub(super) struct Subreaper(());

impl Subreaper {
    /// Begins.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub(super) fn become_one() -> io::Result<Self> {
        let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.0 == 0 {
            wanted.1 = child_subreaper()?.is_some();
            set_child_subreaper(Some(getpid()))?;
        }
        wanted.0 += 1;
        Ok(Self(()))
    }
}

impl Drop for Subreaper {
    fn drop(&mut self) {
        let mut wanted = WANTED.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.0 = wanted.0.saturating_sub(1);
        if *wanted == (0, false) {
            // If it is refused, orphans fall to us as they did.
            let _ = set_child_subreaper(None);
        }
    }
}
