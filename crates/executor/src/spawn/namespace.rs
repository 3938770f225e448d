//! What is done in a child's place to found a PID namespace, or to enter one.
//!
//! A process can't enter a PID namespace itself: only what it starts afterwards is born there.
//! So that the runner stays outside, and every task is its child all the same, a short-lived
//! stand-in enters and starts the task as its own sibling (`CLONE_PARENT`). The stand-in shares
//! the runner's memory and descriptors, so that the task's pidfd is the runner's at once.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;

use super::child::{STEP_GROUP, STEP_WORKDIR, errno};

/// What the first process of a namespace does before it becomes its program.
#[derive(Debug, Clone)]
pub(super) struct Founding {
    /// The lines of its `uid_map` and `gid_map`, where it has a user namespace too.
    pub(super) maps: Option<[CString; 2]>,
}

impl Founding {
    /// The namespaces that it is born with.
    pub(super) fn flags(&self) -> c_int {
        let user = match self.maps {
            Some(_) => libc::CLONE_NEWUSER,
            None => 0,
        };
        user | libc::CLONE_NEWPID | libc::CLONE_NEWNS
    }
}

/// Mapping its user has failed.
pub(super) const STEP_MAP: c_int = 4;
/// Having a `/proc` of its own has failed.
pub(super) const STEP_MOUNT: c_int = 5;

/// Maps the user and mounts a `/proc` that tells of the namespace; answers with the step that
/// has failed and its error.
///
/// # Safety
///
/// Only for a child that shares its parent's memory while the parent sleeps; only system calls
/// are made.
pub(super) unsafe fn found(founding: &Founding) -> Result<(), (c_int, c_int)> {
    // SAFETY: plain system calls on texts that end with a NUL byte.
    unsafe {
        if let Some([users, groups]) = &founding.maps {
            // A single group may be mapped only by who gives up changing them (user_namespaces(7)).
            write(c"/proc/self/setgroups", c"deny").map_err(|errno| (STEP_MAP, errno))?;
            write(c"/proc/self/uid_map", users).map_err(|errno| (STEP_MAP, errno))?;
            write(c"/proc/self/gid_map", groups).map_err(|errno| (STEP_MAP, errno))?;
        }
        // First, so that nothing mounted here is seen outside.
        let private = libc::MS_REC | libc::MS_PRIVATE;
        mount(ptr::null(), c"/", ptr::null(), private)?;
        let quiet = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        mount(c"proc".as_ptr(), c"/proc", c"proc".as_ptr(), quiet)
    }
}

unsafe fn mount(
    source: *const c_char,
    target: &CStr,
    kind: *const c_char,
    flags: libc::c_ulong,
) -> Result<(), (c_int, c_int)> {
    let none = ptr::null::<c_void>();
    // SAFETY: a plain system call on texts that end with a NUL byte, or on null pointers where
    // mount(2) ignores them.
    let done =
        unsafe { libc::syscall(libc::SYS_mount, source, target.as_ptr(), kind, flags, none) };
    if done < 0 {
        return Err((STEP_MOUNT, errno()));
    }
    Ok(())
}

unsafe fn write(path: &CStr, text: &CStr) -> Result<(), c_int> {
    // SAFETY: plain system calls; the text has the length given.
    unsafe {
        let flags = libc::O_WRONLY | libc::O_CLOEXEC;
        let fd = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
        if fd < 0 {
            return Err(errno());
        }
        let length = text.to_bytes().len();
        let written = libc::syscall(libc::SYS_write, fd, text.as_ptr(), length);
        let failure = errno();
        libc::syscall(libc::SYS_close, fd);
        if written < 0 { Err(failure) } else { Ok(()) }
    }
}

/// How a stand-in comes into a namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// The namespace's first process.
    pub(super) init: RawFd,
    /// Which of its namespaces are entered.
    pub(super) flags: c_int,
    /// Its root directory.
    pub(super) root: RawFd,
    /// The runner's working directory, which entering loses.
    pub(super) directory: *const c_char,
}

/// Enters the namespaces, so that what is started next is born there.
///
/// # Safety
///
/// As for [`found`]; the way must be whole.
pub(super) unsafe fn enter(way: &Way) -> Result<(), (c_int, c_int)> {
    // SAFETY: plain system calls on open descriptors and a text that ends with a NUL byte.
    unsafe {
        let failed = |result| result < 0;
        if failed(libc::syscall(libc::SYS_setns, way.init, way.flags))
            // That has led to the root of all mounts, which in a chroot isn't ours.
            || failed(libc::syscall(libc::SYS_fchdir, way.root))
            || failed(libc::syscall(libc::SYS_chroot, c".".as_ptr()))
        {
            return Err((STEP_GROUP, errno()));
        }
        if failed(libc::syscall(libc::SYS_chdir, way.directory)) {
            return Err((STEP_WORKDIR, errno()));
        }
    }
    Ok(())
}
