//! From a task's command to a request that can be spawned without a further thought.

use std::collections::HashSet;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::OFlags;
use rustix::pipe::PipeFlags;
use saferun_scheduler::TaskId;

use crate::guard::{ENVIRONMENT_MARK, SCOPE_MARK};
use crate::slot::{SlotId, Slots};
use crate::spawn::{self, Child, SpawnError, SpawnRequest};
use crate::task::CommandSpec;

/// The variable that names the run to its tasks.
pub const RUN_VARIABLE: &str = "SAFERUN_RUN";
/// The variable that names the task to itself.
pub const TASK_VARIABLE: &str = "SAFERUN_TASK";

/// A started task: its process and our ends of its pipes.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) child: Child,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// What all tasks of a run have in common.
#[derive(Debug)]
pub(crate) struct Launcher {
    environment: Vec<CString>,
    path: Option<OsString>,
    null: OwnedFd,
    /// The paths tried for the program that was started last: most runs start one program.
    last_program: Option<(OsString, Vec<CString>)>,
}

impl Launcher {
    /// # Errors
    ///
    /// `/dev/null` can't be opened.
    pub(crate) fn new(run: &str) -> std::io::Result<Self> {
        let ours = [RUN_VARIABLE, TASK_VARIABLE, ENVIRONMENT_MARK, SCOPE_MARK];
        let mut environment: Vec<CString> = std::env::vars_os()
            .filter(|(name, _)| !ours.iter().any(|own| name == own))
            .filter_map(|(name, value)| assignment(&name, &value))
            .collect();
        environment.extend(assignment(OsStr::new(RUN_VARIABLE), OsStr::new(run)));
        let null = rustix::fs::open(
            "/dev/null",
            OFlags::RDONLY | OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        Ok(Self {
            environment,
            path: std::env::var_os("PATH"),
            null,
            last_program: None,
        })
    }

    /// Starts a command in a slot.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`].
    pub(crate) fn launch(
        &mut self,
        slots: &mut dyn Slots,
        slot: SlotId,
        task: TaskId,
        command: &CommandSpec,
    ) -> Result<Launched, SpawnError> {
        let invalid = |what: &OsStr| SpawnError::Exec {
            program: command.program.to_string_lossy().into_owned(),
            cause: std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("{:?} holds a NUL byte", what.to_string_lossy()),
            ),
        };
        let text = |what: &OsStr| CString::new(what.as_bytes()).map_err(|_| invalid(what));
        let mut argv = Vec::with_capacity(command.args.len() + 1);
        argv.push(text(&command.program)?);
        for arg in &command.args {
            argv.push(text(arg)?);
        }
        let workdir = command
            .workdir
            .as_ref()
            .map(|dir| text(dir.as_os_str()))
            .transpose()?;
        let path = command
            .env
            .iter()
            .rev()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| value.clone())
            .or_else(|| self.path.clone());
        let cached = self
            .last_program
            .as_ref()
            .is_some_and(|(program, _)| *program == command.program && command.env.is_empty());
        if !cached {
            let mut candidates = spawn::candidates(&command.program, path.as_deref())
                .map_err(|_| invalid(&command.program))?;
            // Each failing exec costs the task as much as this costs the run once.
            let first = candidates.iter().position(|path| {
                rustix::fs::access(path.as_c_str(), rustix::fs::Access::EXISTS).is_ok()
            });
            candidates.drain(..first.unwrap_or(0));
            self.last_program = Some((command.program.clone(), candidates));
        }
        let candidates = self
            .last_program
            .as_ref()
            .map_or(&[][..], |(_, candidates)| candidates);

        let overrides = command
            .env
            .iter()
            // Its marks are not a task's to change: it is found by them.
            .filter(|(name, _)| name != RUN_VARIABLE && name != TASK_VARIABLE)
            .map(|(name, value)| assignment(name, value).ok_or_else(|| invalid(name)))
            .collect::<Result<Vec<_>, _>>()?;
        let common = self.environment.len();
        let task_number = OsString::from(task.0.to_string());
        self.environment
            .extend(assignment(OsStr::new(TASK_VARIABLE), &task_number));
        let special = (!overrides.is_empty()).then(|| with_overrides(&self.environment, overrides));
        let envp = special.as_ref().unwrap_or(&self.environment);

        let started = (|| {
            let (stdout, child_stdout) = pipe().map_err(SpawnError::Process)?;
            let (stderr, child_stderr) = pipe().map_err(SpawnError::Process)?;
            let child = slots.spawn(
                slot,
                &SpawnRequest {
                    candidates,
                    argv: &argv,
                    envp,
                    workdir: workdir.as_ref(),
                    stdin: self.null.as_fd(),
                    stdout: child_stdout.as_fd(),
                    stderr: child_stderr.as_fd(),
                },
            )?;
            Ok(Launched {
                child,
                stdout,
                stderr,
            })
        })();
        self.environment.truncate(common);
        if !command.env.is_empty() {
            // Its PATH may not be everybody's.
            self.last_program = None;
        }
        started
    }
}

/// A pipe: our end, which doesn't block, and the child's, which does.
fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&ours, OFlags::NONBLOCK)?;
    Ok((ours, theirs))
}

/// `None` where there is a NUL inside; what the system handed us holds none.
fn assignment(name: &OsStr, value: &OsStr) -> Option<CString> {
    let mut text = name.as_bytes().to_vec();
    text.push(b'=');
    text.extend_from_slice(value.as_bytes());
    CString::new(text).ok()
}

/// The last of several values for one name counts.
fn with_overrides(base: &[CString], overrides: Vec<CString>) -> Vec<CString> {
    fn name_of(entry: &CString) -> &[u8] {
        let bytes = entry.as_bytes();
        let end = bytes.iter().position(|&b| b == b'=');
        &bytes[..end.unwrap_or(bytes.len())]
    }
    let mut names = HashSet::new();
    let mut last: Vec<CString> = Vec::with_capacity(overrides.len());
    for entry in overrides.into_iter().rev() {
        if names.insert(name_of(&entry).to_vec()) {
            last.push(entry);
        }
    }
    let base = base.iter().filter(|entry| !names.contains(name_of(entry)));
    base.cloned().chain(last).collect()
}
