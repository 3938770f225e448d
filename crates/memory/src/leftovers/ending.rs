//! Ending a leftover: asked first, then made to.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{Leftover, Rule, find_leftovers};
use crate::census::Census;
use crate::error::ReadError;
use crate::process::{ProcessId, Status};
use crate::roots::Roots;

/// How long those that keep forking are followed.
const CHASE: Duration = Duration::from_secs(5);
/// How long the kernel may take for a KILL.
const DEATH: Duration = Duration::from_secs(2);

/// What became of a leftover.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ended {
    /// How many of its processes are gone.
    pub ended: usize,
    /// How many of these had to be killed.
    pub killed: usize,
    /// How many of these it had started after it was listed.
    pub chased: usize,
    /// Those that are still there, or were not signalled, each with the reason.
    pub left: Vec<(ProcessId, String)>,
}

/// Ends a leftover: TERM to all of it, `grace` for it to go, then KILL.
///
/// What it has started since it was listed goes with it: what descends from it when the signals
/// are sent; and where the proof is the mark of a run that is over, whatever of that run turns up
/// afterwards as a leftover by the same proof, until nothing more does or 5 seconds have passed.
/// The first of these are asked as well, later ones killed at once.
///
/// Right before a signal each process is looked at once more, through a descriptor that can't
/// come to mean another: its start time must be the one that was seen, its user ours, and it must
/// neither belong to our session nor stand above us. Otherwise it is left alone.
pub fn end_leftover(leftover: &Leftover, rules: &[Rule], grace: Duration, roots: &Roots) -> Ended {
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
    let mut all = leftover.members.clone();
    all.extend(started_below(leftover, &census));
    let listed = leftover.members.len();
    ended.end(&all, Some(grace), &census, roots);
    ended.chased = all.len() - listed;
    if let Some(run) = &leftover.run {
        let chased = ended.ended;
        ended.chase(leftover, run, rules, grace, roots);
        ended.chased += ended.ended - chased;
    }
    ended
}

/// What has been started below a leftover since it was listed. Who has a terminal is none of it:
/// with one it would have been kept.
fn started_below(leftover: &Leftover, census: &Census) -> Vec<ProcessId> {
    let children = census.children();
    let is_same = |id: &&ProcessId| census.get(id.pid).is_some_and(|now| now.id == **id);
    let mut found: Vec<ProcessId> = leftover
        .members
        .iter()
        .filter(is_same)
        .flat_map(|id| census.tree(id.pid, &children))
        .filter_map(|pid| census.get(pid))
        .filter(|process| !process.has_terminal && !process.zombie)
        .map(|process| process.id)
        .filter(|id| !leftover.members.contains(id))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

impl Ended {
    /// Ends these, asked first where there is a grace.
    fn end(&mut self, ids: &[ProcessId], grace: Option<Duration>, census: &Census, roots: &Roots) {
        let left_before = self.left.len();
        let mut held = Vec::new();
        for &id in ids {
            match hold(id, census, roots) {
                Ok(Some(pidfd)) => held.push((id, pidfd)),
                Ok(None) => {}
                Err(why) => self.left.push((id, why)),
            }
        }
        if let Some(grace) = grace {
            held.retain(|(id, pidfd)| match pidfd_send_signal(pidfd, Signal::TERM) {
                Ok(()) => true,
                Err(rustix::io::Errno::SRCH) => false,
                Err(error) => {
                    self.left.push((*id, error.to_string()));
                    false
                }
            });
            wait_for(&mut held, grace);
        }
        let signalled = ids.len() - (self.left.len() - left_before);
        for (_, pidfd) in &held {
            // It may have gone meanwhile; who is left is counted below.
            let _ = pidfd_send_signal(pidfd, Signal::KILL);
        }
        let to_kill = held.len();
        wait_for(&mut held, DEATH);
        self.killed += to_kill - held.len();
        self.ended += signalled - held.len();
        for (id, _) in held {
            self.left.push((id, "survives even KILL".to_owned()));
        }
    }

    /// Looks for more of the run until there is none.
    fn chase(
        &mut self,
        leftover: &Leftover,
        run: &str,
        rules: &[Rule],
        grace: Duration,
        roots: &Roots,
    ) {
        let mut grace = Some(grace);
        let mut deadline = None;
        // One that forks while it is looked for can be missed, so once there was one, nothing
        // must be found twice.
        let mut nothing = 0;
        while nothing < if deadline.is_some() { 2 } else { 1 } {
            let (census, found) = match more_of(leftover, run, rules, roots) {
                Ok(found) => found,
                // Those that were listed are ended; of others nothing can be known.
                Err(_) => return,
            };
            let found: Vec<ProcessId> = found
                .into_iter()
                .filter(|id| self.left.iter().all(|(left, _)| left != id))
                .collect();
            if found.is_empty() {
                nothing += 1;
                continue;
            }
            nothing = 0;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let why = "was started meanwhile, and others faster than they can be ended";
                self.left
                    .extend(found.into_iter().map(|id| (id, why.to_owned())));
                return;
            }
            self.end(&found, grace.take(), &census, roots);
            deadline.get_or_insert_with(|| Instant::now() + CHASE);
        }
    }
}

/// The processes of leftovers of the same run that were started after the listing. The search is
/// that of the listing, so nothing goes that it would have kept; and what it listed beside this
/// leftover is not touched.
fn more_of(
    leftover: &Leftover,
    run: &str,
    rules: &[Rule],
    roots: &Roots,
) -> Result<(Census, Vec<ProcessId>), ReadError> {
    let census = Census::take(roots)?;
    let found = find_leftovers(&census, rules, roots)
        .found
        .into_iter()
        .filter(|other| other.run.as_deref() == Some(run))
        .filter(|other| !leftover.listed.contains(&other.root))
        .flat_map(|other| other.members)
        .collect();
    Ok((census, found))
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
