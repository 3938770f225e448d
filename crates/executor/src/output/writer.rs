//! The thread that writes to our own standard output and error.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::Notify;

use super::{Data, Stream};
use crate::options::Sinks;

/// Above this much unwritten output, nothing new is read or started.
const BACKLOG_BOUND: u64 = 4 << 20;

#[derive(Debug)]
struct Chunk {
    stream: Stream,
    tag: Option<Arc<[u8]>>,
    data: Data,
    /// What it counts in the backlog.
    size: u64,
}

#[derive(Debug, Default)]
struct Shared {
    backlog: AtomicU64,
    /// Nobody reads our standard output any more.
    closed: AtomicBool,
    changed: Notify,
}

/// A handle on the writer; clones write to the same thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    // Unbounded, but nothing is read from tasks, and nothing started, above BACKLOG_BOUND.
    chunks: mpsc::Sender<Chunk>,
    shared: Arc<Shared>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// No thread could be made.
    pub(crate) fn start(sinks: Sinks) -> io::Result<(Self, JoinHandle<()>)> {
        let (chunks, incoming) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("output".into())
            .stack_size(128 * 1024)
            .spawn(move || write_all(sinks, &incoming, &for_thread))?;
        Ok((Self { chunks, shared }, thread))
    }

    /// Hands on bytes of one stream; with a tag each line begins with it.
    pub(crate) fn write(&self, stream: Stream, tag: Option<Arc<[u8]>>, data: Data) {
        let size = size_of_data(&data);
        if size == 0 && matches!(data, Data::Bytes(_)) {
            return;
        }
        self.shared.backlog.fetch_add(size, Ordering::Relaxed);
        // The thread ends only after the last handle is gone; if it panicked, output is lost
        // and there is nobody left to tell.
        let _ = self.chunks.send(Chunk {
            stream,
            tag,
            data,
            size,
        });
    }

    /// Whether so much is unwritten that nothing more should be produced.
    pub(crate) fn is_congested(&self) -> bool {
        self.shared.backlog.load(Ordering::Relaxed) > BACKLOG_BOUND
    }

    /// Waits until there is room again.
    pub(crate) async fn room(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if !self.is_congested() {
                return;
            }
            changed.await;
        }
    }

    /// Whether nobody reads our standard output any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Relaxed)
    }

    /// Waits until nobody reads our standard output any more.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.shared.changed.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }
}

/// What lies on disk counts as well: it fills the disk, and each is an open file.
fn size_of_data(data: &Data) -> u64 {
    match data {
        Data::Bytes(bytes) => bytes.len() as u64,
        Data::File(file, rest) => {
            let on_disk = file.metadata().map_or(0, |metadata| metadata.len());
            on_disk.saturating_add(rest.len() as u64)
        }
    }
}

fn write_all(mut sinks: Sinks, incoming: &mpsc::Receiver<Chunk>, shared: &Shared) {
    loop {
        let chunk = match incoming.try_recv() {
            Ok(chunk) => chunk,
            Err(mpsc::TryRecvError::Empty) => {
                flush(&mut sinks, shared);
                match incoming.recv() {
                    Ok(chunk) => chunk,
                    Err(mpsc::RecvError) => break,
                }
            }
            Err(mpsc::TryRecvError::Disconnected) => break,
        };
        let size = chunk.size;
        let result = match chunk.stream {
            Stream::Stdout if shared.closed.load(Ordering::Relaxed) => Ok(()),
            Stream::Stdout => put(&mut *sinks.stdout, chunk),
            // Nobody to tell when our standard error is gone.
            Stream::Stderr => put(&mut *sinks.stderr, chunk).or(Ok(())),
        };
        if result.is_err() {
            close(shared);
        }
        let before = shared.backlog.fetch_sub(size, Ordering::Relaxed);
        if before > BACKLOG_BOUND && before - size <= BACKLOG_BOUND {
            shared.changed.notify_waiters();
        }
    }
    flush(&mut sinks, shared);
}

fn close(shared: &Shared) {
    shared.closed.store(true, Ordering::Relaxed);
    shared.changed.notify_waiters();
}

fn flush(sinks: &mut Sinks, shared: &Shared) {
    if sinks.stdout.flush().is_err() {
        close(shared);
    }
    // As above: nobody to tell.
    let _ = sinks.stderr.flush();
}

fn put(sink: &mut dyn Write, chunk: Chunk) -> io::Result<()> {
    match (chunk.data, chunk.tag) {
        (Data::Bytes(bytes), None) => sink.write_all(&bytes),
        (Data::File(mut file, rest), None) => {
            io::copy(&mut file, sink)?;
            sink.write_all(&rest)
        }
        (Data::Bytes(bytes), Some(tag)) => put_tagged(sink, &tag, &mut &bytes[..]),
        (Data::File(file, rest), Some(tag)) => {
            put_tagged(sink, &tag, &mut BufReader::new(file.chain(&*rest)))
        }
    }
}

/// Each line after the tag; a last line without its end gets one, so that the next task's line
/// doesn't run into it. Lines of any length pass in bounded pieces.
fn put_tagged(sink: &mut dyn Write, tag: &[u8], source: &mut dyn BufRead) -> io::Result<()> {
    let mut at_line_start = true;
    loop {
        let block = source.fill_buf()?;
        if block.is_empty() {
            break;
        }
        let piece = match block.iter().position(|&byte| byte == b'\n') {
            Some(end) => &block[..=end],
            None => block,
        };
        if at_line_start {
            sink.write_all(tag)?;
        }
        sink.write_all(piece)?;
        at_line_start = piece.ends_with(b"\n");
        let used = piece.len();
        source.consume(used);
    }
    if at_line_start {
        Ok(())
    } else {
        sink.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .expect("not poisoned")
                .extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn tags_stand_before_each_line_and_lines_stay_apart() {
        let kept = Kept::default();
        let sinks = Sinks {
            stdout: Box::new(kept.clone()),
            stderr: Box::new(io::sink()),
        };
        let (writer, thread) = Writer::start(sinks).expect("starts");
        let tag: Arc<[u8]> = Arc::from(&b"x\t"[..]);
        writer.write(
            Stream::Stdout,
            Some(Arc::clone(&tag)),
            Data::Bytes(b"a\n\nb".to_vec()),
        );
        writer.write(Stream::Stdout, None, Data::Bytes(b"\xff\0raw".to_vec()));
        drop(writer);
        thread.join().expect("ends");
        assert_eq!(
            *kept.0.lock().expect("not poisoned"),
            b"x\ta\nx\t\nx\tb\n\xff\0raw"
        );
    }

    #[tokio::test]
    async fn a_closed_output_is_told_once_and_for_all() {
        let sinks = Sinks {
            stdout: Box::new(Gone),
            stderr: Box::new(io::sink()),
        };
        let (writer, thread) = Writer::start(sinks).expect("starts");
        writer.write(Stream::Stdout, None, Data::Bytes(b"a".to_vec()));
        writer.closed().await;
        assert!(writer.is_closed());
        drop(writer);
        thread.join().expect("ends");
    }
}
