//! Making a process without copying one.
//!
//! The child shares the runner's memory until it has become the new program (`CLONE_VM`), and
//! the calling thread sleeps for so long (`CLONE_VFORK`). So its cost doesn't grow with the
//! runner, and its errors reach the parent through a field of [`Context`].

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::child::{Context, STEP_EXEC, STEP_WORKDIR, Signals, child};
use super::namespace::{Founding, STEP_MAP, STEP_MOUNT, Way};
use super::signals::BlockedSignals;
use super::stand_in::send_stand_in;

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
    /// Its descriptors: they become 0, 1, 2 and so on, and it gets no others. Where none is
    /// named it keeps ours.
    pub(super) fds: &'a [BorrowedFd<'a>],
    /// The unified group that it is born in.
    pub(super) unified_dir: Option<BorrowedFd<'a>>,
    /// The same group's `cgroup.procs`, for systems that can't give birth in it.
    pub(super) unified_procs: Option<BorrowedFd<'a>>,
    /// `tasks` of further groups (cgroup v1), joined before anything else.
    pub(super) join: &'a [BorrowedFd<'a>],
    /// Whether it leads a session of its own.
    pub(super) session: bool,
    /// What it does on signals at first.
    pub(super) signals: Signals,
    /// The signals that we ignore, as a mask: it would go on ignoring them.
    pub(super) ignored: u64,
    /// What it does first where it begins a namespace.
    pub(super) founding: Option<&'a Founding>,
    /// The namespace that it is born in.
    pub(super) way: Option<Way>,
    /// What is written to its `oom_score_adj`.
    pub(super) oom_score_adj: Option<&'a [u8]>,
    /// Its soft and hard limit of open files, if they are not ours.
    pub(super) descriptors: Option<[u64; 2]>,
}

impl Plan<'_> {
    /// Namespaces can be entered as we do since Linux 5.8, and the newer call is there since 5.3:
    /// the older one would be of no use.
    fn needs_clone3(&self) -> bool {
        self.founding.is_some() || self.way.is_some()
    }
}

/// Where the child failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Before there was a process.
    Process,
    /// On the way into its groups, session and descriptors.
    Group,
    /// Mapping the user of a new namespace.
    Map,
    /// Mounting what a new namespace needs.
    Mount,
    /// Entering its directory.
    Workdir,
    /// Becoming the program.
    Exec,
}

/// The stacks on which children run until they have become something else: one for the child,
/// and one for the stand-in that starts it in a namespace. They are enough, as the parent sleeps
/// meanwhile. The frames take a few hundred bytes of them.
pub(super) struct Stacks {
    pub(super) child: Stack,
    pub(super) stand_in: Option<Stack>,
}

pub(super) struct Stack(Box<[MaybeUninit<u128>]>);

impl Stacks {
    pub(super) fn new() -> Self {
        Self {
            child: Stack::new(),
            stand_in: None,
        }
    }
}

impl Stack {
    const BYTES: usize = 32 * 1024;

    pub(super) fn new() -> Self {
        Self(Box::new_uninit_slice(Self::BYTES / size_of::<u128>()))
    }

    pub(super) fn base(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }
}

/// What of the newest ways the system supports; cleared for good once it has refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    /// `clone3`.
    pub(super) clone3: bool,
    /// Birth in a unified group.
    pub(super) birth: bool,
}

