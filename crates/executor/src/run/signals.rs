//! Signals that end or stop a run.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTSTP on every system that tokio knows.
#[cfg(target_os = "linux")]
const TSTP: i32 = rustix::process::Signal::TSTP.as_raw();
#[cfg(not(target_os = "linux"))]
const TSTP: i32 = 18;

/// What somebody wants of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// End it; the signal's number.
    Stop(i32),
    /// Stop in place (Ctrl-Z).
    Suspend,
}

/// Listens while it lives.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    suspend: Signal,
}

impl Signals {
    /// Begins to listen. A hangup that was ignored when the process started (`nohup`) stays so.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub(crate) fn listen() -> io::Result<Self> {
        let hangup = if is_ignored(1) {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
            suspend: signal(SignalKind::from_raw(TSTP))?,
        })
    }

    /// The next wish. Cancel safe.
    pub(crate) async fn next(&mut self) -> Wish {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop(2),
            _ = self.terminate.recv() => Wish::Stop(15),
            _ = hangup => Wish::Stop(1),
            _ = self.suspend.recv() => Wish::Suspend,
        }
    }
}

/// Whether this process ignores a signal, by `SigIgn` of proc_pid_status(5).
fn is_ignored(number: u32) -> bool {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(mask.trim(), 16).ok()
        })
        .is_some_and(|mask| mask & (1 << (number - 1)) != 0)
}
