//! Masks and dispositions of signals by raw system calls, which the C library's functions don't
//! allow for the signals that it keeps for itself.

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

/// All signals are blocked for the calling thread while this lives, those that the C library
/// keeps for itself too. Else a handler of the runner could run in a child that shares its
/// memory.
#[derive(Debug)]
pub(crate) struct BlockedSignals(u64);

impl BlockedSignals {
    pub(crate) fn block() -> Self {
        Self(set_mask(u64::MAX))
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        set_mask(self.0);
    }
}

/// Empties the calling thread's mask.
pub(super) fn unblock_all() {
    set_mask(0);
}

fn set_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: both masks are as large as the size given.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const mask,
            &raw mut before,
            size_of::<u64>(),
        );
    }
    before
}

/// What happens on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disposition {
    Default = 0,
    Ignored = 1,
}

/// Sets what happens on a signal in this process; those that can't be set stay as they are.
pub(super) fn set_disposition(signal: c_int, disposition: Disposition) {
    // The kernel's structure in all its layouts begins with the handler; no flags, no mask.
    let action = [disposition as usize, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the structure is at least as large as what the system reads, and neither of the
    // two dispositions runs any code of ours.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigaction,
            signal,
            action.as_ptr(),
            ptr::null_mut::<c_void>(),
            size_of::<u64>(),
        );
    }
}

/// The signals that this process ignores now, as a mask.
pub(super) fn ignored() -> u64 {
    let mut mask = 0;
    for signal in 1..=64 {
        let mut action = [0usize; 8];
        // SAFETY: the structure is at least as large as what the system writes.
        let result = unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                ptr::null::<c_void>(),
                action.as_mut_ptr(),
                size_of::<u64>(),
            )
        };
        if result == 0 && action[0] == Disposition::Ignored as usize {
            mask |= 1 << (signal - 1);
        }
    }
    mask
}

/// A descriptor from which the blocked signals are read.
pub(crate) fn signal_fd() -> io::Result<OwnedFd> {
    let all = u64::MAX;
    // SAFETY: the mask is as large as the size given; a result of zero or more is a descriptor
    // that the system has just made for us.
    unsafe {
        let fd = libc::syscall(
            libc::SYS_signalfd4,
            -1,
            &raw const all,
            size_of::<u64>(),
            libc::SFD_CLOEXEC,
        );
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(fd as c_int))
    }
}
