//! What memory there is, who holds it, and when to look again.
//!
//! The crate reads; only what lies in [`reclaim`] changes anything. It has no runtime and no
//! thread of its own: every reading is one call that returns at once.
//!
//! - [`Machine`] says what there is: physical memory and the limit of every control group that
//!   we live in, and which of them leaves least room.
//! - [`GroupV1`] and [`GroupV2`] say what one control group holds, on kept descriptors.
//! - [`ProcessTable`] says what trees of processes hold where there are no groups.
//! - [`session_use`] and [`top_holders`] say who holds memory, [`Pressure`] who waits for it.
//! - [`Pace`] says when to look again.
//! - [`memory_usage`], [`is_memory_high`], [`clean_up`] and [`wait_until_memory_below`] serve a
//!   program between its own tasks. The last is the only call that waits.
//!
//! Figures are bytes. What could not be read is an error, never a zero: memory of which
//! nothing is known must not be taken for free memory.
//!
//! ```no_run
//! use saferun_memory::{Machine, Roots, show};
//!
//! let mut machine = Machine::open(&Roots::default())?;
//! let reading = machine.read()?;
//! println!("{} of {} free", show(reading.room_bytes()), show(reading.limit_bytes()));
//! # Ok::<(), saferun_memory::ReadError>(())
//! ```
#![deny(missing_docs)]
#![deny(unsafe_code)]

mod bytes;
mod cleanup;
mod error;
mod holders;
mod machine;
pub mod reclaim;
mod roots;
mod sampler;
mod usage;
mod wait;

#[cfg(target_os = "linux")]
mod census;
#[cfg(target_os = "linux")]
mod flaw;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod kept;
#[cfg(target_os = "linux")]
mod kills;
#[cfg(target_os = "linux")]
pub mod leftovers;
#[cfg(target_os = "linux")]
mod mounts;
#[cfg(target_os = "linux")]
mod open_files;
#[cfg(target_os = "linux")]
mod own_groups;
#[cfg(target_os = "linux")]
mod pressure;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod programs;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod tmpfs;
#[cfg(target_os = "linux")]
mod tree;

pub use bytes::{Amount, Limit, SizeError, parse_size, show};
pub use cleanup::{CleanUp, clean_up, clean_up_measured};
pub use error::ReadError;
pub use holders::{Holder, sanitised, top_holders};
pub use machine::{Binding, GroupReading, LimitKind, Machine, MachineReading};
pub use roots::Roots;
pub use sampler::{Pace, WORST_FILL_PER_THREAD, next_delay, worst_fill};
pub use usage::{MemoryUsage, is_memory_high, memory_usage};
pub use wait::{Look, WaitError, Watch, wait_until_memory_below};

#[cfg(target_os = "linux")]
pub use census::{Census, Process};
#[cfg(target_os = "linux")]
pub use group::{GroupV1, GroupV2, MemoryEvents, OomState};
#[cfg(target_os = "linux")]
pub use kills::{kernel_kills, kernel_kills_in};
#[cfg(target_os = "linux")]
pub use open_files::{DeletedFile, DeletedFiles, deleted_files, is_in_memory};
#[cfg(target_os = "linux")]
pub use own_groups::{GroupPath, OwnGroups};
#[cfg(target_os = "linux")]
pub use pressure::{Pressure, PressureReader, Stall};
#[cfg(target_os = "linux")]
pub use process::ProcessId;
#[cfg(target_os = "linux")]
pub use program::Program;
#[cfg(target_os = "linux")]
pub use programs::{MemberHeld, ProgramUse, TreeHeld, holders_by_program};
#[cfg(target_os = "linux")]
pub use session::{SessionUse, session_use, session_use_bytes};
#[cfg(target_os = "linux")]
pub use tmpfs::{TmpfsFile, TmpfsFiles, tmpfs_files};
#[cfg(target_os = "linux")]
pub use tree::{ProcessTable, TreePss, TreeUse};
