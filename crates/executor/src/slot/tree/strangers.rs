//! Orphans that fall to us as the first process of a PID namespace.

use rustix::process::{WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

use super::orphans;

/// Takes the statuses of all children that have ended and aren't `ours`; somebody else waits for
/// those.
pub(crate) fn reap_strangers(ours: impl Fn(u32) -> bool) {
    let is_ours = |pid| orphans::is_helper(pid) || ours(pid);
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    // Mostly there is nothing, which is known without a list.
    if !matches!(waitid(WaitId::All, look), Ok(Some(_))) {
        return;
    }
    for pid in orphans::children_of_ours() {
        if !is_ours(pid)
            && let Some(pid) = orphans::to_pid(pid)
        {
            // One that lives stays as it is.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}
