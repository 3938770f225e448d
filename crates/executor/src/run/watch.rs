//! Watching one attempt: its output until it has ended, and how it ended.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::process::{WaitId, WaitIdOptions};
use saferun_scheduler::TaskId;
use tokio::sync::mpsc::UnboundedSender;

use super::copy::CopyFile;
use crate::output::sequence::Captured;
use crate::output::spool::Spool;
use crate::output::writer::Writer;
use crate::output::{Data, Stream};
use crate::readiness::Readable;

/// Bytes read from a pipe at once.
const BLOCK: usize = 16 * 1024;
/// What may still lie in the pipe of a task that has ended: a pipe's largest size without
/// privileges (pipe(7), pipe-max-size).
const DRAIN_BOUND: usize = 1 << 20;
/// After so many blocks in a row the run has its turn: a task that writes faster than we read
/// would else keep it from looking at memory for as long as it likes.
const BLOCKS_IN_A_ROW: u64 = 8;
/// A line that is longer is handed on in pieces.
const LINE_BOUND: usize = 64 * 1024;

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

/// What becomes of output as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Kept until the attempt has ended.
    Captured,
    /// Handed on line by line.
    Lines,
    /// Handed on as it comes.
    Live,
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
    pub(crate) spool: Arc<Option<Spool>>,
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
            spool: self.spool,
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
        stdout.drain(&sink);
        stderr.drain(&sink);
        Ok(Ended {
            task: self.task,
            attempt: self.attempt,
            status: reap(pidfd.get()),
            trouble: match stdout.spool_error.or(stderr.spool_error) {
                Some(error) => Some(format!(
                    "output could not be kept on disk ({error}) and was handed on at once"
                )),
                None => stdout.copy_error.or(stderr.copy_error),
            },
            captured: Captured {
                stdout: stdout.capture,
                stderr: stderr.capture,
            },
        })
    }
}

struct Sink {
    tag: Option<Arc<[u8]>>,
    writer: Writer,
    spool: Arc<Option<Spool>>,
}

struct Pipe {
    fd: Readable,
    stream: Stream,
    flow: Flow,
    open: bool,
    capture: crate::output::capture::Capture,
    line: Vec<u8>,
    spool_error: Option<String>,
    copy: Option<CopyFile>,
    copy_error: Option<String>,
}

impl Pipe {
    fn new(fd: OwnedFd, stream: Stream, flow: Flow, copy: Option<CopyFile>) -> io::Result<Self> {
        Ok(Self {
            fd: Readable::new(fd)?,
            stream,
            flow,
            open: true,
            capture: crate::output::capture::Capture::default(),
            line: Vec::new(),
            spool_error: None,
            copy,
            copy_error: None,
        })
    }

    /// Takes one block; tells whether there may be more. Cancel safe: a block is read and kept
    /// without waiting in between.
    async fn pump(&mut self, sink: &Sink) -> bool {
        if self.flow != Flow::Captured {
            sink.writer.room().await;
        }
        // Read and kept in one go, so that the block isn't part of what is awaited.
        let mut taken = Vec::new();
        let read = self.fd.read_with(|fd| {
            let mut block = [0; BLOCK];
            let count = rustix::io::read(fd, &mut block)?;
            taken.extend_from_slice(&block[..count]);
            Ok(())
        });
        match read.await {
            Ok(()) if taken.is_empty() => false,
            Ok(()) => {
                self.take(&taken, sink);
                true
            }
            Err(error) => error.kind() == io::ErrorKind::Interrupted,
        }
    }

    /// Takes what is in the pipe of a process that has ended. Somebody else may still hold its
    /// other end and write on, so there is a bound.
    fn drain(&mut self, sink: &Sink) {
        let mut block = [0; BLOCK];
        let mut left = DRAIN_BOUND;
        while self.open && left > 0 {
            match rustix::io::read(self.fd.get(), &mut block) {
                Ok(0) => break,
                Ok(count) => {
                    self.take(&block[..count], sink);
                    left = left.saturating_sub(count);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if !self.line.is_empty() {
            let rest = std::mem::take(&mut self.line);
            sink.writer
                .write(self.stream, sink.tag.clone(), Data::Bytes(rest));
        }
    }

    fn take(&mut self, bytes: &[u8], sink: &Sink) {
        if let Some(copy) = &mut self.copy
            && let Err(error) = copy.add(bytes)
        {
            // The task is not to blame, and its output is still handed on.
            self.copy = None;
            self.copy_error = Some(format!("a copy of its output can't be written: {error}"));
        }
        self.hand_on(bytes, sink);
    }

    fn hand_on(&mut self, bytes: &[u8], sink: &Sink) {
        match self.flow {
            Flow::Live => {
                sink.writer
                    .write(self.stream, sink.tag.clone(), Data::Bytes(bytes.to_vec()))
            }
            Flow::Lines => self.take_lines(bytes, sink),
            Flow::Captured => {
                if let Err(error) = self.capture.push(bytes, sink.spool.as_ref().as_ref()) {
                    // Nothing may be lost, so what can't be kept is handed on out of turn.
                    self.spool_error = Some(error.to_string());
                    self.flow = Flow::Live;
                    let capture = std::mem::take(&mut self.capture);
                    if let Ok(data) = capture.into_data() {
                        sink.writer.write(self.stream, sink.tag.clone(), data);
                    }
                    self.hand_on(bytes, sink);
                }
            }
        }
    }

    fn take_lines(&mut self, bytes: &[u8], sink: &Sink) {
        let whole = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if self.line.len() + bytes.len() > LINE_BOUND => bytes.len(),
            None => 0,
        };
        if whole > 0 {
            let mut lines = std::mem::take(&mut self.line);
            lines.extend_from_slice(&bytes[..whole]);
            sink.writer
                .write(self.stream, sink.tag.clone(), Data::Bytes(lines));
        }
        self.line.extend_from_slice(&bytes[whole..]);
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
