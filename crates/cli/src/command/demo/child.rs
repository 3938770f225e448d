//! Programs run by the demo, and signals that end it in order.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal as RawSignal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::CliError;

/// The signals that end the demo.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one's number. Cancel safe.
    pub(super) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        }
    }
}

/// Runs a program to its end. A signal is handed on to it, and once it has ended the demo ends
/// too.
pub(super) async fn run(
    command: &mut Command,
    signals: &mut Signals,
) -> Result<ExitStatus, CliError> {
    let mut child = command
        .spawn()
        .map_err(|cause| not_started(command, &cause))?;
    wait(&mut child, signals, false).await
}

/// Waits for a program; `group` says that it leads a process group to which signals go.
pub(super) async fn wait(
    child: &mut Child,
    signals: &mut Signals,
    group: bool,
) -> Result<ExitStatus, CliError> {
    let lost = |cause| CliError::system("a program can't be waited for", cause);
    let ended = tokio::select! {
        status = child.wait() => return status.map_err(lost),
        number = signals.next() => number,
    };
    hand_on(child, ended, group);
    child.wait().await.map_err(lost)?;
    Err(CliError::Signal(ended))
}

fn hand_on(child: &Child, number: i32, group: bool) {
    let Some(pid) = child
        .id()
        .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
    else {
        return;
    };
    let signal = match number {
        1 => RawSignal::HUP,
        15 => RawSignal::TERM,
        _ => RawSignal::INT,
    };
    // One that has just ended needs no signal.
    let _ = if group {
        rustix::process::kill_process_group(pid, signal)
    } else {
        kill_process(pid, signal)
    };
}

/// A program that could not be started.
pub(super) fn not_started(command: &Command, cause: &io::Error) -> CliError {
    let program = crate::printable::printable(command.as_std().get_program(), 60);
    CliError::usage(
        format!("{program} can't be started: {cause}"),
        "look at it by hand",
    )
}
