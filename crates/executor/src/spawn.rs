//! Starting a process that is born where it belongs.

use std::ffi::{CString, NulError, OsStr, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags};

#[expect(unsafe_code, reason = "clone without fork needs it")]
mod child;
#[expect(unsafe_code, reason = "clone without fork needs it")]
mod clone;
#[expect(unsafe_code, reason = "what a child does before exec is system calls")]
mod namespace;
#[expect(unsafe_code, reason = "raw signal calls, before and without a runtime")]
pub(crate) mod signals;
#[expect(unsafe_code, reason = "clone without fork needs it")]
mod stand_in;

use child::Signals;
pub(crate) use clone::adopt;
use clone::{Plan, Stacks, Step, Ways};
use namespace::{Founding, Way};

/// What is started. Everything is prepared beforehand, so that nothing is allocated between
/// clone and exec.
#[derive(Debug)]
pub struct SpawnRequest<'a> {
    /// Paths to try in order (the `PATH` search done beforehand, or the one path given).
    pub candidates: &'a [CString],
    /// The arguments, the program's name first.
    pub argv: &'a [CString],
    /// The environment, `NAME=value` each.
    pub envp: &'a [CString],
    /// Where it runs; `None` is the runner's own directory.
    pub workdir: Option<&'a CString>,
    /// Its standard input.
    pub stdin: BorrowedFd<'a>,
    /// Its standard output.
    pub stdout: BorrowedFd<'a>,
    /// Its standard error.
    pub stderr: BorrowedFd<'a>,
}

/// A started process, leader of a session of its own.
#[derive(Debug)]
pub struct Child {
    /// Its process id.
    pub pid: u32,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is not there, or may not be run.
    #[error("{program}: {cause}")]
    Exec {
        /// The program as given.
        program: String,
        /// The system's word.
        cause: std::io::Error,
    },
    /// Its directory can't be entered.
    #[error("{directory}: {cause}")]
    Workdir {
        /// The directory.
        directory: String,
        /// The system's word.
        cause: std::io::Error,
    },
    /// The system could not make a process now (no memory, too many processes): the task is not
    /// at fault, and the same may succeed later.
    #[error("no process could be made: {0}")]
    Process(std::io::Error),
}

/// The paths at which a program is looked for, in order: itself where it holds a slash, else
/// below each directory of `path` (an empty one is the current directory), as `execvp` does.
///
/// # Errors
///
/// There is a NUL byte inside.
pub fn candidates(program: &OsStr, path: Option<&OsStr>) -> Result<Vec<CString>, NulError> {
    let name = program.as_bytes();
    if name.is_empty() || name.contains(&b'/') {
        return Ok(vec![CString::new(name)?]);
    }
    path.map_or(b"/bin:/usr/bin".as_slice(), OsStr::as_bytes)
        .split(|&b| b == b':')
        .map(|dir| {
            let dir = if dir.is_empty() { b".".as_slice() } else { dir };
            CString::new([dir, b"/", name].concat())
        })
        .collect()
}

/// The groups that a child is born in.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The directory of a unified group.
    pub(crate) unified_dir: Option<BorrowedFd<'a>>,
    /// Its `cgroup.procs`, where birth in it isn't supported.
    pub(crate) unified_procs: Option<BorrowedFd<'a>>,
    /// `tasks` of further groups (cgroup v1), which it moves itself to.
    pub(crate) join: &'a [BorrowedFd<'a>],
}

/// A helper of our own that is started: the guard, or the runner by the guard.
#[derive(Debug)]
pub(crate) struct Helper<'a> {
    pub(crate) candidates: &'a [CString],
    pub(crate) argv: &'a [CString],
    pub(crate) envp: &'a [CString],
    /// They become its descriptors 0, 1, 2 and so on, and it gets no others; if there are none
    /// here, it has all of ours that outlive `exec`, under their numbers.
    pub(crate) fds: &'a [BorrowedFd<'a>],
    /// Whether it has a session of its own and ignores what asks a program to end or stop;
    /// else it stays in our process group and ignores what we ignore.
    pub(crate) steadfast: bool,
}

/// A PID namespace in which tasks are born, held by its first process. That one's end is the end
/// of everything in it.
#[derive(Debug)]
pub struct Namespace {
    /// Its first process, as we see it.
    pub(crate) init: u32,
    init_fd: OwnedFd,
    flags: c_int,
    root: OwnedFd,
    directory: CString,
}

/// The namespaces that a helper begins.
#[derive(Debug, Clone)]
pub(crate) struct Founder(Founding);

