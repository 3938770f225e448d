//! What a child does until it has become its program.
//!
//! It shares the runner's memory, so it may do only what a signal handler may: system calls on
//! what the parent has prepared, no allocation, no lock.

use std::ffi::{c_char, c_int, c_void};
use std::os::fd::RawFd;
use std::ptr;

use super::namespace::{Founding, found};
use super::signals::{Disposition, set_disposition, unblock_all};

/// What the child reads and reports; lives in the parent's frame.
pub(super) struct Context {
    pub(super) candidates: *const *const c_char,
    pub(super) argv: *const *const c_char,
    /// The same arguments behind `/bin/sh` and a place for the script's path.
    pub(super) shell_argv: *mut *const c_char,
    pub(super) envp: *const *const c_char,
    pub(super) workdir: *const c_char,
    pub(super) fds: *mut RawFd,
    pub(super) fd_count: usize,
    pub(super) join: *const RawFd,
    pub(super) join_count: usize,
    /// What it does as the first of a namespace; null if it isn't.
    pub(super) founding: *const Founding,
    pub(super) session: bool,
    pub(super) signals: Signals,
    /// The signals whose disposition isn't the default now, as a mask.
    pub(super) reset: u64,
    pub(super) adj: *const u8,
    pub(super) adj_len: usize,
    /// `struct rlimit64`, if they are to be set.
    pub(super) descriptors: Option<[u64; 2]>,
    /// Set by the child's first instructions.
    pub(super) has_run: bool,
    pub(super) failed_step: c_int,
    pub(super) errno: c_int,
}

pub(super) const STEP_GROUP: c_int = 1;
pub(super) const STEP_WORKDIR: c_int = 2;
pub(super) const STEP_EXEC: c_int = 3;

/// What a child does on signals until it decides itself. In any case it begins with an empty
/// mask and none of our handlers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signals {
    /// The default, whatever the runner does or ignores.
    Default,
    /// It ignores what asks a program to end or stop.
    Steadfast,
    /// It ignores what we ignore.
    Inherited,
}

/// The child's whole life in our code.
pub(super) extern "C" fn child(context: *mut c_void) -> ! {
    // SAFETY: it is called with a context. The parent sleeps, so nobody else touches the context; all pointers in it were
    // made from vectors and strings that live in the parent's frame, with the lengths given or
    // ended by a null pointer. Only system calls are made.
    unsafe {
        let context = &mut *context.cast::<Context>();
        ptr::write_volatile(&raw mut context.has_run, true);
        let (step, errno) = run(context);
        context.failed_step = step;
        context.errno = errno;
        loop {
            libc::syscall(libc::SYS_exit_group, 127);
        }
    }
}

pub(super) fn errno() -> c_int {
    // SAFETY: the location is the calling thread's own, which sleeps in the parent meanwhile.
    unsafe { *libc::__errno_location() }
}

/// # Safety
///
/// Only for the child; see [`child`].
unsafe fn run(context: &mut Context) -> (c_int, c_int) {
    // SAFETY: see `child`.
    unsafe {
        // Groups come first, so that all that follows is charged to them.
        for i in 0..context.join_count {
            let fd = *context.join.add(i);
            if libc::syscall(libc::SYS_write, fd, c"0".as_ptr(), 1usize) < 0 {
                return (STEP_GROUP, errno());
            }
        }
        if !context.founding.is_null()
            && let Err(failed) = found(&*context.founding)
        {
            return failed;
        }
        if context.session && libc::syscall(libc::SYS_setsid) < 0 {
            return (STEP_GROUP, errno());
        }
        if context.adj_len > 0 {
            raise_oom_score(context.adj, context.adj_len);
        }
        if !context.workdir.is_null() && libc::syscall(libc::SYS_chdir, context.workdir) < 0 {
            return (STEP_WORKDIR, errno());
        }
        if context.fd_count > 0
            && let Err(errno) = place_fds(context.fds, context.fd_count)
        {
            return (STEP_GROUP, errno);
        }
        if let Some(limits) = &context.descriptors {
            // Lowering the soft limit is never refused.
            libc::syscall(
                libc::SYS_prlimit64,
                0,
                libc::RLIMIT_NOFILE,
                limits.as_ptr(),
                ptr::null_mut::<c_void>(),
            );
        }
        place_signals(context.signals, context.reset);
        exec(context)
    }
}

