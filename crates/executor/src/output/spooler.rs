//! Writing captured output to disk, on a thread of its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use super::spool::Spool;

/// Makes an empty file.
type Place = Arc<dyn Fn() -> io::Result<File> + Send + Sync>;

/// The one thread that writes what all streams have captured beyond their bound in memory.
///
/// A disk may take seconds for a write, and the loop of a run has to brake in milliseconds. The
/// thread is started by the first write: most runs have none. Clones share it. It ends with the
/// last of them, when what it is writing then is written, and nobody waits for that.
#[derive(Clone)]
pub(crate) struct Spooler {
    place: Place,
    // Unbounded, but no stream is read further while its one job waits here.
    jobs: Arc<Mutex<Option<mpsc::Sender<Job>>>>,
}

struct Job {
    /// Where to add the bytes; none yet for the first of a stream.
    file: Option<File>,
    bytes: Vec<u8>,
    written: oneshot::Sender<Written>,
}

/// What became of bytes that were to be written.
#[derive(Debug)]
pub(crate) struct Written {
    /// All that was ever written, if anything was.
    pub(crate) file: Option<File>,
    /// What could not be written. It follows what is in the file.
    pub(crate) rest: Vec<u8>,
    pub(crate) result: io::Result<()>,
}

impl Spooler {
    /// Writes to unlinked files of this directory; without one nothing can be written.
    pub(crate) fn new(spool: Option<Spool>) -> Self {
        Self::with(move || match &spool {
            Some(spool) => spool.file(),
            None => Err(io::Error::other("no directory for spool files")),
        })
    }

    /// Writes to files that `place` makes, which may block.
    pub(crate) fn with(place: impl Fn() -> io::Result<File> + Send + Sync + 'static) -> Self {
        Self {
            place: Arc::new(place),
            jobs: Arc::default(),
        }
    }

    /// Adds bytes to a file, or to a new one. Never blocks for the disk; the answer tells when
    /// it is done.
    pub(super) fn write(&self, file: Option<File>, bytes: Vec<u8>) -> oneshot::Receiver<Written> {
        let (written, answer) = oneshot::channel();
        let job = Job {
            file,
            bytes,
            written,
        };
        if let Err((job, error)) = self.hand_over(job) {
            // Whoever asks holds the other end.
            let _ = job.written.send(Written {
                file: job.file,
                rest: job.bytes,
                result: Err(error),
            });
        }
        answer
    }

    fn hand_over(&self, job: Job) -> Result<(), (Job, io::Error)> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*jobs {
            Some(sender) => sender,
            None => match start(Arc::clone(&self.place)) {
                Ok(sender) => jobs.insert(sender),
                Err(error) => return Err((job, error)),
            },
        };
        sender.send(job).map_err(|mpsc::SendError(job)| {
            let gone = "the thread that writes to disk is gone";
            (job, io::Error::other(gone))
        })
    }
}

impl fmt::Debug for Spooler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spooler").finish_non_exhaustive()
    }
}

fn start(place: Place) -> io::Result<mpsc::Sender<Job>> {
    let (sender, jobs) = mpsc::channel::<Job>();
    std::thread::Builder::new()
        .name("spool".into())
        .stack_size(128 * 1024)
        .spawn(move || {
            for job in jobs {
                // An attempt that nobody watches any more needs nothing on disk.
                if !job.written.is_closed() {
                    let _ = job.written.send(carry_out(job.file, job.bytes, &place));
                }
            }
        })?;
    Ok(sender)
}

fn carry_out(file: Option<File>, mut bytes: Vec<u8>, place: &Place) -> Written {
    let is_new = file.is_none();
    let mut file = match file.map_or_else(|| place(), Ok) {
        Ok(file) => file,
        Err(error) => {
            return Written {
                file: None,
                rest: bytes,
                result: Err(error),
            };
        }
    };
    let (count, result) = write_from_the_start(&mut file, &bytes);
    bytes.drain(..count);
    Written {
        file: (!is_new || count > 0).then_some(file),
        rest: bytes,
        result,
    }
}

/// As `write_all`, but tells how much was written before an error.
fn write_from_the_start(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut count = 0;
    while let Some(left) = bytes.get(count..).filter(|left| !left.is_empty()) {
        match file.write(left) {
            Ok(0) => return (count, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Err(error)),
        }
    }
    (count, Ok(()))
}
