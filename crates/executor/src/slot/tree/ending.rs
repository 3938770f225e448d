//! Ending everything that a dead runner has left, without control groups.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::{Signal, WaitOptions, wait};
use saferun_memory::{ProcessTable, Roots};

use super::members::signal_each;
use super::orphans;

/// Ends all our descendants, waiting for them to be gone until `deadline`.
///
/// We are a subreaper: what the dead have left falls to us, so when no child is left nothing is.
pub(crate) fn end_descendants(deadline: Instant) {
    let own = std::process::id();
    let Ok(mut table) = ProcessTable::open(&Roots::default(), None) else {
        return;
    };
    loop {
        if !reap_all() {
            return;
        }
        // First what is at hand: a storm changes faster than it can be searched.
        signal_each(&orphans::children_of_ours(), Signal::KILL);
        // Anew each time, so that whoever was adopted meanwhile is found.
        let _ = table.add(own, &[]);
        let _ = table.find();
        let pids: Vec<u32> = table
            .processes_of(own)
            .map(|process| process.pid)
            .filter(|pid| *pid != own)
            .collect();
        signal_each(&pids, Signal::KILL);
        if !reap_all() || Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Takes the status of all children that have ended; tells whether there are others.
fn reap_all() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Ends everything that carries the run's mark in its environment, and all that descends from
/// it, until a search finds nothing twice in a row.
pub(crate) fn end_marked(run: &str, deadline: Instant) {
    let mark = format!("SAFERUN_RUN={run}");
    let mut quiet = 0;
    // Kept from one search to the next: a descendant whose ancestors are gone stays known.
    let Ok(mut table) = ProcessTable::open(&Roots::default(), None) else {
        return;
    };
    let mut known = BTreeSet::new();
    while quiet < 2 && Instant::now() < deadline {
        for pid in kill_marked(&mark) {
            if known.insert(pid) {
                let _ = table.add(pid, &[]);
            }
        }
        let _ = table.find();
        known.retain(|root| {
            let there = table.use_of(*root).is_ok_and(|tree| tree.processes > 0);
            if !there {
                table.remove(*root);
            }
            there
        });
        let pids: Vec<u32> = known
            .iter()
            .flat_map(|root| table.processes_of(*root))
            .map(|process| process.pid)
            .collect();
        quiet = if pids.is_empty() { quiet + 1 } else { 0 };
        signal_each(&pids, Signal::KILL);
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kills the processes that were started with this entry in their environment, as far as we may
/// look, and tells which. Each is killed as soon as it is seen, with its process group: a storm
/// changes faster than all can be searched.
fn kill_marked(mark: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let has_mark = |environment: Vec<u8>| {
                let mut entries = environment.split(|&b| b == 0);
                entries.any(|entry| entry == mark.as_bytes())
            };
            let found =
                *pid != own && std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(has_mark);
            if found {
                signal_each(&[*pid], Signal::KILL);
            }
            found
        })
        .collect()
}
