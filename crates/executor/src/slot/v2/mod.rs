//! Containment by groups of cgroup v2 with the memory controller.
//!
//! The run has one group beside our home (see `home`), with `memory.high` as brake and
//! `memory.max` and `pids.max` as last lines; each slot has a group below that, in which its
//! tasks are born, and which freezes, kills and counts.

pub(crate) mod home;
mod limits;
mod slot;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;
use saferun_memory::reclaim::GroupCache;
use saferun_memory::{GroupPath, GroupV2, OwnGroups, ReadError};

use self::limits::{Limits, Marks};
use self::slot::Slot;
use super::v1::emptier::Emptier;
use super::v1::files;
use super::v1::group::{Hierarchy, PREFIX, RunGroup};
use super::v1::pids;
use super::{GuardedGroup, RunUsage, SlotId, SlotUsage, Slots, Tier};
use crate::run_id::RunId;
use crate::spawn::{Child, Namespace, SpawnError, SpawnRequest, Spawner};

/// How long [`Slots::shutdown`] waits.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// The driver of this tier.
#[derive(Debug)]
pub(crate) struct CgroupV2 {
    spawner: Spawner,
    run: RunGroup,
    reader: GroupV2,
    limits: Limits,
    slots: Vec<Slot>,
    free: Vec<SlotId>,
    emptier: Emptier,
    cache_bytes: u64,
    notes: Vec<String>,
    ended: bool,
}

/// The run's group, made and locked but not yet of use: a guard can be started for it before
/// anything else is changed, so that whatever is changed after is put back.
#[derive(Debug)]
pub(crate) struct Prepared {
    own: GroupPath,
    run: RunGroup,
}

impl Prepared {
    /// Makes the run's group.
    ///
    /// # Errors
    ///
    /// Why this tier can't be had here, in words for a person.
    pub(crate) fn make(own: &OwnGroups, run: &RunId) -> Result<Self, String> {
        let own = home::usable(own.unified.as_ref())?.clone();
        let name = format!("{PREFIX}{run}");
        let run = RunGroup::make(Hierarchy::Unified, &own.dir, &name)
            .map_err(|error| format!("no group can be made in {}: {error}", own.dir.display()))?;
        Ok(Self { own, run })
    }

    /// What the guard watches over.
    pub(crate) fn guarded(&self) -> Vec<GuardedGroup<'_>> {
        guarded(&self.run)
    }

    /// Makes room in our own group, where only we and the guard live, and opens the driver.
    ///
    /// # Errors
    ///
    /// As [`Self::make`]; all is put back then.
    pub(crate) fn settle(self, guard: Option<u32>) -> Result<CgroupV2, String> {
        let run = &self.run;
        let opened = home::settle(&self.own, run.parent.as_fd(), &run.name, guard)
            .and_then(|()| files::write(&run.dir, "cgroup.subtree_control", "+memory"))
            .and_then(|()| {
                let reader = GroupV2::open(&run.path).map_err(into_io)?;
                Ok((reader, Limits::new(&run.path, run.dir.as_fd())?))
            });
        match opened {
            Ok((reader, limits)) => Ok(CgroupV2::new(self, reader, limits)),
            Err(error) => {
                let _ = run.end(Instant::now());
                let _ = home::leave(run.parent.as_fd(), &run.name);
                Err(format!(
                    "the group in {} can't be used: {error}",
                    self.own.dir.display()
                ))
            }
        }
    }
}

fn guarded(run: &RunGroup) -> Vec<GuardedGroup<'_>> {
    vec![GuardedGroup {
        hierarchy: run.hierarchy,
        parent: run.parent.as_fd(),
        dir: run.dir.as_fd(),
    }]
}

impl CgroupV2 {
    fn new(prepared: Prepared, reader: GroupV2, limits: Limits) -> Self {
        let Prepared { own, run } = prepared;
        let mut notes = Vec::new();
        let most = pids::most(Some(&own)).to_string();
        if let Err(error) = files::write(&run.dir, "pids.max", &most) {
            notes.push(format!(
                "the number of processes isn't limited: the pids controller isn't handed down to our own group ({error})"
            ));
        }
        Self {
            spawner: Spawner::new(),
            run,
            reader,
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            emptier: Emptier::default(),
            cache_bytes: 0,
            notes,
            ended: false,
        }
    }

    fn slot(&mut self, slot: SlotId) -> io::Result<&mut Slot> {
        self.slots.get_mut(slot.0).ok_or_else(no_such_slot)
    }
}

/// Whether groups of v2 seem usable, without making one.
pub(crate) fn seems_usable(own: &OwnGroups) -> bool {
    home::usable(own.unified.as_ref()).is_ok()
}

fn no_such_slot() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such slot")
}

fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { cause, .. } => cause,
        other => io::Error::other(other),
    }
}

impl Slots for CgroupV2 {
    fn tier(&self) -> Tier {
        Tier::CgroupV2
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn enter(&mut self, namespace: Namespace) {
        self.spawner.enter(namespace);
    }

    fn take(&mut self) -> io::Result<SlotId> {
        self.free.extend(self.emptier.emptied());
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let id = SlotId(self.slots.len());
        self.slots.push(Slot::make(&self.run, id.0)?);
        Ok(id)
    }

    fn spawn(&mut self, slot: SlotId, request: &SpawnRequest<'_>) -> Result<Child, SpawnError> {
        let Some(slot) = self.slots.get_mut(slot.0) else {
            return Err(SpawnError::Process(no_such_slot()));
        };
        self.limits.let_go_on();
        slot.renew(&self.run).map_err(SpawnError::Process)?;
        let born = self.spawner.spawn(request, slot.place());
        if let Err(SpawnError::Process(cause)) = &born
            && matches!(
                Errno::from_io_error(cause),
                Some(Errno::BUSY | Errno::OPNOTSUPP | Errno::NODEV)
            )
        {
            // A task before has arranged groups of its own in it.
            slot.spend();
        }
        born
    }

    fn freeze(&mut self, slot: SlotId) -> io::Result<()> {
        self.slot(slot)?.freeze()
    }

    fn thaw(&mut self, slot: SlotId) -> io::Result<()> {
        self.slot(slot)?.thaw()
    }

    fn signal(&mut self, slot: SlotId, signal: Signal) -> io::Result<()> {
        self.slot(slot)?.signal(signal)
    }

    fn kill(&mut self, slot: SlotId) -> io::Result<()> {
        self.slot(slot)?.kill();
        Ok(())
    }

    fn is_empty(&mut self, slot: SlotId) -> io::Result<bool> {
        self.slot(slot)?.is_empty()
    }

    fn release(&mut self, id: SlotId) {
        let Some(slot) = self.slots.get_mut(id.0) else {
            return;
        };
        slot.begin();
        let emptying = match slot.to_be_emptied() {
            Some((dir, bytes)) => dir
                .and_then(|dir| self.emptier.empty_slot(id, GroupCache::v2(dir), bytes))
                .is_ok(),
            None => false,
        };
        if !emptying {
            self.free.push(id);
        }
    }

    fn usage(&mut self, slot: SlotId) -> io::Result<SlotUsage> {
        self.slot(slot)?.usage()
    }

    fn run_usage(&mut self) -> io::Result<RunUsage> {
        self.limits.clear();
        let usage = self.reader.usage_bytes().map_err(into_io)?;
        let cache_bytes = self.reader.file_cache_bytes().map_err(into_io)?;
        self.cache_bytes = cache_bytes;
        let used_bytes = usage.saturating_sub(cache_bytes);
        Ok(RunUsage {
            used_bytes,
            cache_bytes,
            full: self.limits.on_reading(used_bytes),
            // The kernel kills there, and counts it.
            refuses: false,
            in_doubt: false,
        })
    }

    fn set_limit(&mut self, hard_bytes: u64, threshold_bytes: u64) -> io::Result<()> {
        self.limits.set(Marks::new(hard_bytes, threshold_bytes))
    }

    fn has_hard_limit(&self) -> bool {
        true
    }

    fn breach(&self) -> Option<BorrowedFd<'_>> {
        Some(self.limits.breach())
    }

    fn reclaim(&mut self) {
        // Without a thread or a descriptor the kernel reclaims by itself at memory.high.
        if self.cache_bytes > 0
            && let Ok(dir) = self.run.dir.try_clone()
        {
            let cache = GroupCache::v2(dir);
            let _ = self.emptier.empty_run(cache, self.cache_bytes);
        }
    }

    fn cpu_wait(&mut self, slot: SlotId) -> io::Result<Duration> {
        self.slot(slot)?.cpu_wait()
    }

    fn peak_bytes(&mut self, slot: SlotId) -> io::Result<u64> {
        self.slot(slot)?.peak_bytes()
    }

    fn kernel_kills(&mut self, slot: SlotId) -> io::Result<u64> {
        self.slot(slot)?.kernel_kills()
    }

    fn guarded(&self) -> Vec<GuardedGroup<'_>> {
        guarded(&self.run)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.ended = true;
        self.emptier.stop();
        self.free.clear();
        self.slots.clear();
        let ended = self.run.end(Instant::now() + SHUTDOWN);
        // Also where something is left of it.
        ended.and(home::leave(self.run.parent.as_fd(), &self.run.name))
    }
}

impl Drop for CgroupV2 {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody is left to tell; a later run's guard sweeps what could not be removed.
            let _ = self.shutdown();
        }
    }
}
