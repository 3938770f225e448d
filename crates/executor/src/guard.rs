//! The guard: a second process that ends everything of a run when the runner is gone.
//!
//! With control groups it is a child of the runner in a session of its own; the groups, not
//! ancestry, say what belongs to the run ([`main`]). Without them it is the runner's parent
//! ([`enter`]), so that whatever the tasks leave behind becomes its child once the runner is
//! gone; where a program can't arrange that, a child looks for the tasks by their environment.
//!
//! Runner and guard watch each other: a pipe of which the runner holds one end tells the guard,
//! and [`Guard::gone`] tells the runner.

mod ancestor;
mod isolation;
mod keeper;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::PipeFlags;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use saferun_memory::{OwnGroups, Roots};

pub use ancestor::{Role, enter};
pub use isolation::{Isolation, IsolationError, probe};
pub use keeper::main;

use crate::options::{Containment, GuardProgram};
use crate::run_id::RunId;
use crate::slot::tree::{Tree, orphans};
use crate::slot::v1::CgroupV1;
use crate::slot::{GuardedGroup, Slots, v1, v2};
use crate::spawn::{Child, Founder, Helper, Namespace, Spawner, candidates};

/// The environment variable by which [`enter`] tells the runner that it is watched over. It is
/// no concern of tasks.
pub const ENVIRONMENT_MARK: &str = "SAFERUN_SUPERVISED";

/// The environment variable by which a program tells itself that it was moved to a scope of its
/// own (of systemd). It is no concern of tasks.
pub const SCOPE_MARK: &str = "SAFERUN_SCOPED";

/// How long the end of a guard is waited for that still sweeps what dead runs have left.
const FINISH: Duration = Duration::from_secs(3);

/// Chooses the best containment that is allowed and there, and starts the run's guard.
///
/// Why a better one could not be had stands in [`Slots::notes`].
///
/// # Errors
///
/// Not even process trees can be had, or the guard can't be started.
pub fn open(
    containment: Containment,
    run: &RunId,
    program: Option<&GuardProgram>,
) -> io::Result<(Box<dyn Slots>, Option<Guard>)> {
    open_isolated(containment, Isolation::None, run, program)
}

/// As [`open`]; with [`Isolation::Pid`] the guard is the first process of a namespace in which
/// all tasks are born. A guard above us has no part in it then: without groups, the namespace is
/// what nothing gets away from.
///
/// # Errors
///
/// As [`open`]; and an [`IsolationError`] within where the namespace can't be had.
pub fn open_isolated(
    containment: Containment,
    isolation: Isolation,
    run: &RunId,
    program: Option<&GuardProgram>,
) -> io::Result<(Box<dyn Slots>, Option<Guard>)> {
    let (mut slots, guard) = open_guarded(containment, isolation, run, program)?;
    match guard.as_ref().map(Guard::namespace).transpose()?.flatten() {
        Some(namespace) => slots.enter(namespace),
        None if isolation == Isolation::Pid => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "tasks can be isolated only where the run has a guard",
            ));
        }
        None => {}
    }
    Ok((slots, guard))
}

fn open_guarded(
    containment: Containment,
    isolation: Isolation,
    run: &RunId,
    program: Option<&GuardProgram>,
) -> io::Result<(Box<dyn Slots>, Option<Guard>)> {
    let start = |groups: &[GuardedGroup<'_>]| {
        program
            .map(|program| Guard::start(run, program, groups, isolation))
            .transpose()
    };
    let why = match groups_to_use(containment) {
        Ok(Groups::V1(own)) => match CgroupV1::open(&own, run) {
            Ok(slots) => {
                let guard = start(&slots.guarded())?;
                return Ok((Box::new(slots), guard));
            }
            Err(why) => Some(why),
        },
        Ok(Groups::V2(own)) => match v2::Prepared::make(&own, run) {
            Ok(prepared) => {
                // First, as whatever is changed in our own group must be put back by somebody.
                let guard = start(&prepared.guarded())?;
                match prepared.settle(guard.as_ref().and_then(Guard::pid)) {
                    Ok(slots) => return Ok((Box::new(slots), guard)),
                    Err(why) => {
                        if let Some(guard) = guard {
                            guard.finish();
                        }
                        Some(why)
                    }
                }
            }
            Err(why) => Some(why),
        },
        Err(why) => why,
    };
    let slots = Tree::open(why, ancestor::is_supervised())?;
    let guard = match ancestor::watch() {
        Some(fd) if isolation == Isolation::None => Some(Guard(Kind::Ancestor(fd))),
        _ => start(&slots.guarded())?,
    };
    Ok((Box::new(slots), guard))
}

/// The version of control groups that has the memory controller, which is in one only.
enum Groups {
    V1(OwnGroups),
    V2(OwnGroups),
}

fn groups_to_use(containment: Containment) -> Result<Groups, Option<String>> {
    if containment == Containment::Tree {
        return Err(None);
    }
    let own = OwnGroups::read(&Roots::default()).map_err(|error| Some(error.to_string()))?;
    Ok(match own.memory_v1 {
        Some(_) => Groups::V1(own),
        None => Groups::V2(own),
    })
}

/// Whether groups seem usable, without making one.
fn seem_usable(own: &OwnGroups) -> bool {
    match own.memory_v1 {
        Some(_) => v1::seems_usable(own),
        None => v2::seems_usable(own),
    }
}

/// The guard of a run, seen from the runner.
#[derive(Debug)]
pub struct Guard(Kind);

