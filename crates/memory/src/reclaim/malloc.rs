//! The C library's allocator, asked what it holds and told to give back what it doesn't need.

/// What the allocator of this process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeapUse {
    /// What the program has been given and has not given back.
    pub used_bytes: u64,
    /// What the allocator has taken from the system for it.
    pub total_bytes: u64,
}

/// What the allocator of this process holds (`mallinfo2` of glibc 2.33); `None` where it can't
/// say.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn own_heap() -> Option<HeapUse> {
    // SAFETY: mallinfo2 takes nothing, returns a plain structure by value, and takes the
    // allocator's own locks.
    let info = unsafe { libc::mallinfo2() };
    Some(HeapUse {
        used_bytes: (info.uordblks as u64).saturating_add(info.hblkhd as u64),
        total_bytes: (info.arena as u64).saturating_add(info.hblkhd as u64),
    })
}

/// Gives free pages of all arenas back to the system (`malloc_trim`); whether there were any, or
/// `None` where the allocator has no such call.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn trim() -> Option<bool> {
    // SAFETY: malloc_trim may be called at any time from any thread; it takes the allocator's
    // own locks and touches only pages that nobody was given.
    Some(unsafe { libc::malloc_trim(0) } != 0)
}

/// What the allocator of this process holds; never known here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn own_heap() -> Option<HeapUse> {
    None
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn trim() -> Option<bool> {
    None
}
