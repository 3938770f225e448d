//! Ending a leftover: asked first, then made to.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::Leftover;
use crate::census::Census;
use crate::process::{ProcessId, Status};
use crate::roots::Roots;

/// What became of a leftover.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// How many of its processes are gone.
    pub ended: usize,
    /// How many of these had to be killed.
    pub killed: usize,
    /// Those that are still there, or were not signalled, each with the reason.
    pub left: Vec<(ProcessId, String)>,
}

/// Ends a leftover: TERM to all of it, `grace` for it to go, then KILL.
///
/// Right before a signal each process is looked at once more, through a descriptor that can't
/// come to mean another: its start time must be the one that was seen, its user ours, and it must
/// neither belong to our session nor stand above us. Otherwise it is left alone.
pub fn end_leftover(leftover: &Leftover, grace: Duration, roots: &Roots) -> Ended {
    let mut ended = Ended::default();
    let census = match Census::take(roots) {
        Ok(census) => census,
        Err(error) => {
            let why = error.to_string();
            ended.left = leftover
                .members
                .iter()
                .map(|id| (*id, why.clone()))
                .collect();
            return ended;
        }
    };
    let mut held = Vec::new();
    for &id in &leftover.members {
        match hold(id, &census, roots) {
            Ok(Some(pidfd)) => held.push((id, pidfd)),
            Ok(None) => {}
            Err(why) => ended.left.push((id, why)),
        }
    }
    held.retain(|(id, pidfd)| match pidfd_send_signal(pidfd, Signal::TERM) {
        Ok(()) => true,
        Err(rustix::io::Errno::SRCH) => false,
        Err(error) => {
            ended.left.push((*id, error.to_string()));
            false
        }
    });
    let signalled = leftover.members.len() - ended.left.len();
    wait_for(&mut held, grace);
    for (_, pidfd) in &held {
        // It may have gone meanwhile; who is left is counted below.
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
    let to_kill = held.len();
    wait_for(&mut held, Duration::from_secs(2));
    ended.killed = to_kill - held.len();
    ended.ended = signalled - held.len();
    for (id, _) in held {
        ended.left.push((id, "survives even KILL".to_owned()));
    }
    ended
}

/// A descriptor of exactly this process; `None` when it is gone.
fn hold(id: ProcessId, census: &Census, roots: &Roots) -> Result<Option<OwnedFd>, String> {
    let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else {
        return Err("has no number that can be signalled".to_owned());
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => return Err(format!("can't be held on to: {error}")),
    };
    // From here on the number belongs to what the descriptor means, as long as that lives: if
    // the start time read now is the one seen before, it is the same process.
    match ProcessId::read(roots, id.pid) {
        Ok(Some(now)) if now == id => {}
        Ok(Some(_)) => return Err("its number belongs to another process now".to_owned()),
        Ok(None) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    }
    let above = census
        .ancestors(census.own_pid())
        .any(|ancestor| ancestor.id.pid == id.pid);
    if above || census.is_of_our_session(id.pid) || id.pid == census.own_pid() {
        return Err("belongs to this session".to_owned());
    }
    match Status::read(&roots.proc, id.pid) {
        Ok(None) => Ok(None),
        Ok(Some(status)) if status.is_all(census.own_user()) => Ok(Some(pidfd)),
        Ok(Some(_)) => Err("belongs to another user".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes out those that are gone, until all are or time is up. A descriptor becomes readable
/// when its process has ended, zombie or not.
fn wait_for(held: &mut Vec<(ProcessId, OwnedFd)>, patience: Duration) {
    let deadline = Instant::now() + patience;
    while !held.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut fds: Vec<PollFd<'_>> = held
            .iter()
            .map(|(_, pidfd)| PollFd::new(pidfd, PollFlags::IN))
            .collect();
        let count = match poll(&mut fds, Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
            Ok(count) => count,
        };
        let gone: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut gone = gone.into_iter();
        held.retain(|_| gone.next() != Some(true));
        if count == 0 {
            return;
        }
    }
}
