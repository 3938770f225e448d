//! Containment by process trees, where there are no control groups.
//!
//! What belongs to a slot is found by ancestry; by the session that each task leads; and, for
//! what has got away from both, by its environment, among the orphans that fall to us (we are a
//! subreaper). Nothing is exact here: memory is a sum over processes, a stop takes several
//! rounds, and what empties its environment and forks away between two looks is known to be of
//! this run but not of which slot.

pub(crate) mod ending;
mod members;
pub(crate) mod orphans;
mod rollup;
mod shares;
pub(crate) mod strangers;
mod subreaper;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use saferun_memory::{ProcessTable, ReadError, Roots};

use members::signal_each;
use shares::{Held, Quick, Shares};
use subreaper::Subreaper;

use super::{RunUsage, SlotId, SlotUsage, Slots, Tier};
use crate::spawn::{Child, Namespace, Place, SpawnError, SpawnRequest, Spawner};

/// How often newcomers are looked for before what is stopped or killed is left to the next call.
const ROUNDS: usize = 8;
/// Searching for newcomers may take this share of the time, and happens no more often than this.
const SEARCH_SHARE: u32 = 10;
const SEARCH_EVERY: Duration = Duration::from_millis(4);
/// A child of ours that nobody knows for so long is none of the run's.
const NEWCOMER: Duration = Duration::from_millis(50);
/// Use so near below the threshold is looked at for what is counted twice in it.
const NEAR: u64 = 32 << 20;
/// How long [`Slots::shutdown`] waits.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The driver of this tier.
#[derive(Debug)]
pub(crate) struct Tree {
    spawner: Spawner,
    table: ProcessTable,
    shares: Shares,
    /// The use at which the brake begins.
    threshold_bytes: u64,
    slots: Vec<Option<u32>>,
    free: Vec<SlotId>,
    notes: Vec<String>,
    next_search: Instant,
    /// Children of ours that nobody knows, and since when.
    unknown: BTreeMap<u32, Instant>,
    /// Children of ours that have ended and are for somebody else to take.
    dead: BTreeSet<u32>,
    /// Whether all our children are tasks, what tasks have left, or the guard. A program that
    /// merely links this crate has children of its own, which must not be taken for tasks'.
    exclusive: bool,
    /// The first process of the namespace that tasks are in: orphans fall to it.
    init: Option<u32>,
    ended: bool,
    /// Last, as what is left falls to us until the end.
    _subreaper: Subreaper,
}

impl Tree {
    /// Begins; `why` says why nothing better could be had, `exclusive` whether this process has
    /// no children but those of the run.
    ///
    /// # Errors
    ///
    /// There is no `/proc`, or orphans can't be made to fall to us.
    pub(crate) fn open(why: Option<String>, exclusive: bool) -> io::Result<Self> {
        let subreaper = Subreaper::become_one()?;
        let table =
            ProcessTable::open(&Roots::default(), Some(std::process::id())).map_err(into_io)?;
        let mut notes = Vec::new();
        if let Some(why) = why {
            notes.push(format!(
                "no memory control group can be used: {why}; with one (as root, or delegated to you) memory is counted exactly and the kernel holds the limit"
            ));
        }
        Ok(Self {
            spawner: Spawner::new(),
            table,
            shares: Shares::new(),
            threshold_bytes: u64::MAX,
            slots: Vec::new(),
            free: Vec::new(),
            notes,
            next_search: Instant::now(),
            unknown: BTreeMap::new(),
            dead: BTreeSet::new(),
            exclusive,
            init: None,
            ended: false,
            _subreaper: subreaper,
        })
    }

    /// The process that leads what is in the slot; `None` when nothing was started in it.
    fn leader(&self, slot: SlotId) -> io::Result<Option<u32>> {
        let slot = self.slots.get(slot.0).copied();
        slot.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no such slot"))
    }

    /// What a tree holds now.
    fn held(&mut self, leader: u32) -> io::Result<(Quick, Held)> {
        let found = self.table.use_of(leader).map_err(into_io)?;
        let quick = Quick {
            bytes: found.bytes,
            largest_bytes: found.largest_bytes,
            processes: found.processes,
        };
        // After the memory, so that no copy is missed.
        let faults = if self.shares.wants_faults(leader, quick) {
            let pids = self.table.processes_of(leader).map(|process| process.pid);
            pids.filter_map(|pid| Some((pid, rollup::faults_of(pid)?)))
                .collect()
        } else {
            Vec::new()
        };
        Ok((quick, self.shares.of(leader, quick, &faults)))
    }

    pub(super) fn leaders(&self) -> impl Iterator<Item = u32> {
        self.slots.iter().flatten().copied()
    }
}

impl Slots for Tree {
    fn tier(&self) -> Tier {
        Tier::Tree
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn enter(&mut self, namespace: Namespace) {
        // Whatever falls to its first process is a task's.
        self.exclusive = true;
        self.init = Some(namespace.init);
        self.table.set_reaper(namespace.init);
        self.spawner.enter(namespace);
    }

    fn take(&mut self) -> io::Result<SlotId> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        self.slots.push(None);
        Ok(SlotId(self.slots.len() - 1))
    }

    fn spawn(&mut self, slot: SlotId, request: &SpawnRequest<'_>) -> Result<Child, SpawnError> {
        let Some(place) = self.slots.get_mut(slot.0) else {
            return Err(SpawnError::Process(io::ErrorKind::NotFound.into()));
        };
        let child = self.spawner.spawn(request, Place::default())?;
        *place = Some(child.pid);
        let marks: Vec<&[u8]> = request
            .envp
            .iter()
            .map(|entry| entry.as_bytes())
            .filter(|entry| {
                entry.starts_with(b"SAFERUN_RUN=") || entry.starts_with(b"SAFERUN_TASK=")
            })
            .collect();
        // If it can't be read it is still known by its session; to kill it now would be worse.
        let _ = self.table.add(child.pid, &marks);
        Ok(child)
    }

