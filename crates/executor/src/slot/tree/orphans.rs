//! Our own children: task leaders, helpers, and orphans that have fallen to us.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, getsid, waitid, waitpid};

/// The process id of the guard that is our child, if there is one: it leads a session of its own
/// as tasks do, yet is none.
static HELPER: AtomicU32 = AtomicU32::new(0);

/// Says which of our children is the guard.
pub(crate) fn set_helper(pid: u32) {
    HELPER.store(pid, Ordering::Relaxed);
}

pub(super) fn is_helper(pid: u32) -> bool {
    HELPER.load(Ordering::Relaxed) == pid
}

/// All children of this process, of whichever thread; none where the kernel doesn't list them.
pub(super) fn children_of_ours() -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        return Vec::new();
    };
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let Ok(text) = std::fs::read_to_string(thread.path().join("children")) else {
            continue;
        };
        children.extend(
            text.split_ascii_whitespace()
                .filter_map(|w| w.parse::<u32>().ok()),
        );
    }
    children.retain(|pid| !is_helper(*pid));
    children
}

/// Whether a process is a child of ours whose status nobody has taken yet.
pub(super) fn is_child(pid: u32) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    to_pid(pid).is_some_and(|pid| waitid(WaitId::Pid(pid), look).is_ok())
}

/// The session that a process is in; `None` when it is gone.
pub(super) fn session(pid: u32) -> Option<u32> {
    getsid(Some(to_pid(pid)?)).ok().map(from_pid)
}

pub(super) fn own_session() -> u32 {
    getsid(None).map(from_pid).unwrap_or(0)
}

/// Whether a process lives. One that has ended and waits for us to take its status doesn't;
/// its status is taken if it is of no use to anybody else (`reap`).
pub(super) fn is_living(pid: u32, reap: bool) -> bool {
    let Some(pid) = to_pid(pid) else { return false };
    if reap && let Ok(Some(_)) = waitpid(Some(pid), WaitOptions::NOHANG) {
        return false;
    }
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if let Ok(Some(_)) = waitid(WaitId::Pid(pid), look) {
        return false;
    }
    rustix::process::test_kill_process(pid).is_ok()
}

/// Whether the environment of a living process doesn't rule out that a task has left it: it
/// names a run, or shows nothing, as that of a process which is just becoming another program.
pub(super) fn may_be_a_tasks(pid: u32) -> bool {
    let names_a_run = |environment: &[u8]| {
        let mut entries = environment.split(|&b| b == 0);
        entries.any(|entry| entry.starts_with(b"SAFERUN_RUN="))
    };
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        names_a_run(&environment) || (environment.is_empty() && is_living(pid, false))
    })
}

pub(super) fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn from_pid(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
