//! The guard as the runner's parent, for machines without usable control groups.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, kill_process, set_child_subreaper, wait,
};
use saferun_memory::{OwnGroups, Roots};

use super::{ENVIRONMENT_MARK, GuardProgram};
use crate::options::Containment;
use crate::slot::tree::ending;
use crate::spawn::signals::{BlockedSignals, signal_fd};
use crate::spawn::{Helper, Spawner, adopt};

/// How long is tried to end what the runner has left. Only a process stuck in the kernel needs
/// so long.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a process is to do after [`enter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Go on: it is the runner.
    Runner,
    /// Exit with this code: it was the guard, and the runner has ended.
    Ended(u8),
}

/// Puts a guard above this process where control groups can't be had. To be called by a
/// program's `main` before it has threads, a runtime or descriptors that matter.
///
/// With control groups it returns [`Role::Runner`] at once. Without, this process starts itself
/// once more with the same arguments in the same process group, as the runner, and stays as its
/// guard: it hands signals on, stops when the runner stops, ends whatever the runner leaves
/// behind, and returns its exit code (128 and the signal's number if a signal ended it).
///
/// Signals from the terminal reach both processes; they are not handed on. Neither are those
/// that the runner itself has sent. What somebody sends to a whole process group reaches both as
/// well, and can't be told apart from what was sent to the guard alone: it is handed on, and so
/// the runner gets it twice within a few milliseconds. It should take the same signal within a
/// tenth of a second as one.
///
/// # Errors
///
/// The system refused what is needed; the program may go on as a runner without a guard above.
pub fn enter(containment: Containment, _program: &GuardProgram) -> io::Result<Role> {
    if is_supervised() || has_groups(containment) {
        return Ok(Role::Runner);
    }
    // What comes from here on waits until it can be handed on.
    let blocked = BlockedSignals::block();
    let signals = signal_fd()?;
    set_child_subreaper(Some(getpid()))?;
    let (runner, pipe) = start_runner()?;
    let status = watch_over(runner, &signals)?;
    ending::end_descendants(Instant::now() + DEADLINE);
    drop((pipe, blocked));
    Ok(Role::Ended(exit_code(status)))
}

/// The pipe from the guard above us, if there is one.
pub(super) fn watch() -> Option<OwnedFd> {
    adopt(marked_pipe()?).ok()
}

pub(super) fn is_supervised() -> bool {
    marked_pipe().is_some()
}

/// The number of the pipe whose closing tells the runner that its guard is gone. The mark names
/// the guard too, so that one that was inherited from farther above is not believed.
fn marked_pipe() -> Option<i32> {
    let mark = std::env::var(ENVIRONMENT_MARK).ok()?;
    let (guard, pipe) = mark.split_once(':')?;
    let parent = getppid()?.as_raw_nonzero().to_string();
    (guard == parent).then(|| pipe.parse().ok()).flatten()
}

fn has_groups(containment: Containment) -> bool {
    containment != Containment::Tree
        && OwnGroups::read(&Roots::default()).is_ok_and(|own| super::seem_usable(&own))
}

fn start_runner() -> io::Result<(Pid, OwnedFd)> {
    let argv = std::env::args_os()
        .map(|arg| CString::new(arg.into_vec()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut envp = std::env::vars_os()
        .filter(|(name, _)| name != ENVIRONMENT_MARK)
        .map(|(name, value)| entry(name, &value))
        .collect::<Result<Vec<_>, _>>()?;
    let (runners_end, pipe) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // The runner keeps it under the same number.
    rustix::io::fcntl_setfd(&runners_end, rustix::io::FdFlags::empty())?;
    let mark = format!("{}:{}", std::process::id(), runners_end.as_raw_fd());
    envp.push(entry(ENVIRONMENT_MARK.into(), mark.as_ref())?);
    let child = Spawner::new().spawn_helper(&Helper {
        candidates: &[c"/proc/self/exe".to_owned()],
        argv: &argv,
        envp: &envp,
        // All of ours: arguments may name descriptors, as in `-a <(command)`.
        fds: &[],
        steadfast: false,
    })?;
    let pid = i32::try_from(child.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((pid, pipe))
}

fn entry(mut name: OsString, value: &std::ffi::OsStr) -> Result<CString, std::ffi::NulError> {
    name.push("=");
    name.push(value);
    CString::new(name.as_bytes())
}

/// Hands signals on and mirrors stops until the runner has ended.
fn watch_over(runner: Pid, signals: &OwnedFd) -> io::Result<WaitStatus> {
    loop {
        // First what has happened already, as a signal may stand for several events.
        if let Some(status) = take_events(runner)? {
            return Ok(status);
        }
        let mut info = [0; 128];
        match rustix::io::read(signals, &mut info) {
            Ok(count) if count == info.len() => hand_on(runner, &info),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes the status of all children that have one; returns the runner's if it has ended.
fn take_events(runner: Pid) -> io::Result<Option<WaitStatus>> {
    loop {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        match wait(options) {
            Ok(Some((pid, status))) if pid == runner => {
                if status.stopped() {
                    stop_too(runner);
                } else {
                    return Ok(Some(status));
                }
            }
            // An orphan that has fallen to us.
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// So that whoever waits for us sees the stop; when we go on, so does the runner.
fn stop_too(runner: Pid) {
    let _ = kill_process(getpid(), Signal::STOP);
    let _ = kill_process(runner, Signal::CONT);
}

/// `struct signalfd_siginfo` begins with the signal's number; its code and the sender follow.
fn hand_on(runner: Pid, info: &[u8; 128]) {
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&info[at..at + 4]);
        i32::from_ne_bytes(bytes)
    };
    let (signal, code, sender) = (number(0), number(8), number(12));
    // Positive codes are the kernel's own: the terminal's reach the runner as well, and those
    // about children concern us alone.
    if code > 0 || sender == runner.as_raw_nonzero().get() {
        return;
    }
    let wanted = [
        Signal::HUP,
        Signal::INT,
        Signal::QUIT,
        Signal::TERM,
        Signal::USR1,
        Signal::USR2,
        Signal::ALARM,
        Signal::TSTP,
    ];
    if let Some(signal) = wanted.into_iter().find(|wanted| wanted.as_raw() == signal) {
        let _ = kill_process(runner, signal);
    }
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}
