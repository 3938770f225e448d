//! Giving memory back: one small strategy a file, all of one shape.
//!
//! A [`Step`] looks first ([`Step::look`] changes nothing), then does what it said
//! ([`Step::take`]), and tells what came of it: [`Outcome`] has a word for each of done, nothing
//! to gain, not permitted, not on this system, failed. [`measured`] puts the machine's available
//! memory before and after beside the step's own figure; both are readings, never estimates.
//!
//! [`GroupCache`], which [`PageCache`] uses for the group that we live in, and
//! [`give_back_free_memory`], which [`Allocator`] uses, can be called by themselves: an executor
//! does at its checkpoints, on the groups that it has made.
//!
//! | step | needs | costs afterwards |
//! |---|---|---|
//! | [`Allocator`] | nothing | page faults when the memory is wanted again |
//! | [`PageCache`] | write access to our own group, or root | what was cached is read from disk again |
//! | `Node` (feature `runtimes`) | an open inspector | the program stands still while it collects |
//! | `Jvm` (feature `runtimes`) | `jcmd` | the program stands still while it collects |
//! | [`PageOut`] | CAP_SYS_NICE, swap with room | programs stall when they wake |

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no safe wrapper has this call")]
mod advise;
mod allocator;
#[cfg(all(target_os = "linux", feature = "runtimes"))]
mod awaken;
#[cfg(target_os = "linux")]
mod drop_caches;
#[cfg(target_os = "linux")]
mod group_cache;
#[cfg(all(target_os = "linux", feature = "runtimes"))]
mod inspector;
#[cfg(all(target_os = "linux", feature = "runtimes"))]
mod jvm;
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "the C library has no safe interface")
)]
mod malloc;
#[cfg(all(target_os = "linux", feature = "runtimes"))]
mod node;
#[cfg(target_os = "linux")]
mod page_cache;
#[cfg(target_os = "linux")]
mod page_out;

pub use allocator::{Allocator, give_back_free_memory};
#[cfg(target_os = "linux")]
pub use group_cache::GroupCache;
#[cfg(all(target_os = "linux", feature = "runtimes"))]
pub use jvm::Jvm;
pub use malloc::{HeapUse, own_heap};
#[cfg(all(target_os = "linux", feature = "runtimes"))]
pub use node::{Node, session_node_heap};
#[cfg(target_os = "linux")]
pub use page_cache::PageCache;
#[cfg(target_os = "linux")]
pub use page_out::PageOut;

use crate::error::ReadError;
use crate::machine::Machine;
use crate::roots::Roots;

/// One way to give memory back.
pub trait Step {
    /// What it is called, in one word.
    fn name(&self) -> &'static str;

    /// What it does, needs and costs.
    fn about(&self) -> About;

    /// What it would do now. It changes nothing.
    fn look(&mut self) -> Prospect;

    /// Does it. To be called whatever [`look`](Self::look) said: a step that can't do anything
    /// says so as its outcome.
    fn take(&mut self) -> Taken;
}

/// What a step does, needs and costs, each in a few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What it does.
    pub does: &'static str,
    /// What it must be permitted.
    pub needs: &'static str,
    /// What is slower afterwards, and what else changes.
    pub costs: &'static str,
    /// What its figures of before and after count.
    pub figure: Figure,
}

/// What a step's own figures count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Memory that processes hold.
    Held,
    /// Contents of files that the kernel keeps, and gives up by itself when memory is wanted:
    /// giving it back frees nothing that anybody held.
    Cache,
    /// Files in memory.
    Files,
    /// Files on disk: removing them gives back space there, and no memory.
    Disk,
}

/// What a step would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prospect {
    /// Each act in words.
    pub acts: Vec<String>,
    /// The most that it could give back, where that is known beforehand.
    pub at_most_bytes: Option<u64>,
    /// What stands in the way of all of it.
    pub hindrance: Option<Outcome>,
}

impl Prospect {
    /// Nothing would be done.
    pub fn none(hindrance: Outcome) -> Self {
        Self {
            hindrance: Some(hindrance),
            ..Self::default()
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// There was nothing to do, or doing it would have gained nothing.
    NothingToGain {
        /// Why.
        why: String,
    },
    /// It may not be done by us.
    NotPermitted {
        /// What was refused.
        why: String,
        /// What would permit it.
        permit: String,
    },
    /// This system has no such thing.
    NotHere {
        /// What is missing.
        why: String,
    },
    /// It went wrong.
    Failed {
        /// How.
        why: String,
    },
}

impl Outcome {
    /// Nothing to gain, because of this.
    pub fn nothing(why: impl Into<String>) -> Self {
        Self::NothingToGain { why: why.into() }
    }

    /// Not on this system, because of this.
    pub fn not_here(why: impl Into<String>) -> Self {
        Self::NotHere { why: why.into() }
    }

    /// Failed, because of this.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }

    /// Not permitted: what was refused, and what would permit it.
    pub fn refused(why: impl Into<String>, permit: impl Into<String>) -> Self {
        Self::NotPermitted {
            why: why.into(),
            permit: permit.into(),
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// What came of it.
    pub outcome: Outcome,
    /// What was done, each act in words.
    pub acts: Vec<String>,
    /// The step's own figure before, in bytes; `None` where nothing was measured.
    pub before_bytes: Option<u64>,
    /// The same afterwards.
    pub after_bytes: Option<u64>,
}

impl Taken {
    /// Nothing was done.
    pub fn not(outcome: Outcome) -> Self {
        Self {
            outcome,
            acts: Vec::new(),
            before_bytes: None,
            after_bytes: None,
        }
    }

    /// By how much the step's own figure fell; 0 if it rose meanwhile or was not measured.
    pub fn gained_bytes(&self) -> u64 {
        match (self.before_bytes, self.after_bytes) {
            (Some(before), Some(after)) => before.saturating_sub(after),
            _ => 0,
        }
    }
}

/// What a step did, and what the machine says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What the step did.
    pub taken: Taken,
    /// What could be used before the first limit is met, before the step; `None` where it can't
    /// be read.
    pub room_before_bytes: Option<u64>,
    /// The same afterwards.
    pub room_after_bytes: Option<u64>,
}

/// Takes a step and measures the memory that can be used (the machine's available memory, or
/// what the tightest limit of ours leaves) before and after it.
pub fn measured(step: &mut dyn Step, roots: &Roots) -> Measured {
    let room_before_bytes = room(roots).ok();
    let taken = step.take();
    Measured {
        taken,
        room_before_bytes,
        room_after_bytes: room(roots).ok(),
    }
}

/// What can be used before the first limit is met.
///
/// # Errors
/// When memory can't be read.
pub fn room(roots: &Roots) -> Result<u64, ReadError> {
    Ok(Machine::open(roots)?.read()?.room_bytes())
}
