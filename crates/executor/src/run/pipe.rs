//! One end of a pipe that a task writes into, and what becomes of what comes.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::copy::CopyFile;
use crate::output::capture::Capture;
use crate::output::spooler::Spooler;
use crate::output::writer::Writer;
use crate::output::{Data, Stream};
use crate::readiness::Readable;

/// Bytes read from a pipe at once.
const BLOCK: usize = 16 * 1024;
/// What may still lie in the pipe of a task that has ended: a pipe's largest size without
/// privileges (pipe(7), pipe-max-size).
const DRAIN_BOUND: usize = 1 << 20;
/// A line that is longer is handed on in pieces.
const LINE_BOUND: usize = 64 * 1024;

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

/// Where what comes is kept or handed on.
pub(super) struct Sink {
    pub(super) tag: Option<Arc<[u8]>>,
    pub(super) writer: Writer,
    pub(super) spooler: Spooler,
}

pub(super) struct Pipe {
    fd: Readable,
    stream: Stream,
    flow: Flow,
    pub(super) open: bool,
    pub(super) capture: Capture,
    line: Vec<u8>,
    pub(super) spool_error: Option<String>,
    copy: Option<CopyFile>,
    pub(super) copy_error: Option<String>,
}

impl Pipe {
    pub(super) fn new(
        fd: OwnedFd,
        stream: Stream,
        flow: Flow,
        copy: Option<CopyFile>,
    ) -> io::Result<Self> {
        Ok(Self {
            fd: Readable::new(fd)?,
            stream,
            flow,
            open: true,
            capture: Capture::default(),
            line: Vec::new(),
            spool_error: None,
            copy,
            copy_error: None,
        })
    }

    /// Takes one block; tells whether there may be more. Nothing is read while what came before
    /// is being written to disk, so that a slow disk holds up the task and nobody else. Cancel
    /// safe: a block is read and kept without waiting in between.
    pub(super) async fn pump(&mut self, sink: &Sink) -> bool {
        self.settle(sink).await;
        if self.flow != Flow::Captured {
            sink.writer.room().await;
        }
        // Read and kept in one go, so that the block isn't part of what is awaited.
        let mut taken = Vec::new();
        let read = self.fd.read_with(|fd| {
            taken = read_block(fd)?;
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
    pub(super) async fn drain(&mut self, sink: &Sink) {
        self.settle(sink).await;
        let mut left = DRAIN_BOUND;
        while self.open && left > 0 {
            match read_block(self.fd.get()) {
                Ok(block) if block.is_empty() => break,
                Ok(block) => {
                    self.take(&block, sink);
                    left = left.saturating_sub(block.len());
                    self.settle(sink).await;
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

    /// Waits for what is being written to disk. Cancel safe.
    async fn settle(&mut self, sink: &Sink) {
        if let Err(error) = self.capture.settle().await {
            // Nothing may be lost, so what can't be kept is handed on out of turn.
            self.spool_error = Some(error.to_string());
            self.flow = Flow::Live;
            let capture = std::mem::take(&mut self.capture);
            if let Ok(data) = capture.into_data() {
                sink.writer.write(self.stream, sink.tag.clone(), data);
            }
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
            Flow::Captured => self.capture.push(bytes, &sink.spooler),
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

fn read_block(fd: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    let mut block = [0; BLOCK];
    let count = rustix::io::read(fd, &mut block)?;
    Ok(block.get(..count).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};
    use std::time::Duration;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;
    use crate::options::Sinks;
    use crate::output::spool::Spool;

    /// Far more than anything here takes on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A disk that does nothing until it is told to.
    fn slow_disk() -> (Spooler, Sender<()>) {
        let spool = Spool::find().expect("a spool");
        let (go, told) = channel();
        let told = Mutex::new(told);
        let spooler = Spooler::with(move || {
            let told = told.lock().expect("not poisoned");
            told.recv_timeout(PATIENCE)
                .map_err(|_| io::Error::other("nobody let the disk go on"))?;
            spool.file()
        });
        (spooler, go)
    }

    fn sink(spooler: Spooler) -> Sink {
        let (writer, _) = Writer::start(Sinks {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        })
        .expect("starts");
        Sink {
            tag: None,
            writer,
            spooler,
        }
    }

    /// A pipe into which another thread writes all of this.
    fn fed(bytes: Vec<u8>) -> Pipe {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
        rustix::io::ioctl_fionbio(&ours, true).expect("set");
        std::thread::spawn(move || File::from(theirs).write_all(&bytes));
        Pipe::new(ours, Stream::Stdout, Flow::Captured, None).expect("watched")
    }

    fn content(capture: Capture) -> Vec<u8> {
        match capture.into_data().expect("can be read") {
            Data::Bytes(bytes) => bytes,
            Data::File(file, rest) => {
                let mut all = Vec::new();
                io::copy(&mut io::Read::chain(file, &*rest), &mut all).expect("can be read");
                all
            }
        }
    }

    fn pattern(length: u32) -> Vec<u8> {
        (0..length).map(|n| (n / 3).to_le_bytes()[0]).collect()
    }

    #[tokio::test]
    async fn a_slow_disk_holds_up_its_own_stream_and_no_other() {
        let (spooler, disk) = slow_disk();
        let sink = sink(spooler);
        let large = pattern(1 << 20);
        let mut slow = fed(large.clone());
        // Until it waits for the disk.
        while !slow.capture.is_on_disk() {
            assert!(slow.pump(&sink).await);
        }
        let small = pattern(60_000);
        let mut other = fed(small.clone());
        // The disk does nothing until the other stream is at its end.
        let mut open = true;
        while open {
            tokio::select! {
                biased;
                _ = slow.pump(&sink) => panic!("read on, though the disk has written nothing"),
                more = other.pump(&sink) => open = more,
            }
        }
        assert_eq!(content(other.capture), small);
        // The rest is where the task must wait for it: in the pipe.
        assert!(slow.capture.memory_bytes() <= 2 * BLOCK);
        assert!(rustix::io::ioctl_fionread(slow.fd.get()).expect("asked") > 0);
        disk.send(()).expect("it waits");
        while slow.pump(&sink).await {}
        assert_eq!(slow.spool_error, None);
        assert_eq!(content(slow.capture), large);
    }

    #[tokio::test]
    async fn what_the_disk_refuses_is_handed_on_in_order() {
        let bytes = pattern(300_000);
        let kept = tempfile::tempfile().expect("a file");
        let (writer, thread) = Writer::start(Sinks {
            stdout: Box::new(kept.try_clone().expect("cloned")),
            stderr: Box::new(io::sink()),
        })
        .expect("starts");
        let sink = Sink {
            tag: None,
            writer,
            spooler: Spooler::with(|| Err(io::ErrorKind::StorageFull.into())),
        };
        let mut pipe = fed(bytes.clone());
        while pipe.pump(&sink).await {}
        pipe.drain(&sink).await;
        assert!(pipe.spool_error.is_some());
        assert!(pipe.capture.is_empty());
        drop(sink);
        thread.join().expect("ends");
        let mut all = vec![0; bytes.len()];
        let metadata = kept.metadata().expect("asked");
        assert_eq!(metadata.len(), bytes.len() as u64);
        std::os::unix::fs::FileExt::read_exact_at(&kept, &mut all, 0).expect("read");
        assert!(all == bytes, "other bytes");
    }
}