/// So that if the kernel must kill after all, it is one of ours. Raising needs no privilege;
/// where there is no `/proc` it can't be done, and the task runs all the same.
unsafe fn raise_oom_score(text: *const u8, len: usize) {
    // SAFETY: plain system calls; the text has the length given.
    unsafe {
        let path = c"/proc/self/oom_score_adj";
        let flags = libc::O_WRONLY | libc::O_CLOEXEC;
        let fd = libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0);
        if fd >= 0 {
            libc::syscall(libc::SYS_write, fd, text, len);
            libc::syscall(libc::SYS_close, fd);
        }
    }
}

/// Makes the descriptors 0, 1, 2 and so on, and closes all others.
unsafe fn place_fds(fds: *mut RawFd, count: usize) -> Result<(), c_int> {
    // SAFETY: `fds` holds `count` numbers; the rest is plain system calls on our own table.
    unsafe {
        let above = count as c_int;
        // One that lies in the way of another moves aside first.
        for i in 0..count {
            if *fds.add(i) < above {
                let moved =
                    libc::syscall(libc::SYS_fcntl, *fds.add(i), libc::F_DUPFD_CLOEXEC, above);
                if moved < 0 {
                    return Err(errno());
                }
                *fds.add(i) = moved as RawFd;
            }
        }
        for i in 0..count {
            if libc::syscall(libc::SYS_dup3, *fds.add(i), i, 0) < 0 {
                return Err(errno());
            }
        }
        if libc::syscall(libc::SYS_close_range, above, c_int::MAX, 0) < 0 {
            // Kernels before 5.9. More than this many are not open in a runner.
            for fd in above..4096 {
                libc::syscall(libc::SYS_close, fd);
            }
        }
    }
    Ok(())
}

/// Dispositions, then an empty mask; none of our handlers is left when it is lifted.
fn place_signals(signals: Signals, reset: u64) {
    if signals != Signals::Inherited {
        for signal in (1..=64).filter(|signal| reset & (1 << (signal - 1)) != 0) {
            set_disposition(signal, Disposition::Default);
        }
    }
    if signals == Signals::Steadfast {
        for signal in [
            libc::SIGHUP,
            libc::SIGINT,
            libc::SIGQUIT,
            libc::SIGTERM,
            libc::SIGTSTP,
        ] {
            set_disposition(signal, Disposition::Ignored);
        }
        // What falls to it as the first of a namespace leaves no ended process lying about.
        set_disposition(libc::SIGCHLD, Disposition::Ignored);
    }
    unblock_all();
}

/// Tries the candidates the way `execvp` does.
unsafe fn exec(context: &mut Context) -> (c_int, c_int) {
    let mut last = libc::ENOENT;
    let mut denied = false;
    // SAFETY: all lists end with a null pointer.
    unsafe {
        let mut next = context.candidates;
        while !(*next).is_null() {
            let path = *next;
            next = next.add(1);
            libc::syscall(libc::SYS_execve, path, context.argv, context.envp);
            last = errno();
            if last == libc::ENOEXEC {
                *context.shell_argv.add(1) = path;
                let shell = *context.shell_argv;
                libc::syscall(libc::SYS_execve, shell, context.shell_argv, context.envp);
                last = errno();
            }
            match last {
                libc::EACCES => denied = true,
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                _ => return (STEP_EXEC, last),
            }
        }
    }
    (STEP_EXEC, if denied { libc::EACCES } else { last })
}
