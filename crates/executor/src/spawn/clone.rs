//! The one place with `unsafe` on the way to a process: clone without copying, then exec.
//!
//! The child shares the runner's memory until it has become the new program (`CLONE_VM`), and
//! the calling thread sleeps for so long (`CLONE_VFORK`). So its cost doesn't grow with the
//! runner, its errors reach the parent through a field of [`Context`], and it may do only what
//! a signal handler may: system calls on what the parent has prepared, no allocation, no lock.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::signals::{BlockedSignals, Disposition, set_disposition, unblock_all};

/// What becomes of the child, prepared by the parent.
pub(super) struct Plan<'a> {
    /// Paths to try in order.
    pub(super) candidates: &'a [CString],
    /// The arguments, the program's name first.
    pub(super) argv: &'a [CString],
    /// The environment.
    pub(super) envp: &'a [CString],
    /// Its directory.
    pub(super) workdir: Option<&'a CStr>,
    /// Its descriptors: they become 0, 1, 2 and so on; it gets no others.
    pub(super) fds: &'a [BorrowedFd<'a>],
    /// The unified group that it is born in.
    pub(super) unified_dir: Option<BorrowedFd<'a>>,
    /// The same group's `cgroup.procs`, for systems that can't give birth in it.
    pub(super) unified_procs: Option<BorrowedFd<'a>>,
    /// `cgroup.procs` of further groups, joined before anything else.
    pub(super) join: &'a [BorrowedFd<'a>],
    /// Whether it leads a session of its own.
    pub(super) session: bool,
    /// What it does on signals at first.
    pub(super) signals: Signals,
    /// What is written to its `oom_score_adj`.
    pub(super) oom_score_adj: Option<&'a [u8]>,
}

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

/// Where the child failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Before there was a process, or on the way into its groups and descriptors.
    Process,
    /// Entering its directory.
    Workdir,
    /// Becoming the program.
    Exec,
}

/// The stack on which children run until they have become something else. One is enough, as
/// the parent sleeps meanwhile. The child's frames take a few hundred bytes of it.
pub(super) struct Stack(Box<[MaybeUninit<u128>]>);

impl Stack {
    const BYTES: usize = 32 * 1024;

    pub(super) fn new() -> Self {
        Self(Box::new_uninit_slice(Self::BYTES / size_of::<u128>()))
    }

    fn base(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }
}

/// What the child reads and reports; lives in the parent's frame.
struct Context {
    candidates: *const *const c_char,
    argv: *const *const c_char,
    /// The same arguments behind `/bin/sh` and a place for the script's path.
    shell_argv: *mut *const c_char,
    envp: *const *const c_char,
    workdir: *const c_char,
    fds: *mut RawFd,
    fd_count: usize,
    join: *const RawFd,
    join_count: usize,
    session: bool,
    signals: Signals,
    adj: *const u8,
    adj_len: usize,
    failed_step: c_int,
    errno: c_int,
}

const STEP_PROCESS: c_int = 1;
const STEP_WORKDIR: c_int = 2;
const STEP_EXEC: c_int = 3;

/// Starts the child; returns when it has become its program, or why it could not.
///
/// `clone3` says whether the newest way is to be tried first, and is cleared once the system
/// has refused it.
pub(super) fn start(
    plan: &Plan<'_>,
    stack: &mut Stack,
    clone3: &mut bool,
) -> Result<(u32, OwnedFd), (Step, io::Error)> {
    let candidates = pointers(plan.candidates);
    let argv = pointers(plan.argv);
    let envp = pointers(plan.envp);
    let mut shell_argv = Vec::with_capacity(argv.len() + 2);
    shell_argv.extend([c"/bin/sh".as_ptr(), ptr::null()]);
    shell_argv.extend(argv.iter().skip(1));
    if plan.argv.is_empty() {
        shell_argv.push(ptr::null());
    }
    let mut fds: Vec<RawFd> = plan.fds.iter().map(AsRawFd::as_raw_fd).collect();
    let mut join: Vec<RawFd> = plan.join.iter().map(AsRawFd::as_raw_fd).collect();
    let adj = plan.oom_score_adj.unwrap_or_default();
    let mut context = Context {
        candidates: candidates.as_ptr(),
        argv: argv.as_ptr(),
        shell_argv: shell_argv.as_mut_ptr(),
        envp: envp.as_ptr(),
        workdir: plan.workdir.map_or(ptr::null(), CStr::as_ptr),
        fds: fds.as_mut_ptr(),
        fd_count: fds.len(),
        join: join.as_ptr(),
        join_count: join.len(),
        session: plan.session,
        signals: plan.signals,
        adj: adj.as_ptr(),
        adj_len: adj.len(),
        failed_step: 0,
        errno: 0,
    };

    let mask = BlockedSignals::block();
    let mut made = Err(io::Error::from_raw_os_error(libc::ENOSYS));
    if *clone3 {
        // SAFETY: the context, all that it points to and the stack outlive the call, and the
        // child is done with them when it returns.
        made = unsafe { clone3_child(&mut context, stack, plan.unified_dir) };
        *clone3 = !matches!(&made, Err(error) if is_unsupported(error));
    }
    if !*clone3 {
        if let Some(procs) = plan.unified_procs {
            join.push(procs.as_raw_fd());
            context.join = join.as_ptr();
            context.join_count = join.len();
        }
        // SAFETY: as above.
        made = unsafe { clone_child(&mut context, stack) };
    }
    drop(mask);

    let (pid, pidfd) = made.map_err(|error| (Step::Process, error))?;
    // SAFETY: the child wrote these through the pointer that it got, behind the compiler's back.
    let (failed_step, errno) = unsafe {
        (
            ptr::read_volatile(&raw const context.failed_step),
            ptr::read_volatile(&raw const context.errno),
        )
    };
    if failed_step == 0 {
        return Ok((pid, pidfd));
    }
    // It has exited or is about to: the wait is short, and nobody else knows of this child.
    while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(
        rustix::process::WaitId::PidFd(std::os::fd::AsFd::as_fd(&pidfd)),
        rustix::process::WaitIdOptions::EXITED,
    ) {}
    let step = match failed_step {
        STEP_WORKDIR => Step::Workdir,
        STEP_EXEC => Step::Exec,
        _ => Step::Process,
    };
    Err((step, io::Error::from_raw_os_error(errno)))
}