#[derive(Debug)]
enum Kind {
    Child(Keeper),
    /// Our parent; the pipe is the end that tells us that it is gone.
    Ancestor(OwnedFd),
}

/// The guard as our child.
#[derive(Debug)]
struct Keeper {
    child: Child,
    /// The end whose closing tells it that we are gone.
    pipe: Option<OwnedFd>,
    founded: Option<Founded>,
}

/// What a guard has that is the first process of a namespace.
#[derive(Debug)]
struct Founded {
    founder: Founder,
    /// The end whose closing tells us that it is gone. It comes before anything in the namespace
    /// is killed for that, while the process itself stays until all of that is waited for.
    alive: OwnedFd,
}

impl Drop for Keeper {
    /// Waits for it, so that no ended process of ours is left about.
    fn drop(&mut self) {
        self.pipe = None;
        let pidfd = self.child.pidfd.as_fd();
        if let Some(founded) = &self.founded {
            wait_readable(founded.alive.as_fd(), FINISH);
            // From here on it only waits until we have taken the statuses of the tasks in its
            // namespace, so that to wait for it ourselves might be to wait for ever.
            if let Ok(pidfd) = pidfd.try_clone_to_owned() {
                let _ = std::thread::Builder::new()
                    .stack_size(64 * 1024)
                    .spawn(move || waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
            }
        } else if wait_readable(pidfd, FINISH) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _ = waitid(WaitId::PidFd(pidfd), options);
        }
    }
}

impl Guard {
    /// Starts a guard for what `slots` holds, where the one before was killed. With
    /// [`Isolation::Pid`] all that was in its namespace is gone too, and there is a new one.
    ///
    /// # Errors
    ///
    /// It can't be started.
    pub fn restart(
        run: &RunId,
        program: &GuardProgram,
        isolation: Isolation,
        slots: &mut dyn Slots,
    ) -> io::Result<Self> {
        let guard = Self::start(run, program, &slots.guarded(), isolation)?;
        if let Some(namespace) = guard.namespace()? {
            slots.enter(namespace);
        }
        Ok(guard)
    }

    fn start(
        run: &RunId,
        program: &GuardProgram,
        groups: &[GuardedGroup<'_>],
        isolation: Isolation,
    ) -> io::Result<Self> {
        let argv = arguments(run, program, groups)?;
        let path = std::env::var_os("PATH");
        let candidates = candidates(&program.program, path.as_deref())?;
        let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        let (guards_end, pipe) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let (alive, guards_other_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let null = null.as_fd();
        // It writes nothing to its standard output, but has it as long as it lives.
        let output = match isolation {
            Isolation::None => null,
            Isolation::Pid => guards_other_end.as_fd(),
        };
        let mut fds = vec![null, output, null, guards_end.as_fd()];
        fds.extend(groups.iter().flat_map(|group| [group.parent, group.dir]));
        let helper = Helper {
            candidates: &candidates,
            argv: &argv,
            envp: &[],
            fds: &fds,
            steadfast: true,
        };
        let (child, founded) = match isolation {
            Isolation::None => (Spawner::new().spawn_helper(&helper)?, None),
            Isolation::Pid => {
                let (child, founder) = isolation::found(&helper)?;
                (child, Some(Founded { founder, alive }))
            }
        };
        orphans::set_helper(child.pid);
        Ok(Self(Kind::Child(Keeper {
            child,
            pipe: Some(pipe),
            founded,
        })))
    }

    /// The namespace that it is the first process of, if it is.
    fn namespace(&self) -> io::Result<Option<Namespace>> {
        match &self.0 {
            Kind::Child(Keeper {
                child,
                founded: Some(founded),
                ..
            }) => founded.founder.namespace(child).map(Some),
            Kind::Child(_) | Kind::Ancestor(_) => Ok(None),
        }
    }

    /// The guard's process, if it is our child.
    fn pid(&self) -> Option<u32> {
        match &self.0 {
            Kind::Child(keeper) => Some(keeper.child.pid),
            Kind::Ancestor(_) => None,
        }
    }

    /// A descriptor that becomes readable when the guard is gone. It can only be waited for.
    pub fn gone(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Kind::Child(keeper) => match &keeper.founded {
                Some(founded) => founded.alive.as_fd(),
                None => keeper.child.pidfd.as_fd(),
            },
            Kind::Ancestor(pipe) => pipe.as_fd(),
        }
    }

    /// Tells the guard that the run has ended and nothing is left for it to do; best after
    /// [`Slots::shutdown`], so that what happens until then is still watched.
    pub fn finish(self) {
        // An ancestor sees how we end.
        if let Kind::Child(Keeper {
            pipe: Some(pipe), ..
        }) = &self.0
        {
            // It may be gone; then there is nobody to tell.
            let _ = rustix::io::write(pipe, keeper::CLEAN_END);
        }
    }
}

fn arguments(
    run: &RunId,
    program: &GuardProgram,
    groups: &[GuardedGroup<'_>],
) -> io::Result<Vec<CString>> {
    let mut argv = vec![CString::new(program.program.as_bytes())?];
    for arg in &program.args {
        argv.push(CString::new(arg.as_bytes())?);
    }
    argv.push(CString::new(run.as_str())?);
    for group in groups {
        argv.push(CString::new(group.hierarchy.as_str())?);
    }
    Ok(argv)
}

fn wait_readable(fd: BorrowedFd<'_>, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(
            &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
            Some(&timeout),
        ) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(count) => return count > 0,
            Err(_) => return false,
        }
    }
}