/// Starts the child; returns when it has become its program, or why it could not.
pub(super) fn start(
    plan: &Plan<'_>,
    stacks: &mut Stacks,
    ways: &mut Ways,
) -> Result<(u32, OwnedFd), (Step, io::Error)> {
    loop {
        let tried = *ways;
        match attempt(plan, stacks, tried) {
            Ok(Attempt::Started(pid, pidfd)) => return Ok((pid, pidfd)),
            Ok(Attempt::Stillborn(pidfd)) => {
                reap(&pidfd);
                let birth = tried.clone3 && tried.birth && plan.unified_dir.is_some();
                if !birth {
                    return Err((Step::Process, io::ErrorKind::Interrupted.into()));
                }
                // The kernel kills what is born in this group before it has run at all (see
                // where groups that were killed are renewed), so it joins it instead.
                ways.birth = false;
            }
            Err((Step::Process, error))
                if tried.clone3 && is_unsupported(&error) && !plan.needs_clone3() =>
            {
                ways.clone3 = false;
            }
            Err((Step::Process, error))
                if tried.birth
                    && is_unsupported(&error)
                    && plan.way.is_some()
                    && plan.unified_dir.is_some() =>
            {
                ways.birth = false;
            }
            Err(failure) => return Err(failure),
        }
    }
}

enum Attempt {
    Started(u32, OwnedFd),
    /// It was killed before it ran.
    Stillborn(OwnedFd),
}

fn attempt(plan: &Plan<'_>, stacks: &mut Stacks, ways: Ways) -> Result<Attempt, (Step, io::Error)> {
    let candidates = pointers(plan.candidates);
    let argv = pointers(plan.argv);
    let envp = pointers(plan.envp);
    let mut shell_argv = Vec::with_capacity(argv.len() + 2);
    shell_argv.extend([c"/bin/sh".as_ptr(), ptr::null()]);
    shell_argv.extend(argv.iter().skip(1));
    if plan.argv.is_empty() {
        shell_argv.push(ptr::null());
    }
    let birth = plan.unified_dir.filter(|_| ways.clone3 && ways.birth);
    let join: Vec<RawFd> = plan
        .join
        .iter()
        .chain(plan.unified_procs.as_ref().filter(|_| birth.is_none()))
        .map(AsRawFd::as_raw_fd)
        .collect();
    let mut fds: Vec<RawFd> = plan.fds.iter().map(AsRawFd::as_raw_fd).collect();
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
        founding: plan.founding.map_or(ptr::null(), ptr::from_ref),
        session: plan.session,
        signals: plan.signals,
        // Without clone3 our handlers are there too, and every signal is set back.
        reset: if ways.clone3 { plan.ignored } else { u64::MAX },
        adj: adj.as_ptr(),
        adj_len: adj.len(),
        descriptors: plan.descriptors,
        has_run: false,
        failed_step: 0,
        errno: 0,
    };

    let birth = Birth {
        cgroup: birth.map(|dir| dir.as_raw_fd()),
        namespaces: plan.founding.map_or(0, Founding::flags),
    };
    // SAFETY: the context, all that it points to, the descriptors and the stacks outlive the
    // call, and the parent sleeps in it until the child has become something else.
    let made = unsafe {
        let _blocked = BlockedSignals::block();
        let context = (&raw mut context).cast();
        match plan.way {
            Some(way) => send_stand_in(way, context, birth.cgroup, stacks)?,
            None if ways.clone3 => clone3_child(context, stacks.child.base(), birth),
            None => clone_child(context, stacks.child.base()),
        }
    };
    let (pid, pidfd) = made.map_err(|error| (Step::Process, error))?;
    // SAFETY: the child wrote these through the pointer that it got, behind the compiler's back.
    let (has_run, failed_step, errno) = unsafe {
        (
            ptr::read_volatile(&raw const context.has_run),
            ptr::read_volatile(&raw const context.failed_step),
            ptr::read_volatile(&raw const context.errno),
        )
    };
    let step = match failed_step {
        0 if !has_run => return Ok(Attempt::Stillborn(pidfd)),
        0 => return Ok(Attempt::Started(pid, pidfd)),
        STEP_WORKDIR => Step::Workdir,
        STEP_EXEC => Step::Exec,
        STEP_MAP => Step::Map,
        STEP_MOUNT => Step::Mount,
        _ => Step::Group,
    };
    reap(&pidfd);
    Err((step, io::Error::from_raw_os_error(errno)))
}

