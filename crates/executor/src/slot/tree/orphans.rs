//! Our own children: task leaders, helpers, and orphans that have fallen to us.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

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
    let mut children = children_of("self");
    children.retain(|pid| !is_helper(*pid));
    children
}

/// All children of a process, by its number or `self`; none where it is gone, or where the kernel
/// doesn't list them.
pub(super) fn children_of(process: impl std::fmt::Display) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
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
    children
}

/// [`children_of_ours`] without those that have ended: a program that links this crate may leave
/// hundreds of them lying about, and to ask each for its session or its environment would take
/// longer than all else.
pub(super) fn living_children_of_ours() -> Vec<u32> {
    let mut children = children_of_ours();
    children.retain(|pid| !has_ended(*pid));
    children
}

/// Whether a child of ours has ended, and nobody has taken its status yet.
fn has_ended(pid: u32) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    to_pid(pid).is_some_and(|pid| matches!(waitid(WaitId::Pid(pid), look), Ok(Some(_))))
}

/// Takes the statuses of those orphans that have ended in the session that `leader` leads.
/// `others` are children known to be none of these; it is kept up to date.
pub(super) fn reap_session(leader: u32, others: &mut BTreeSet<u32>) {
    let mut ended = children_of_ours();
    ended.retain(|pid| *pid != leader && has_ended(*pid));
    others.retain(|pid| ended.contains(pid));
    for pid in ended {
        if others.contains(&pid) {
            continue;
        }
        if session(pid) == Some(leader) {
            is_living(pid, true);
        } else {
            others.insert(pid);
        }
    }
}

/// Whether a process is a child of ours whose status nobody has taken yet.
pub(super) fn is_child(pid: u32) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    to_pid(pid).is_some_and(|pid| waitid(WaitId::Pid(pid), look).is_ok())
}

/// The session that a process is in; `None` when it is gone.
pub(super) fn session(pid: u32) -> Option<u32> {
    Membership::of(&pid.to_string()).map(|of| of.session)
}

pub(super) fn own_session() -> u32 {
    Membership::of("self").map_or(0, |own| own.session)
}

/// The process group and the session of a process.
///
/// Read from `/proc/PID/stat` (proc_pid_stat(5)) rather than asked for by getpgid(2) and
/// getsid(2), as both may be 0 where they began outside of our PID namespace, and rustix takes
/// it for granted that they can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) group: u32,
    pub(super) session: u32,
}

impl Membership {
    /// Of a process id, or `self`; `None` when it is gone.
    pub(super) fn of(process: &str) -> Option<Self> {
        Self::parse(&std::fs::read(format!("/proc/{process}/stat")).ok()?)
    }

    /// The name may hold anything, the last parenthesis ends it; the state, the parent, the
    /// group and the session follow.
    fn parse(stat: &[u8]) -> Option<Self> {
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace().skip(2);
        Some(Self {
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
        })
    }
}

/// Whether a process lives. One that has ended and waits for us to take its status doesn't;
/// its status is taken if it is of no use to anybody else (`reap`).
pub(super) fn is_living(pid: u32, reap: bool) -> bool {
    let Some(pid) = to_pid(pid) else { return false };
    if reap && let Ok(Some(_)) = waitpid(Some(pid), WaitOptions::NOHANG) {
        return false;
    }
    !has_ended(from_pid(pid)) && rustix::process::test_kill_process(pid).is_ok()
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

#[cfg(test)]
mod tests {
    use super::Membership;

    #[test]
    fn the_name_may_hold_anything() {
        let of = |stat: &str| Membership::parse(stat.as_bytes());
        let expected = Some(Membership {
            group: 40,
            session: 30,
        });
        assert_eq!(of("50 (sh) S 1 40 30 0 -1 0"), expected);
        assert_eq!(of("50 (a ) S 9 8 7) S 1 40 30 0 -1 0"), expected);
        assert_eq!(of("50 (sh) S 1 40"), None);
        assert_eq!(of(""), None);
    }

    /// As it is in a PID namespace that was entered from outside.
    #[test]
    fn a_session_may_be_nobodys() {
        let of = Membership::parse(b"2 (saferun) R 1 0 0 0 -1 0");
        assert_eq!(
            of,
            Some(Membership {
                group: 0,
                session: 0
            })
        );
    }
}