/// Whether the system doesn't know `clone3` or what we ask of it (old kernels, filters of
/// system calls), as opposed to having no room for a process now.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOSYS | libc::EINVAL | libc::E2BIG | libc::EPERM | libc::EOPNOTSUPP)
    )
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let mut pointers = Vec::with_capacity(strings.len() + 1);
    pointers.extend(strings.iter().map(|s| s.as_ptr()));
    pointers.push(ptr::null());
    pointers
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// # Safety
///
/// `context` and all that it points to must live until the call returns.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
unsafe fn clone3_child(
    context: *mut Context,
    stack: &mut Stack,
    cgroup: Option<BorrowedFd<'_>>,
) -> io::Result<(u32, OwnedFd)> {
    let mut pidfd: RawFd = -1;
    let mut flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64;
    flags |= CLONE_CLEAR_SIGHAND;
    if cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    let args = libc::clone_args {
        flags,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: libc::SIGCHLD as u64,
        stack: stack.base() as u64,
        stack_size: Stack::BYTES as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    };
    let result: i64;
    // SAFETY: the child starts on the empty stack given, which is aligned to 16 bytes, with its
    // registers as they are here; it calls `child`, which doesn't return. In the parent this is
    // one system call, which keeps all registers but those named.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") context,
            in("r13") child as extern "C" fn(*mut Context) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") &raw const args => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x20") context,
            in("x21") child as extern "C" fn(*mut Context) -> !,
        );
    }
    if result < 0 {
        return Err(io::Error::from_raw_os_error((-result) as i32));
    }
    // SAFETY: the system has just made this descriptor for us.
    Ok((result as u32, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// # Safety
///
/// None is needed; it is the twin of the one for known machines.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3_child(
    _: *mut Context,
    _: &mut Stack,
    _: Option<BorrowedFd<'_>>,
) -> io::Result<(u32, OwnedFd)> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// The older call: no birth in a group, and handlers are reset by the child (all signals are
/// blocked until it has done so).
///
/// # Safety
///
/// `context` and all that it points to must live until the call returns.
unsafe fn clone_child(context: *mut Context, stack: &mut Stack) -> io::Result<(u32, OwnedFd)> {
    extern "C" fn entry(context: *mut c_void) -> c_int {
        child(context.cast())
    }
    let mut pidfd: RawFd = -1;
    // SAFETY: the stack's end is within one allocation and aligned; `entry` never returns, and
    // the parent sleeps until the child has left the shared memory.
    let pid = unsafe {
        libc::clone(
            entry,
            stack.base().byte_add(Stack::BYTES),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
            context.cast(),
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this descriptor for us.
    Ok((pid as u32, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// The child's whole life in our code.
extern "C" fn child(context: *mut Context) -> ! {
    // SAFETY: the parent sleeps, so nobody else touches the context; all pointers in it were
    // made from vectors and strings that live in the parent's frame, with the lengths given or
    // ended by a null pointer. Only system calls are made.
    unsafe {
        let context = &mut *context;
        let (step, errno) = run(context);
        context.failed_step = step;
        context.errno = errno;
        loop {
            libc::syscall(libc::SYS_exit_group, 127);
        }
    }
}

fn errno() -> c_int {
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
                return (STEP_PROCESS, errno());
            }
        }
        if context.session && libc::syscall(libc::SYS_setsid) < 0 {
            return (STEP_PROCESS, errno());
        }
        if context.adj_len > 0 {
            raise_oom_score(context.adj, context.adj_len);
        }
        if !context.workdir.is_null() && libc::syscall(libc::SYS_chdir, context.workdir) < 0 {
            return (STEP_WORKDIR, errno());
        }
        if let Err(errno) = place_fds(context.fds, context.fd_count) {
            return (STEP_PROCESS, errno);
        }
        place_signals(context.signals);
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
fn place_signals(signals: Signals) {
    if signals != Signals::Inherited {
        for signal in 1..=64 {
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

/// Takes a descriptor that a parent has left to us under an agreed number, if there is one.
/// It is no longer handed on to children.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: asking for a descriptor's flags is harmless whatever the number is.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if number < 3 || flags < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: it is open, and by the agreement with the parent nobody else in this program
    // knows its number.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}
