//! How many processes the kernel has killed for want of memory.

use crate::error::ReadError;
use crate::kept::{Kept, keyed};
use crate::roots::Roots;

/// How many processes the kernel has killed for want of memory since its start, for whatever
/// limit: `oom_kill` in `/proc/vmstat`. The counters of groups go with their group; this one
/// stays, and misses none. It counts the whole machine, strangers included.
///
/// # Errors
/// When it can't be read; kernels before 4.13 don't count.
pub fn kernel_kills() -> Result<u64, ReadError> {
    kernel_kills_in(&Roots::default())
}

/// [`kernel_kills`] of another system.
///
/// # Errors
/// As there.
pub fn kernel_kills_in(roots: &Roots) -> Result<u64, ReadError> {
    let path = roots.proc.join("vmstat");
    let [kills] = Kept::open(&path)?.read(|text| keyed(text, ["oom_kill"]))?;
    kills.ok_or(ReadError::Missing {
        path,
        field: "oom_kill",
    })
}