impl Founder {
    /// A PID namespace with mounts of its own, and if need be a user namespace, in which only
    /// our own user and group are mapped. The latter needs no privileges where the system
    /// permits it.
    pub(crate) fn new(with_users: bool) -> Self {
        let line = |id: u32| CString::new(format!("{id} {id} 1")).unwrap_or_default();
        Self(Founding {
            maps: with_users.then(|| {
                [
                    line(rustix::process::geteuid().as_raw()),
                    line(rustix::process::getegid().as_raw()),
                ]
            }),
        })
    }

    /// The namespace that this helper has begun.
    ///
    /// # Errors
    ///
    /// It is gone already, or our working directory is.
    pub(crate) fn namespace(&self, helper: &Child) -> io::Result<Namespace> {
        let path = format!("/proc/{}/root", helper.pid);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = std::env::current_dir()?;
        Ok(Namespace {
            init: helper.pid,
            init_fd: helper.pidfd.try_clone()?,
            flags: self.0.flags(),
            root: rustix::fs::open(path, flags, Mode::empty())?,
            directory: CString::new(directory.as_os_str().as_bytes())?,
        })
    }
}

/// Why a helper could not be started.
#[derive(Debug)]
pub(crate) struct HelperError {
    /// Which part of beginning a namespace was refused, if it was that.
    pub(crate) refused: Option<Refused>,
    /// The system's word.
    pub(crate) cause: io::Error,
}

/// What of a namespace the system has refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The namespace itself.
    Namespace,
    /// To map our user in it.
    Map,
    /// To mount its `/proc`.
    Mount,
}

impl From<HelperError> for io::Error {
    fn from(error: HelperError) -> Self {
        error.cause
    }
}

/// Starts processes; keeps what is needed for it from one to the next.
pub(crate) struct Spawner {
    stacks: Stacks,
    namespace: Option<Namespace>,
    ways: Ways,
    oom_score_adj: Vec<u8>,
    /// The signals that this process ignored when it began to spawn.
    ignored: u64,
}

impl std::fmt::Debug for Spawner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spawner")
            .field("ways", &self.ways)
            .finish_non_exhaustive()
    }
}

/// How much likelier than the runner a task is to be chosen by the kernel's killer.
const OOM_SCORE_RAISE: i32 = 500;

impl Spawner {
    pub(crate) fn new() -> Self {
        let own = std::fs::read_to_string("/proc/self/oom_score_adj")
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok())
            .unwrap_or(0);
        Self {
            stacks: Stacks::new(),
            namespace: None,
            ways: Ways {
                clone3: true,
                birth: true,
            },
            oom_score_adj: (own + OOM_SCORE_RAISE).min(1000).to_string().into_bytes(),
            ignored: signals::ignored(),
        }
    }

    /// From here on tasks are born in this namespace.
    pub(crate) fn enter(&mut self, namespace: Namespace) {
        self.namespace = Some(namespace);
    }

    /// Starts a task's command.
    pub(crate) fn spawn(
        &mut self,
        request: &SpawnRequest<'_>,
        place: Place<'_>,
    ) -> Result<Child, SpawnError> {
        let plan = Plan {
            candidates: request.candidates,
            argv: request.argv,
            envp: request.envp,
            workdir: request.workdir.map(CString::as_c_str),
            fds: &[request.stdin, request.stdout, request.stderr],
            unified_dir: place.unified_dir,
            unified_procs: place.unified_procs,
            join: place.join,
            founding: None,
            way: self.namespace.as_ref().map(|namespace| Way {
                init: namespace.init_fd.as_raw_fd(),
                flags: namespace.flags,
                root: namespace.root.as_raw_fd(),
                directory: namespace.directory.as_ptr(),
            }),
            session: true,
            signals: Signals::Default,
            ignored: self.ignored,
            oom_score_adj: Some(&self.oom_score_adj),
            descriptors: crate::descriptors::of_tasks(),
        };
        clone::start(&plan, &mut self.stacks, &mut self.ways)
            .map(|(pid, pidfd)| Child { pid, pidfd })
            .map_err(|(step, cause)| {
                if matches!(step, Step::Process | Step::Group) || is_passing(&cause) {
                    return SpawnError::Process(cause);
                }
                let text = |s: Option<&CString>| {
                    s.map(|s| s.to_string_lossy().into_owned())
                        .unwrap_or_default()
                };
                match step {
                    Step::Workdir => SpawnError::Workdir {
                        directory: match (request.workdir, &self.namespace) {
                            (None, Some(namespace)) => text(Some(&namespace.directory)),
                            (asked, _) => text(asked),
                        },
                        cause,
                    },
                    _ => SpawnError::Exec {
                        program: text(request.argv.first()),
                        cause,
                    },
                }
            })
    }

    /// Starts a helper outside all groups.
    pub(crate) fn spawn_helper(&mut self, helper: &Helper<'_>) -> io::Result<Child> {
        Ok(self.start_helper(helper, None)?)
    }

    /// Starts a helper that is the first process of a new namespace.
    pub(crate) fn spawn_founder(
        &mut self,
        helper: &Helper<'_>,
        founder: &Founder,
    ) -> Result<Child, HelperError> {
        self.start_helper(helper, Some(&founder.0))
    }

    fn start_helper(
        &mut self,
        helper: &Helper<'_>,
        founding: Option<&Founding>,
    ) -> Result<Child, HelperError> {
        let plan = Plan {
            candidates: helper.candidates,
            argv: helper.argv,
            envp: helper.envp,
            workdir: None,
            fds: helper.fds,
            unified_dir: None,
            unified_procs: None,
            join: &[],
            founding,
            way: None,
            session: helper.steadfast,
            signals: if helper.steadfast {
                Signals::Steadfast
            } else {
                Signals::Inherited
            },
            ignored: self.ignored,
            oom_score_adj: None,
            descriptors: None,
        };
        clone::start(&plan, &mut self.stacks, &mut self.ways)
            .map(|(pid, pidfd)| Child { pid, pidfd })
            .map_err(|(step, cause)| HelperError {
                refused: match step {
                    Step::Process if founding.is_some() => Some(Refused::Namespace),
                    Step::Map => Some(Refused::Map),
                    Step::Mount => Some(Refused::Mount),
                    _ => None,
                },
                cause,
            })
    }
}

