//! Containment by memory groups of cgroup v1.
//!
//! The run has one group, below the group that we live in ourselves, with the hard limit; each
//! slot has a group below that. Where the unified tree of v2 is writable, each slot has a group
//! there too, in which its tasks are born: freezing, killing and knowing whether anything is
//! left are better there, and none of it needs controllers.

pub(crate) mod emptier;
pub(crate) mod files;
pub(crate) mod group;
mod limit;
pub(crate) mod pids;
mod slot;
mod stop;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
mod threshold;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use saferun_memory::reclaim::GroupCache;
use saferun_memory::{GroupPath, GroupV1, OwnGroups};

use self::emptier::Emptier;
use self::group::{Hierarchy, PREFIX, RunGroup};
use self::limit::Limits;
use self::slot::{Slot, into_io};
use super::{GuardedGroup, RunUsage, SlotId, SlotUsage, Slots, Tier};
use crate::run_id::RunId;
use crate::spawn::{Child, Namespace, SpawnError, SpawnRequest, Spawner};

/// How long [`Slots::shutdown`] waits.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A v1 group gives all of its cache back or none.
const ALL: u64 = u64::MAX;

/// The driver of this tier.
#[derive(Debug)]
pub(crate) struct CgroupV1 {
    spawner: Spawner,
    memory: RunGroup,
    reader: GroupV1,
    limits: Limits,
    unified: Option<RunGroup>,
    freezer: Option<RunGroup>,
    pids: Option<RunGroup>,
    slots: Vec<Slot>,
    free: Vec<SlotId>,
    emptier: Emptier,
    notes: Vec<String>,
    ended: bool,
}

impl CgroupV1 {
    /// Makes the run's groups.
    ///
    /// # Errors
    ///
    /// Why this tier can't be had here, in words for a person.
    pub(crate) fn open(own: &OwnGroups, run: &RunId) -> Result<Self, String> {
        let path = usable(own)?;
        let name = format!("{PREFIX}{run}");
        let memory = RunGroup::make(Hierarchy::Memory, &path.dir, &name)
            .map_err(|error| format!("no group can be made in {}: {error}", path.dir.display()))?;
        let opened = GroupV1::open(&memory.path)
            .map_err(into_io)
            .and_then(|reader| Ok((reader, Limits::new(memory.dir.as_fd())?)));
        let (reader, limits) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                let _ = memory.end(Instant::now());
                return Err(format!(
                    "the memory group in {} can't be used: {error}",
                    path.dir.display()
                ));
            }
        };

        let mut notes = Vec::new();
        let unified = beside(own.unified.as_ref(), Hierarchy::Unified, &name);
        let freezer = match &unified {
            Ok(_) => None,
            Err(why) => match beside(own.freezer_v1.as_ref(), Hierarchy::Freezer, &name) {
                Ok(group) => {
                    notes.push(format!(
                        "tasks are frozen by the freezer of cgroup v1, as the unified tree can't be used ({why}); write access to it makes killing surer"
                    ));
                    Some(group)
                }
                Err(also) => {
                    notes.push(format!(
                        "tasks are stopped by signals, as neither the unified tree ({why}) nor the freezer of cgroup v1 ({also}) can be used"
                    ));
                    None
                }
            },
        };
        let pids = beside(own.pids_v1.as_ref(), Hierarchy::Pids, &name)
            .map_err(|why| why.to_string())
            .and_then(|group| pids::limit(group, own.pids_v1.as_ref()));
        let pids = pids
            .map_err(|why| {
                notes.push(format!("the number of processes isn't limited: {why}"));
            })
            .ok();
        Ok(Self {
            spawner: Spawner::new(),
            memory,
            reader,
            limits,
            unified: unified.ok(),
            freezer,
            pids,
            slots: Vec::new(),
            free: Vec::new(),
            emptier: Emptier::default(),
            notes,
            ended: false,
        })
    }

    fn slot(&mut self, slot: SlotId) -> io::Result<&mut Slot> {
        self.slots.get_mut(slot.0).ok_or_else(no_such_slot)
    }

    fn run_groups(&self) -> impl Iterator<Item = &RunGroup> {
        // Where killing is surest comes first.
        self.unified
            .iter()
            .chain(&self.freezer)
            .chain([&self.memory])
            .chain(&self.pids)
    }
}

fn no_such_slot() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "there is no such slot")
}