    fn freeze(&mut self, slot: SlotId) -> io::Result<()> {
        match self.leader(slot)? {
            Some(leader) => self.signal_all(leader, Signal::STOP),
            None => Ok(()),
        }
    }

    fn thaw(&mut self, slot: SlotId) -> io::Result<()> {
        match self.leader(slot)? {
            Some(leader) => self.signal_all(leader, Signal::CONT),
            None => Ok(()),
        }
    }

    fn signal(&mut self, slot: SlotId, signal: Signal) -> io::Result<()> {
        let Some(leader) = self.leader(slot)? else {
            return Ok(());
        };
        self.search()?;
        // Each once: programs may count how often they are asked.
        for pid in self.members(leader).into_iter().filter_map(orphans::to_pid) {
            let _ = kill_process(pid, signal);
        }
        Ok(())
    }

    fn kill(&mut self, slot: SlotId) -> io::Result<()> {
        let Some(leader) = self.leader(slot)? else {
            return Ok(());
        };
        self.signal_all(leader, Signal::KILL)
    }

    fn is_empty(&mut self, slot: SlotId) -> io::Result<bool> {
        let Some(leader) = self.leader(slot)? else {
            return Ok(true);
        };
        self.search()?;
        // Nobody else takes the statuses of those.
        self.strays();
        let mut empty = true;
        for pid in self.members(leader) {
            // The leader's status is not ours to take.
            empty &= !orphans::is_living(pid, pid != leader);
        }
        // Last, as what has just ended may have left us a child.
        Ok(empty && !self.has_newcomers())
    }

    fn release(&mut self, slot: SlotId) {
        if let Some(place) = self.slots.get_mut(slot.0) {
            if let Some(leader) = place.take() {
                self.table.remove(leader);
                self.shares.forget(leader);
                orphans::reap_session(leader, &mut self.dead);
            }
            self.free.push(slot);
        }
    }

    fn usage(&mut self, slot: SlotId) -> io::Result<SlotUsage> {
        let Some(leader) = self.leader(slot)? else {
            return Ok(SlotUsage::default());
        };
        let (_, held) = self.held(leader)?;
        Ok(SlotUsage {
            use_bytes: held.bytes,
            in_doubt: held.in_doubt,
            cpu: self.table.cpu_of(leader).map_err(into_io)?,
        })
    }

    fn cpu_wait(&mut self, slot: SlotId) -> io::Result<Duration> {
        let Some(leader) = self.leader(slot)? else {
            return Ok(Duration::ZERO);
        };
        // The second number of schedstat (Documentation/scheduler/sched-stats.rst), of each
        // process's first thread. What vanishes while it is read waits no more.
        let waits = self.table.processes_of(leader);
        Ok(waits
            .filter_map(|process| {
                let path = format!("/proc/{}/schedstat", process.pid);
                let text = std::fs::read_to_string(path).ok()?;
                text.split_ascii_whitespace().nth(1)?.parse().ok()
            })
            .map(Duration::from_nanos)
            .sum())
    }

    fn run_usage(&mut self) -> io::Result<RunUsage> {
        self.search_if_due()?;
        self.shares.settle();
        let mut usage = RunUsage::default();
        let leaders: Vec<u32> = self.leaders().collect();
        let mut quick = Vec::with_capacity(leaders.len());
        let mut least_bytes = 0u64;
        for leader in leaders {
            let (read, held) = self.held(leader)?;
            quick.push((leader, read));
            usage.used_bytes = usage.used_bytes.saturating_add(held.bytes);
            usage.in_doubt |= held.in_doubt;
            least_bytes = least_bytes.saturating_add(held.least_bytes);
        }
        // What is true in any case is too much already.
        usage.in_doubt &= least_bytes < self.threshold_bytes;
        let near = usage.used_bytes.saturating_add(NEAR) >= self.threshold_bytes;
        let table = &self.table;
        self.shares.ask(&quick, near, |leader| {
            let processes = table.processes_of(leader);
            processes.map(|process| process.pid).collect()
        });
        Ok(usage)
    }

    fn set_limit(&mut self, _: u64, threshold_bytes: u64) -> io::Result<()> {
        self.threshold_bytes = threshold_bytes;
        Ok(())
    }

    fn has_hard_limit(&self) -> bool {
        false
    }

    fn breach(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn reclaim(&mut self) {}

    fn peak_bytes(&mut self, _: SlotId) -> io::Result<u64> {
        Ok(0)
    }

    fn kernel_kills(&mut self, _: SlotId) -> io::Result<u64> {
        Ok(0)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.ended = true;
        let deadline = Instant::now() + SHUTDOWN;
        loop {
            self.search()?;
            let mut left: BTreeSet<u32> = BTreeSet::new();
            for leader in self.leaders() {
                left.extend(self.table.processes_of(leader).map(|process| process.pid));
            }
            left.extend(self.strays());
            left.retain(|pid| orphans::is_living(*pid, !self.leaders().any(|l| l == *pid)));
            if left.is_empty() && !self.has_newcomers() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(io::Error::other(format!(
                    "{} processes can't be ended",
                    left.len()
                )));
            }
            signal_each(&left.into_iter().collect::<Vec<_>>(), Signal::KILL);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody is left to tell; the guard ends what could not be ended.
            let _ = self.shutdown();
        }
    }
}

pub(crate) fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { cause, .. } => cause,
        other => io::Error::other(other),
    }
}