/// Whether the same may succeed later: the system was short of something.
fn is_passing(cause: &io::Error) -> bool {
    matches!(
        cause.raw_os_error(),
        Some(libc::EAGAIN | libc::ENOMEM | libc::ENFILE | libc::EMFILE | libc::ENOBUFS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(program: &str, path: Option<&str>) -> Vec<String> {
        candidates(OsStr::new(program), path.map(OsStr::new))
            .expect("no NUL")
            .into_iter()
            .map(|c| c.into_string().expect("text"))
            .collect()
    }

    #[test]
    fn a_name_is_looked_up_and_a_path_is_not() {
        assert_eq!(paths("ls", Some("/a::b")), ["/a/ls", "./ls", "b/ls"]);
        assert_eq!(paths("./ls", Some("/a")), ["./ls"]);
        assert_eq!(paths("ls", None), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(paths("", Some("/a")), [""]);
    }

    /// What a shell command exits with when it is started in these ways.
    fn exit_code(spawner: &mut Spawner, place: Place<'_>) -> Option<i32> {
        use std::os::fd::AsFd;

        use rustix::process::{WaitId, WaitIdOptions, waitid};

        let null = std::fs::File::open("/dev/null").expect("/dev/null");
        let argv = ["sh", "-c", "exit 5"].map(|arg| CString::new(arg).expect("no NUL"));
        let request = SpawnRequest {
            candidates: &[c"/no/such/sh".to_owned(), c"/bin/sh".to_owned()],
            argv: &argv,
            envp: &[],
            workdir: Some(&c"/".to_owned()),
            stdin: null.as_fd(),
            stdout: null.as_fd(),
            stderr: null.as_fd(),
        };
        let child = spawner.spawn(&request, place).expect("it starts");
        waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)
            .expect("a child")
            .expect("a status")
            .exit_status()
    }

    #[test]
    fn the_older_way_starts_the_same() {
        let mut spawner = Spawner::new();
        spawner.ways.clone3 = false;
        assert_eq!(exit_code(&mut spawner, Place::default()), Some(5));
        assert_eq!(exit_code(&mut spawner, Place::default()), Some(5));
    }

    #[test]
    fn a_group_that_was_killed_can_still_be_joined() {
        use std::os::fd::AsFd;

        use saferun_memory::{OwnGroups, Roots};

        use crate::slot::v1::{files, group};

        let own = OwnGroups::read(&Roots::default()).expect("groups").unified;
        let name = format!("{}{}", group::PREFIX, crate::run_id::RunId::new());
        let made = own
            .filter(|own| own.exact)
            .and_then(|own| group::RunGroup::make(group::Hierarchy::Unified, &own.dir, &name).ok());
        let Some(run) = made else {
            println!("skipped: no unified group can be made here");
            return;
        };
        group::kill(run.dir.as_fd());
        let procs = files::open_write(&run.dir, "cgroup.procs").expect("writable");
        let place = Place {
            unified_dir: Some(run.dir.as_fd()),
            unified_procs: Some(procs.as_fd()),
            join: &[],
        };
        assert_eq!(exit_code(&mut Spawner::new(), place), Some(5));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
        run.end(deadline).expect("removed");
    }

    #[test]
    fn a_nul_inside_is_an_error() {
        assert!(candidates(OsStr::new("a\0b"), None).is_err());
    }
}
