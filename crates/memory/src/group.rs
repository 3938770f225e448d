//! What one control group holds, on kept descriptors.

use std::path::{Path, PathBuf};

use crate::bytes::Limit;
use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{Kept, keyed};

/// Readers of one v1 memory group. All figures cover the groups below it.
#[derive(Debug)]
pub struct GroupV1 {
    dir: PathBuf,
    usage: Kept,
    peak: Kept,
    limit: Kept,
    stat: Kept,
    oom: Kept,
}

/// Whether a v1 group is out of memory, and what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomState {
    /// The group has reached its limit and its tasks wait.
    pub under_oom: bool,
    /// The kernel lets tasks wait instead of killing one.
    pub kill_disable: bool,
    /// Processes of this very group that the kernel has killed; those of groups below are not
    /// counted, and the count goes with the group.
    pub kills: u64,
}

impl GroupV1 {
    /// Opens the group's files.
    ///
    /// # Errors
    /// When `dir` is no v1 memory group or may not be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            dir: dir.to_path_buf(),
            usage: Kept::open(dir.join("memory.usage_in_bytes"))?,
            peak: Kept::open(dir.join("memory.max_usage_in_bytes"))?,
            limit: Kept::open(dir.join("memory.limit_in_bytes"))?,
            stat: Kept::open(dir.join("memory.stat"))?,
            oom: Kept::open(dir.join("memory.oom_control"))?,
        })
    }

    /// The group's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All that is charged to the group, file cache included.
    ///
    /// # Errors
    /// When it can't be read; [`ReadError::is_gone`] once the group is removed. So with all
    /// readers below.
    pub fn usage_bytes(&self) -> Result<u64, ReadError> {
        self.usage.number()
    }

    /// The most that was ever charged to the group since its peak was last reset, file cache
    /// included.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn peak_bytes(&self) -> Result<u64, ReadError> {
        self.peak.number()
    }

    /// The group's limit.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn limit(&self) -> Result<Limit, ReadError> {
        limit(&self.limit)
    }

    /// The part of usage that is file cache. The kernel gathers it from all cores only now and
    /// then: it may be some 100 KiB per core, or two seconds, late.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn file_cache_bytes(&self) -> Result<u64, ReadError> {
        self.stat.read(v1_cache)
    }

    /// Whether the group is out of memory.
    ///
    /// # Errors
    /// When it can't be read; kernels before 4.13 don't count kills.
    pub fn oom(&self) -> Result<OomState, ReadError> {
        self.oom.read(|text| {
            let [disable, under, kills] =
                keyed(text, ["oom_kill_disable", "under_oom", "oom_kill"])?;
            Ok(OomState {
                under_oom: under.ok_or(Flaw::Missing("under_oom"))? != 0,
                kill_disable: disable.ok_or(Flaw::Missing("oom_kill_disable"))? != 0,
                kills: kills.ok_or(Flaw::Missing("oom_kill"))?,
            })
        })
    }
}

/// Readers of one v2 group with the memory controller. All figures cover the groups below it.
#[derive(Debug)]
pub struct GroupV2 {
    dir: PathBuf,
    usage: Kept,
    peak: Option<Kept>,
    high: Kept,
    max: Kept,
    stat: Kept,
    events: Kept,
}

/// How often things happened to a v2 group and the groups below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryEvents {
    /// The group was above `memory.high` and was slowed down.
    pub high: u64,
    /// The group met `memory.max`.
    pub max: u64,
    /// Reclaim did not help and an allocation was about to fail.
    pub oom: u64,
    /// Processes that the kernel killed. With `memory.oom.group` one may be counted twice.
    pub oom_kill: u64,
    /// Groups that the kernel killed whole, where it counts them (5.17).
    pub oom_group_kill: Option<u64>,
}

impl GroupV2 {
    /// Opens the group's files.
    ///
    /// # Errors
    /// When `dir` is no v2 group, its parent doesn't hand the memory controller down, or it may
    /// not be read.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            dir: dir.to_path_buf(),
            usage: Kept::open(dir.join("memory.current"))?,
            peak: Kept::open_if_there(dir.join("memory.peak"))?,
            high: Kept::open(dir.join("memory.high"))?,
            max: Kept::open(dir.join("memory.max"))?,
            stat: Kept::open(dir.join("memory.stat"))?,
            events: Kept::open(dir.join("memory.events"))?,
        })
    }

    /// The group's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All that is charged to the group, file cache included.
    ///
    /// # Errors
    /// When it can't be read; [`ReadError::is_gone`] once the group is removed. So with all
    /// readers below.
    pub fn usage_bytes(&self) -> Result<u64, ReadError> {
        self.usage.number()
    }

    /// The most that was ever charged to the group, file cache included. `None` where the
    /// kernel doesn't keep it (before 5.19).
    ///
    /// # Errors
    /// When it can't be read.
    pub fn peak_bytes(&self) -> Result<Option<u64>, ReadError> {
        self.peak.as_ref().map(Kept::number).transpose()
    }

    /// Where the kernel begins to slow the group down.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn high(&self) -> Result<Limit, ReadError> {
        limit(&self.high)
    }

    /// Where the kernel begins to kill.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn max(&self) -> Result<Limit, ReadError> {
        limit(&self.max)
    }

    /// The part of usage that is file cache. The kernel gathers it from all cores only now and
    /// then: it may be some 100 KiB per core, or two seconds, late.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn file_cache_bytes(&self) -> Result<u64, ReadError> {
        self.stat.read(v2_cache)
    }

    /// What happened to the group.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn events(&self) -> Result<MemoryEvents, ReadError> {
        self.events.read(|text| {
            let [high, max, oom, kill, group_kill] =
                keyed(text, ["high", "max", "oom", "oom_kill", "oom_group_kill"])?;
            Ok(MemoryEvents {
                high: high.ok_or(Flaw::Missing("high"))?,
                max: max.ok_or(Flaw::Missing("max"))?,
                oom: oom.ok_or(Flaw::Missing("oom"))?,
                oom_kill: kill.ok_or(Flaw::Missing("oom_kill"))?,
                oom_group_kill: group_kill,
            })
        })
    }
}

fn limit(file: &Kept) -> Result<Limit, ReadError> {
    file.read(|text| {
        Limit::parse(text).ok_or_else(|| Flaw::garbage("a number of bytes, or max", text))
    })
}

/// File cache in a v1 `memory.stat`. The plain fields are the group's own; those with `total_`
/// cover the groups below too, as usage does.
pub(crate) fn v1_cache(text: &str) -> Result<u64, Flaw> {
    file_cache(text, ["total_active_file", "total_inactive_file"])
}

/// File cache in a v2 `memory.stat`, whose plain fields cover the groups below.
pub(crate) fn v2_cache(text: &str) -> Result<u64, Flaw> {
    file_cache(text, ["active_file", "inactive_file"])
}

/// What is on the lists of file pages. Shared memory and tmpfs are not on them (the kernel keeps
/// these as anonymous memory, although its field `cache` counts them), locked pages neither.
fn file_cache(text: &str, keys: [&'static str; 2]) -> Result<u64, Flaw> {
    let [active, inactive] = keyed(text, keys)?;
    let active = active.ok_or(Flaw::Missing(keys[0]))?;
    let inactive = inactive.ok_or(Flaw::Missing(keys[1]))?;
    Ok(active.saturating_add(inactive))
}
