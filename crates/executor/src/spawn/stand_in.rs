//! A child of ours that is born in a namespace where we are not (see `namespace`).

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::child::{STEP_WORKDIR, child};
use super::clone::{
    CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP, Kin, Stack, Stacks, Step, clone3, reap,
};
use super::namespace::{Way, enter};

/// What a stand-in needs, and what it leaves behind.
struct Errand {
    way: Way,
    context: *mut c_void,
    stack: *mut c_void,
    cgroup: Option<RawFd>,
    /// The child that it has started.
    born: Option<(u32, RawFd)>,
    failed_step: c_int,
    errno: c_int,
}

/// Starts the child by a stand-in in another namespace; the child is ours all the same.
///
/// # Safety
///
/// As for [`clone3`]; the stack is that of the child among `stacks`.
pub(super) unsafe fn send_stand_in(
    way: Way,
    context: *mut c_void,
    cgroup: Option<RawFd>,
    stacks: &mut Stacks,
) -> Result<io::Result<(u32, OwnedFd)>, (Step, io::Error)> {
    let mut errand = Errand {
        way,
        context,
        stack: stacks.child.base(),
        cgroup,
        born: None,
        failed_step: 0,
        errno: 0,
    };
    let stack = stacks.stand_in.get_or_insert_with(Stack::new).base();
    let kin = Kin {
        // Its descriptors are ours, so that what it opens is.
        flags: libc::CLONE_FILES as u64 | CLONE_CLEAR_SIGHAND,
        exit_signal: libc::SIGCHLD,
        cgroup: None,
    };
    // SAFETY: the errand and its stack outlive the call, and we sleep until it has ended.
    let sent = unsafe { clone3(stand_in, (&raw mut errand).cast(), stack, kin) };
    let failed = |step, errno| (step, io::Error::from_raw_os_error(errno));
    let (_, pidfd) = sent.map_err(|errno| failed(Step::Process, errno))?;
    // SAFETY: the system has just made this descriptor for us; the stand-in wrote its errand
    // behind the compiler's back.
    let (pidfd, errand) = unsafe {
        (
            OwnedFd::from_raw_fd(pidfd),
            ptr::read_volatile(&raw const errand),
        )
    };
    reap(&pidfd);
    match (errand.born, errand.failed_step) {
        // SAFETY: the system has just made this descriptor in our table.
        (Some((pid, pidfd)), _) => Ok(Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) }))),
        (None, STEP_WORKDIR) => Err(failed(Step::Workdir, errand.errno)),
        (None, STEP_BORN) => Ok(Err(io::Error::from_raw_os_error(errand.errno))),
        (None, 0) => Err((Step::Process, io::ErrorKind::Interrupted.into())),
        (None, _) => Err(failed(Step::Group, errand.errno)),
    }
}

/// The child could not be made.
const STEP_BORN: c_int = -1;

/// The stand-in's whole life.
extern "C" fn stand_in(errand: *mut c_void) -> ! {
    // SAFETY: the parent sleeps, so nobody else touches the errand and what it points to. Only
    // system calls are made. It sleeps itself until the child has become something else.
    unsafe {
        let errand = &mut *errand.cast::<Errand>();
        let (step, errno) = match enter(&errand.way) {
            Ok(()) => {
                let mut flags = libc::CLONE_PARENT as u64 | CLONE_CLEAR_SIGHAND;
                if errand.cgroup.is_some() {
                    flags |= CLONE_INTO_CGROUP;
                }
                let kin = Kin {
                    flags,
                    // A sibling's is ours.
                    exit_signal: 0,
                    cgroup: errand.cgroup,
                };
                match clone3(child, errand.context, errand.stack, kin) {
                    Ok(born) => {
                        ptr::write_volatile(&raw mut errand.born, Some(born));
                        (0, 0)
                    }
                    Err(errno) => (STEP_BORN, errno),
                }
            }
            Err(failed) => failed,
        };
        ptr::write_volatile(&raw mut errand.failed_step, step);
        ptr::write_volatile(&raw mut errand.errno, errno);
        loop {
            libc::syscall(libc::SYS_exit_group, 0);
        }
    }
}
