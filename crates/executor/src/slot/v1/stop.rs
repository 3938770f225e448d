//! Stopping a slot in place, by the best means that there are.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::process::Signal;

use super::files;
use super::group;

/// How a slot is stopped and let go on. None of these waits until all has stopped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop<'a> {
    /// By the unified group: reaches what is forked meanwhile, and what is frozen can be killed.
    Unified(BorrowedFd<'a>),
    /// By the freezer of v1: reaches what is forked meanwhile, but what is frozen can't die.
    Freezer(BorrowedFd<'a>),
    /// By signals to the processes of this group. Programs can see it, and what forks quickly
    /// needs several rounds.
    Signals(BorrowedFd<'a>),
}

impl Stop<'_> {
    pub(super) fn freeze(self) -> io::Result<()> {
        match self {
            Self::Unified(dir) => files::write(dir, "cgroup.freeze", "1"),
            Self::Freezer(dir) => files::write(dir, "freezer.state", "FROZEN"),
            Self::Signals(dir) => signal_all(dir, Signal::STOP),
        }
    }

    pub(super) fn thaw(self) -> io::Result<()> {
        match self {
            Self::Unified(dir) => files::write(dir, "cgroup.freeze", "0"),
            Self::Freezer(dir) => files::write(dir, "freezer.state", "THAWED"),
            Self::Signals(dir) => signal_all(dir, Signal::CONT),
        }
    }
}

/// How often newcomers are looked for. What still forks after so many rounds is met by the
/// next freeze.
const ROUNDS: usize = 8;

fn signal_all(dir: BorrowedFd<'_>, signal: Signal) -> io::Result<()> {
    let mut seen = std::collections::HashSet::new();
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        let before = seen.len();
        for pid in files::procs(dir)? {
            if seen.insert(pid) {
                group::signal(pid, signal);
            }
        }
        // Twice, as a process that is just being born isn't listed yet.
        quiet = if seen.len() == before { quiet + 1 } else { 0 };
        if quiet == 2 {
            break;
        }
    }
    Ok(())
}

/// CPU time of processes and their ended children, where no group counts it.
pub(super) fn cpu_of(pids: &[i32]) -> Duration {
    let ticks: u64 = pids
        .iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter_map(|stat| {
            // The name in parentheses may hold anything, so fields count from its end:
            // utime, stime, cutime and cstime are the 12th to 15th from there.
            let (_, fields) = stat.rsplit_once(')')?;
            let times = fields.split_ascii_whitespace().skip(11).take(4);
            Some(times.filter_map(|t| t.parse::<u64>().ok()).sum::<u64>())
        })
        .sum();
    // The unit of these fields is 10 ms on every Linux.
    Duration::from_millis(ticks.saturating_mul(10))
}
