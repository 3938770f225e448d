//! The mark of a run on its tasks, and whether that run is over.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::census::{Census, Process};
use crate::kept::slurp;
use crate::roots::Roots;

/// The variable that every task of a run carries.
const VARIABLE: &[u8] = b"SAFERUN_RUN=";

/// What is known of runs.
pub(super) struct Runs<'a> {
    census: &'a Census,
    roots: &'a Roots,
    /// Runs that we, those above us, or PID 1 belong to.
    around_us: BTreeSet<String>,
}

impl<'a> Runs<'a> {
    pub(super) fn new(census: &'a Census, roots: &'a Roots) -> Self {
        let own = census.own_pid();
        let above = census.ancestors(own).map(|process| process.id.pid);
        let around_us = above
            .chain([own, 1])
            .filter_map(|pid| mark(roots, pid))
            .collect();
        Self {
            census,
            roots,
            around_us,
        }
    }

    /// The run that a process belongs to by its environment.
    pub(super) fn mark_of(&self, process: &Process) -> Option<String> {
        mark(self.roots, process.id.pid)
    }

    /// Why a run may not be over; `None` when nothing living vouches for it.
    ///
    /// The runner is found by its number, which stands in the run's name: `TIME-PID-CHANCE` in
    /// hexadecimal. A process with that number is the runner unless it was started after the
    /// task: a comparison of ticks since the system's start, on which no change of the clock has
    /// a bearing. The guard is found by the run's name among its arguments.
    pub(super) fn vouched(&self, run: &str, process: &Process) -> Option<String> {
        let Some(runner) = runner(run) else {
            return Some(format!("SAFERUN_RUN={} is no run's name", safe(run)));
        };
        if self.around_us.contains(run) {
            return Some(format!("we belong to its run {run} ourselves"));
        }
        if !same_namespace(self.roots, process.id.pid) {
            return Some("it lives in another PID namespace than we do".to_owned());
        }
        if let Some(living) = self.census.get(runner)
            && !living.zombie
            && living.id.start_ticks <= process.id.start_ticks
        {
            return Some(format!("its run's runner {runner} lives"));
        }
        let names_it = |other: &&Process| {
            !other.zombie && other.arguments.iter().any(|argument| argument == run)
        };
        if let Some(guard) = self.census.processes().find(names_it) {
            return Some(format!("its run's guard {} lives", guard.id.pid));
        }
        None
    }
}

/// The runner's process id in a run's name.
fn runner(run: &str) -> Option<u32> {
    let parts: Vec<&str> = run.split('-').collect();
    let hexadecimal = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    match parts[..] {
        [time, pid, chance]
            if parts.iter().all(hexadecimal) && time.len() >= 8 && chance.len() == 8 =>
        {
            u32::from_str_radix(pid, 16).ok()
        }
        _ => None,
    }
}

fn mark(roots: &Roots, pid: u32) -> Option<String> {
    let environment = slurp(&roots.proc.join(format!("{pid}/environ"))).ok()?;
    let mut entries = environment.split(|&b| b == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(VARIABLE))?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Where namespaces can't be told apart there are none, or we may not look.
fn same_namespace(roots: &Roots, pid: u32) -> bool {
    let of = |who: &str| {
        fs::metadata(roots.proc.join(format!("{who}/ns/pid")))
            .ok()
            .map(|namespace| (namespace.dev(), namespace.ino()))
    };
    of("self") == of(&pid.to_string())
}

fn safe(run: &str) -> String {
    let text: String = run.chars().take(40).collect();
    crate::holders::sanitised(text.as_ref())
}

#[cfg(test)]
mod tests {
    use super::runner;

    #[test]
    fn the_runner_stands_in_the_name() {
        assert_eq!(runner("6b05e20b-16b0-7c50b1a0"), Some(0x16b0));
        for text in [
            "",
            "x",
            "6b05e20b-16b0-7c50b1a",
            "6B05e20b-16b0-7c50b1a0",
            "a-b-c",
        ] {
            assert_eq!(runner(text), None, "{text}");
        }
    }
}
