//! What memory there is: the machine's, and every limit that we live under.

#[cfg(target_os = "linux")]
mod cgroup_v1;
#[cfg(target_os = "linux")]
mod cgroup_v2;
#[cfg_attr(
    target_os = "linux",
    expect(dead_code, reason = "compiled here too so that it stays well")
)]
mod portable;
#[cfg(target_os = "linux")]
mod proc;

use std::path::PathBuf;

use crate::error::ReadError;
use crate::roots::Roots;

#[cfg(not(target_os = "linux"))]
use portable::System;
#[cfg(target_os = "linux")]
use proc::System;

/// Reads the machine's memory again and again.
///
/// It keeps descriptors of all files that it reads. It follows limits that are changed, but not
/// a move of our process into another group: open it anew then.
#[derive(Debug)]
pub struct Machine {
    system: System,
}

impl Machine {
    /// Finds what is to be read.
    ///
    /// # Errors
    /// When memory or one of the limits can't be read: without one of them the figures would be
    /// too good.
    pub fn open(roots: &Roots) -> Result<Self, ReadError> {
        Ok(Self {
            system: System::open(roots)?,
        })
    }

    /// Reads it now.
    ///
    /// # Errors
    /// When a file can't be read or holds what it should not.
    pub fn read(&mut self) -> Result<MachineReading, ReadError> {
        self.system.read()
    }
}

/// What memory there is at one moment, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineReading {
    /// All of the machine's memory.
    pub total_bytes: u64,
    /// What could be used without swapping, by the kernel's own estimate (`MemAvailable`): free
    /// memory and what can be reclaimed.
    pub available_bytes: u64,
    /// What nobody uses for anything.
    pub free_bytes: u64,
    /// File contents kept in memory, shared memory included.
    pub cached_bytes: u64,
    /// All swap.
    pub swap_total_bytes: u64,
    /// Swap that is free.
    pub swap_free_bytes: u64,
    /// Shared memory and files of tmpfs. It counts as cached, yet can't be reclaimed.
    pub shared_bytes: u64,
    /// Every limit that binds us through a control group: our own group's and its ancestors',
    /// our own first, v1 before v2.
    pub groups: Vec<GroupReading>,
}

/// A control group with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReading {
    /// The group's directory.
    pub path: PathBuf,
    /// Which of its limits this is.
    pub kind: LimitKind,
    /// The limit.
    pub limit_bytes: u64,
    /// All that is charged to the group and the groups below it, file cache included.
    pub usage_bytes: u64,
    /// The part of it that is file cache. Pages of files that are still to be written are part
    /// of it and are given back only once they are written; shared memory and tmpfs files are
    /// not part of it.
    pub cache_bytes: u64,
}

/// Which limit of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// `memory.limit_in_bytes` of v1: beyond it the kernel kills.
    V1Limit,
    /// A v1 limit of a group above all that can be seen, of which only the limit is known
    /// (`hierarchical_memory_limit`). The path and the figures of use are those of the topmost
    /// group that can be seen: what its siblings use is not in them.
    V1Above,
    /// `memory.high` of v2: beyond it the kernel slows down and reclaims.
    V2High,
    /// `memory.max` of v2: beyond it the kernel kills.
    V2Max,
}

impl GroupReading {
    /// What is in use and can't simply be reclaimed: usage less file cache.
    pub fn used_bytes(&self) -> u64 {
        self.usage_bytes.saturating_sub(self.cache_bytes)
    }

    /// What may still be used up to the limit.
    pub fn room_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.used_bytes())
    }
}

/// The constraint that leaves least room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binding {
    /// The machine's available memory.
    Machine,
    /// A group's limit, by its place in [`MachineReading::groups`].
    Group(usize),
}

impl MachineReading {
    /// Which constraint leaves least room. Where several leave the same it is the group nearest
    /// to us.
    pub fn binding(&self) -> Binding {
        let tightest = self
            .groups
            .iter()
            .enumerate()
            .min_by_key(|(_, group)| group.room_bytes());
        match tightest {
            Some((place, group)) if group.room_bytes() <= self.available_bytes => {
                Binding::Group(place)
            }
            _ => Binding::Machine,
        }
    }

    /// The smallest of the machine's memory and all limits: what there would be if nobody else
    /// used any.
    pub fn limit_bytes(&self) -> u64 {
        self.groups
            .iter()
            .map(|group| group.limit_bytes)
            .fold(self.total_bytes, u64::min)
    }

    /// What may still be used before the first constraint is met.
    pub fn room_bytes(&self) -> u64 {
        self.groups
            .iter()
            .map(GroupReading::room_bytes)
            .fold(self.available_bytes, u64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(limit: u64, usage: u64, cache: u64) -> GroupReading {
        GroupReading {
            path: PathBuf::new(),
            kind: LimitKind::V2Max,
            limit_bytes: limit,
            usage_bytes: usage,
            cache_bytes: cache,
        }
    }

    #[test]
    fn the_smallest_limit_and_the_least_room_are_not_the_same_thing() {
        let reading = MachineReading {
            total_bytes: 1000,
            available_bytes: 900,
            groups: vec![group(300, 100, 90), group(400, 390, 20), group(800, 0, 0)],
            ..MachineReading::default()
        };
        assert_eq!(reading.limit_bytes(), 300);
        assert_eq!(reading.room_bytes(), 30);
        assert_eq!(reading.binding(), Binding::Group(1));
    }

    #[test]
    fn without_limits_the_machine_binds() {
        let reading = MachineReading {
            total_bytes: 1000,
            available_bytes: 10,
            ..MachineReading::default()
        };
        assert_eq!(reading.binding(), Binding::Machine);
        assert_eq!((reading.limit_bytes(), reading.room_bytes()), (1000, 10));
    }

    #[test]
    fn a_group_over_its_limit_has_no_room() {
        assert_eq!(group(100, 150, 20).room_bytes(), 0);
        // The counters are not read at one moment: cache may seem to be more than usage.
        assert_eq!(group(100, 50, 60).used_bytes(), 0);
    }
}
