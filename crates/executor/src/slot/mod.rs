//! Containment: where tasks run, and what can be done to all of one task at once.
//!
//! A driver of this trait is chosen once, at the start of a run, from what the machine offers.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::spawn::{Child, Namespace, SpawnError, SpawnRequest};

pub(crate) mod tree;
pub(crate) mod v1;
pub(crate) mod v2;

use v1::group::Hierarchy;

/// The kind of containment in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Memory groups of cgroup v1, the unified tree beside them for freezing and killing where
    /// it is writable.
    CgroupV1,
    /// Groups of cgroup v2 with the memory controller.
    CgroupV2,
    /// Process trees, readings and SIGSTOP; no control groups.
    Tree,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::CgroupV1 => "cgroup v1",
            Tier::CgroupV2 => "cgroup v2",
            Tier::Tree => "process trees",
        })
    }
}

/// A place where one task at a time runs; reused from task to task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub usize);

/// What is in a slot now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SlotUsage {
    /// Memory in use, without reclaimable file cache, in bytes.
    pub use_bytes: u64,
    /// Whether that may be much too high, because processes share memory and how much is only
    /// being found out.
    pub in_doubt: bool,
    /// CPU time used since the slot was taken.
    pub cpu: Duration,
}

/// What the run's slots hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunUsage {
    /// Memory in use, without reclaimable file cache, in bytes.
    pub used_bytes: u64,
    /// Reclaimable file cache charged to the run, in bytes.
    pub cache_bytes: u64,
    /// Whether tasks wait in page faults because the hard limit is reached.
    pub full: bool,
    /// Whether system calls of tasks may have been refused memory just now, without any trace in
    /// the kernel's counts: in a full group of v1 they fail where page faults wait.
    pub refuses: bool,
    /// Whether use may be much less, because processes share memory and how much is only being
    /// found out; that takes milliseconds.
    pub in_doubt: bool,
}

/// A group that the guard watches over.
#[derive(Debug, Clone, Copy)]
pub struct GuardedGroup<'a> {
    pub(crate) hierarchy: Hierarchy,
    pub(crate) parent: BorrowedFd<'a>,
    pub(crate) dir: BorrowedFd<'a>,
}

/// A driver of containment. Nothing here blocks for longer than a few milliseconds unless its
/// comment says so.
pub trait Slots {
    /// Which kind.
    fn tier(&self) -> Tier;

    /// What a person should know: what is missing here, and what would improve it.
    fn notes(&self) -> Vec<String>;

    /// From here on tasks are born in this namespace. What has been started before stays where
    /// it is.
    fn enter(&mut self, namespace: Namespace);

    /// Takes an empty slot, making one where none is free.
    ///
    /// # Errors
    ///
    /// The slot could not be made.
    fn take(&mut self) -> io::Result<SlotId>;

    /// Starts a command in a taken, empty slot; the process is born in it.
    ///
    /// # Errors
    ///
    /// The program could not be started; the slot stays taken and empty.
    fn spawn(&mut self, slot: SlotId, request: &SpawnRequest<'_>) -> Result<Child, SpawnError>;

    /// Stops everything in the slot in place. Returns without waiting until it has stopped.
    ///
    /// # Errors
    ///
    /// The system refused.
    fn freeze(&mut self, slot: SlotId) -> io::Result<()>;

    /// Lets everything in the slot go on.
    ///
    /// # Errors
    ///
    /// The system refused.
    fn thaw(&mut self, slot: SlotId) -> io::Result<()>;

    /// Sends a signal to every process in the slot.
    ///
    /// # Errors
    ///
    /// The system refused.
    fn signal(&mut self, slot: SlotId, signal: rustix::process::Signal) -> io::Result<()>;

    /// Kills everything in the slot, frozen or not. To be repeated until the slot is empty.
    ///
    /// # Errors
    ///
    /// The system refused.
    fn kill(&mut self, slot: SlotId) -> io::Result<()>;

    /// Whether no living process is left in the slot.
    ///
    /// # Errors
    ///
    /// The system refused.
    fn is_empty(&mut self, slot: SlotId) -> io::Result<bool>;

    /// Gives an empty slot back to the pool. File cache charged to it is given back later, off
    /// the caller's path.
    fn release(&mut self, slot: SlotId);

    /// What is in the slot now.
    ///
    /// # Errors
    ///
    /// It can't be read; nothing may be concluded from that.
    fn usage(&mut self, slot: SlotId) -> io::Result<SlotUsage>;

    /// How long something in the slot was ready to run but had no core, counted from any fixed
    /// moment. With the CPU time used it tells how many cores the slot would keep busy, where
    /// the CPU time alone tells only how many it got. Zero where the system doesn't count it.
    ///
    /// # Errors
    ///
    /// It can't be read.
    fn cpu_wait(&mut self, slot: SlotId) -> io::Result<Duration>;

    /// What all slots hold together.
    ///
    /// # Errors
    ///
    /// It can't be read.
    fn run_usage(&mut self) -> io::Result<RunUsage>;

    /// Sets the hard limit of all slots together, and the use at which [`Slots::breach`] fires.
    ///
    /// # Errors
    ///
    /// The system refused (v1 refuses a limit below what can't be reclaimed).
    fn set_limit(&mut self, hard_bytes: u64, threshold_bytes: u64) -> io::Result<()>;

    /// Whether growth really stops at the hard limit by itself.
    fn has_hard_limit(&self) -> bool;

    /// A descriptor that becomes readable when usage (file cache included) passes the threshold
    /// or the hard limit is hit, and stays so until [`Slots::run_usage`] is read. It can only be
    /// waited for, not read; it stays the same however often the threshold moves.
    fn breach(&self) -> Option<BorrowedFd<'_>>;

    /// Gives file cache of the run back. May take 100 ms for 300 MiB: runs on a thread of its
    /// own and returns at once.
    fn reclaim(&mut self);

    /// The highest use of the slot since it was taken as the system counted it, less the file
    /// cache charged to it now, in bytes; finds what happened between two readings. Zero where
    /// the system counts none.
    ///
    /// # Errors
    ///
    /// It can't be read.
    fn peak_bytes(&mut self, slot: SlotId) -> io::Result<u64>;

    /// How many kills by the kernel for want of memory this slot has seen since it was taken.
    ///
    /// # Errors
    ///
    /// It can't be read.
    fn kernel_kills(&mut self, slot: SlotId) -> io::Result<u64>;

    /// The groups whose locks the run's guard holds too, and which it ends and removes when the
    /// runner is gone.
    fn guarded(&self) -> Vec<GuardedGroup<'_>> {
        Vec::new()
    }

    /// Ends everything in every slot and removes what was made. Blocks until it is gone, two
    /// seconds at most.
    ///
    /// # Errors
    ///
    /// Something could not be removed; a later run's guard sweeps it.
    fn shutdown(&mut self) -> io::Result<()>;
}