/// Our own memory group, if groups below it would bind what is in them.
///
/// # Errors
///
/// Why not, in words for a person.
pub(crate) fn usable(own: &OwnGroups) -> Result<&GroupPath, String> {
    let Some(path) = &own.memory_v1 else {
        return Err("this kernel has no memory groups of cgroup v1 mounted".into());
    };
    if !path.exact {
        return Err("our own memory group can't be seen from here".into());
    }
    // What counts is who we act as.
    let write = rustix::fs::Access::WRITE_OK;
    let flags = rustix::fs::AtFlags::EACCESS;
    rustix::fs::accessat(rustix::fs::CWD, &path.dir, write, flags).map_err(|error| {
        format!(
            "our own memory group {} isn't writable ({error})",
            path.dir.display()
        )
    })?;
    let hierarchical = std::fs::read_to_string(path.dir.join("memory.use_hierarchy"));
    match hierarchical {
        Ok(text) if text.trim() == "0" => {
            Err("memory groups don't count what is below them here (use_hierarchy is 0)".into())
        }
        _ => Ok(path),
    }
}

/// Whether memory groups of v1 seem usable, without making one.
pub(crate) fn seems_usable(own: &OwnGroups) -> bool {
    usable(own).is_ok()
}

/// The run's group in another hierarchy.
fn beside(own: Option<&GroupPath>, hierarchy: Hierarchy, name: &str) -> io::Result<RunGroup> {
    let own = own
        .filter(|own| own.exact)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it isn't mounted"))?;
    let group = RunGroup::make(hierarchy, &own.dir, name)?;
    // Whoever may make groups may still not be allowed to move processes into them.
    let usable = files::open_write(&group.dir, "cgroup.procs").and_then(|_| {
        if hierarchy == Hierarchy::Unified {
            files::open_write(&group.parent, "cgroup.procs")?;
            files::open_write(&group.dir, "cgroup.freeze")?;
        }
        Ok(())
    });
    match usable {
        Ok(()) => Ok(group),
        Err(error) => {
            let _ = group.end(Instant::now());
            Err(error)
        }
    }
}

impl Slots for CgroupV1 {
    fn tier(&self) -> Tier {
        Tier::CgroupV1
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
        let name = format!("slot-{}", id.0);
        self.slots.push(Slot::make(
            &name,
            &self.memory,
            self.unified.as_ref(),
            self.freezer.as_ref(),
            self.pids.as_ref(),
        )?);
        Ok(id)
    }

    fn spawn(&mut self, slot: SlotId, request: &SpawnRequest<'_>) -> Result<Child, SpawnError> {
        let Some(slot) = self.slots.get_mut(slot.0) else {
            return Err(SpawnError::Process(no_such_slot()));
        };
        slot.renew(self.unified.as_ref())
            .map_err(SpawnError::Process)?;
        slot.born(|place| self.spawner.spawn(request, place))
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
            Some(dir) => dir
                .and_then(|dir| self.emptier.empty_slot(id, GroupCache::v1(dir), ALL))
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
        let used_bytes = usage.saturating_sub(cache_bytes);
        let full = self.reader.oom().map_err(into_io)?.under_oom;
        Ok(RunUsage {
            used_bytes,
            cache_bytes,
            full,
            refuses: full || self.limits.refuses_at(used_bytes),
            in_doubt: false,
        })
    }

    fn set_limit(&mut self, hard_bytes: u64, threshold_bytes: u64) -> io::Result<()> {
        self.limits.set(hard_bytes, threshold_bytes)
    }

    fn has_hard_limit(&self) -> bool {
        true
    }

    fn breach(&self) -> Option<BorrowedFd<'_>> {
        Some(self.limits.breach())
    }

    fn reclaim(&mut self) {
        // Without a thread or a descriptor the kernel reclaims by itself at the limit.
        if let Ok(dir) = self.memory.dir.try_clone() {
            let _ = self.emptier.empty_run(GroupCache::v1(dir), ALL);
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
        self.run_groups()
            .map(|group| GuardedGroup {
                hierarchy: group.hierarchy,
                parent: group.parent.as_fd(),
                dir: group.dir.as_fd(),
            })
            .collect()
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.ended = true;
        self.emptier.stop();
        self.free.clear();
        self.slots.clear();
        let deadline = Instant::now() + SHUTDOWN;
        let mut result = Ok(());
        for group in self.run_groups() {
            let ended = group.end(deadline);
            if result.is_ok() {
                result = ended;
            }
        }
        result
    }
}

impl Drop for CgroupV1 {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody is left to tell; a later run's guard sweeps what could not be removed.
            let _ = self.shutdown();
        }
    }
}