/// Takes the status of a child that has ended or is about to. Nobody else knows of it.
pub(super) fn reap(pidfd: &OwnedFd) {
    use std::os::fd::AsFd;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
    {}
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

pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
pub(super) const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// Where a child is born.
#[derive(Clone, Copy)]
struct Birth {
    /// The unified group.
    cgroup: Option<RawFd>,
    /// Which namespaces begin with it.
    namespaces: c_int,
}

/// # Safety
///
/// `context`, all that it points to and the stack must live until the call returns, and nobody
/// else may use them.
unsafe fn clone3_child(
    context: *mut c_void,
    stack: *mut c_void,
    birth: Birth,
) -> io::Result<(u32, OwnedFd)> {
    let mut flags = birth.namespaces as u64 | CLONE_CLEAR_SIGHAND;
    if birth.cgroup.is_some() {
        flags |= CLONE_INTO_CGROUP;
    }
    let kin = Kin {
        flags,
        exit_signal: libc::SIGCHLD,
        cgroup: birth.cgroup,
    };
    // SAFETY: as the caller says; the child calls `child` with a context.
    match unsafe { clone3(child, context, stack, kin) } {
        // SAFETY: the system has just made this descriptor for us.
        Ok((pid, pidfd)) => Ok((pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
        Err(errno) => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// In which relation to us a child is made.
#[derive(Clone, Copy)]
pub(super) struct Kin {
    pub(super) flags: u64,
    pub(super) exit_signal: c_int,
    pub(super) cgroup: Option<RawFd>,
}

/// Makes a child that shares our memory and calls `begin(argument)`; returns when it has left
/// that memory. Answers with its process id and the number of its pidfd, or the error's number.
/// Makes nothing but a system call, so that a stand-in may call it.
///
/// # Safety
///
/// `argument`, all that it points to and the stack must live until the call returns, and nobody
/// else may use them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) unsafe fn clone3(
    begin: extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
    stack: *mut c_void,
    kin: Kin,
) -> Result<(u32, RawFd), c_int> {
    let mut pidfd: RawFd = -1;
    let args = libc::clone_args {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64 | kin.flags,
        pidfd: &raw mut pidfd as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: kin.exit_signal as u64,
        stack: stack as u64,
        stack_size: Stack::BYTES as u64,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: kin.cgroup.map_or(0, |fd| fd as u64),
    };
    let result: i64;
    // SAFETY: the child starts on the empty stack given, which is aligned to 16 bytes, with its
    // registers as they are here; it calls `begin`, which doesn't return. In the parent this is
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
            in("r12") argument,
            in("r13") begin,
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
            in("x20") argument,
            in("x21") begin,
        );
    }
    if result < 0 {
        return Err((-result) as c_int);
    }
    Ok((result as u32, pidfd))
}

/// # Safety
///
/// None is needed; it is the twin of the one for known machines.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn clone3(
    _: extern "C" fn(*mut c_void) -> !,
    _: *mut c_void,
    _: *mut c_void,
    _: Kin,
) -> Result<(u32, RawFd), c_int> {
    Err(libc::ENOSYS)
}

/// The older call: no birth in a group, and handlers are reset by the child (all signals are
/// blocked until it has done so).
///
/// # Safety
///
/// `context`, all that it points to and the stack must live until the call returns, and nobody
/// else may use them.
unsafe fn clone_child(context: *mut c_void, stack: *mut c_void) -> io::Result<(u32, OwnedFd)> {
    extern "C" fn entry(context: *mut c_void) -> c_int {
        child(context)
    }
    let mut pidfd: RawFd = -1;
    // SAFETY: the stack's end is within one allocation and aligned; `entry` never returns, and
    // the parent sleeps until the child has left the shared memory.
    let pid = unsafe {
        libc::clone(
            entry,
            stack.byte_add(Stack::BYTES),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
            context,
            &raw mut pidfd,
        )
    };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system has just made this descriptor for us.
    Ok((pid as u32, unsafe { OwnedFd::from_raw_fd(pidfd) }))
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
