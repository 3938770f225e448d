//! Watching one attempt: its output until it has ended, and how it ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{WaitId, WaitIdOptions};
use saferun_scheduler::TaskId;
use tokio::sync::mpsc::UnboundedSender;

use super::copy::CopyFile;
use super::pipe::{Flow, Pipe, Sink};
use crate::output::Stream;
use crate::output::sequence::{Captured, Waiting};
use crate::output::spooler::Spooler;
use crate::output::writer::Writer;
use crate::readiness::Readable;

/// After so many blocks in a row the run has its turn: a task that writes faster than we read
/// would else keep it from looking at memory for as long as it likes.
const BLOCKS_IN_A_ROW: u64 = 8;

/// How the process of an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Code(i32),
    Signal(i32),
    /// It can't be told (somebody else took the status).
    Unknown,
}

/// The process of an attempt has ended and its pipes are drained.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) status: Status,
    pub(crate) captured: Captured,
    /// What went wrong with its output or its watch, and what became of it.
    pub(crate) trouble: Option<String>,
}

/// Everything a watch needs.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) flow: Flow,
    pub(crate) tag: Option<Arc<[u8]>>,
    pub(crate) writer: Writer,
    pub(crate) spooler: Spooler,
    pub(crate) waiting: Waiting,
    /// Where output is copied to as it comes.
    pub(crate) copies: (Option<CopyFile>, Option<CopyFile>),
}

impl Watch {
    /// Watches until the attempt has ended and reports to `ended`.
    pub(crate) async fn run(self, ended: UnboundedSender<Ended>) {
        let task = self.task;
        let attempt = self.attempt;
        let report = match self.watch().await {
            Ok(report) => report,
            // A descriptor that can't be watched: only a broken system gets here. The attempt is
            // reported as ended in an unknown way, and its slot is emptied by the run.
            Err(error) => Ended {
                task,
                attempt,
                status: Status::Unknown,
                captured: Captured::default(),
                trouble: Some(format!("it could not be watched and was ended: {error}")),
            },
        };
        // The run outlives its watches; if it is gone there is nobody to tell.
        let _ = ended.send(report);
    }

    async fn watch(self) -> io::Result<Ended> {
        let pidfd = Readable::new(self.pidfd)?;
        let (out, err) = self.copies;
        let mut stdout = Pipe::new(self.stdout, Stream::Stdout, self.flow, out)?;
        let mut stderr = Pipe::new(self.stderr, Stream::Stderr, self.flow, err)?;
        let sink = Sink {
            tag: self.tag,
            writer: self.writer,
            spooler: self.spooler,
        };
        for block in 1u64.. {
            if block.is_multiple_of(BLOCKS_IN_A_ROW) {
                tokio::task::yield_now().await;
            }
            tokio::select! {
                ready = pidfd.read_with(|_| Ok(())) => {
                    ready?;
                    break;
                }
                open = stdout.pump(&sink), if stdout.open => stdout.open = open,
                open = stderr.pump(&sink), if stderr.open => stderr.open = open,
            }
        }
        stdout.drain(&sink).await;
        stderr.drain(&sink).await;
        let mut captured = Captured {
            stdout: stdout.capture,
            stderr: stderr.capture,
        };
        let mut trouble = match stdout.spool_error.or(stderr.spool_error) {
            Some(error) => Some(format!(
                "output could not be kept on disk ({error}) and was handed on at once"
            )),
            None => stdout.copy_error.or(stderr.copy_error),
        };
        if self.waiting.belongs_on_disk(self.task, &captured)
            && let Err(error) = captured.move_to_disk(&sink.spooler).await
        {
            let told = trouble.get_or_insert_default();
            if told.is_empty() {
                *told = format!("output that waits for its turn: {error}");
            }
        }
        Ok(Ended {
            task: self.task,
            attempt: self.attempt,
            // Last, as until then its process id can be nobody else's.
            status: reap(pidfd.get()),
            captured,
            trouble,
        })
    }
}

fn reap(pidfd: &OwnedFd) -> Status {
    match rustix::process::waitid(
        WaitId::PidFd(pidfd.as_fd()),
        WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
    ) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Status::Code(code),
            (None, Some(signal)) => Status::Signal(signal),
            (None, None) => Status::Unknown,
        },
        Ok(None) | Err(_) => Status::Unknown,
    }
}
