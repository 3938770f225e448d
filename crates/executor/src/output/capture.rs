//! One stream of one attempt, captured with a bound in memory.

use std::fs::File;
use std::io::{self, Seek};

use tokio::sync::oneshot;

use super::Data;
use super::spooler::{Spooler, Written};

/// What is kept of one stream in memory before it moves to disk.
const MEMORY_BOUND: usize = 64 * 1024;

/// Bytes of one stream: the first on disk, the last in memory.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    disk: Disk,
    memory: Vec<u8>,
}

#[derive(Debug, Default)]
enum Disk {
    #[default]
    Nothing,
    File(File),
    /// More is being added to it.
    Busy(oneshot::Receiver<Written>),
}

impl Capture {
    /// Whether nothing was captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty() && !self.is_on_disk()
    }

    /// Whether some of it lies on disk, and so is an open file.
    pub(crate) fn is_on_disk(&self) -> bool {
        !matches!(self.disk, Disk::Nothing)
    }

    /// What it holds in memory, in bytes, without what is just being written.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Adds bytes, of which there may be as many as are read at once. What was in memory may go
    /// to disk for them; before more is added, [`Capture::settle`] waits for that.
    pub(crate) fn push(&mut self, bytes: &[u8], spooler: &Spooler) {
        if self.memory.len() + bytes.len() > MEMORY_BOUND {
            self.spill(spooler);
        }
        self.memory.extend_from_slice(bytes);
    }

    /// Waits for what is being written to disk, if anything is. Cancel safe.
    ///
    /// # Errors
    ///
    /// It could not be written, or not all of it; the rest is in memory again.
    pub(crate) async fn settle(&mut self) -> io::Result<()> {
        let Disk::Busy(answer) = &mut self.disk else {
            return Ok(());
        };
        let written = answer.await.unwrap_or_else(|_| Written {
            file: None,
            rest: Vec::new(),
            result: Err(io::Error::other("the thread that writes to disk is gone")),
        });
        self.disk = written.file.map_or(Disk::Nothing, Disk::File);
        if !written.rest.is_empty() {
            let later = std::mem::replace(&mut self.memory, written.rest);
            self.memory.extend_from_slice(&later);
        }
        written.result
    }

    /// Moves what is in memory to disk, if there is anything.
    ///
    /// # Errors
    ///
    /// As for [`Capture::settle`].
    pub(crate) async fn move_to_disk(&mut self, spooler: &Spooler) -> io::Result<()> {
        self.settle().await?;
        self.spill(spooler);
        self.settle().await
    }

    fn spill(&mut self, spooler: &Spooler) {
        if self.memory.is_empty() {
            return;
        }
        let file = match std::mem::take(&mut self.disk) {
            Disk::Nothing => None,
            Disk::File(file) => Some(file),
            busy @ Disk::Busy(_) => {
                // One write at a time keeps the order.
                self.disk = busy;
                return;
            }
        };
        let bytes = std::mem::take(&mut self.memory);
        self.disk = Disk::Busy(spooler.write(file, bytes));
    }

    /// All of it, when nothing is being written.
    ///
    /// # Errors
    ///
    /// The file can't be read from its beginning.
    pub(crate) fn into_data(self) -> io::Result<Data> {
        match self.disk {
            Disk::Nothing => Ok(Data::Bytes(self.memory)),
            Disk::File(mut file) => {
                file.rewind()?;
                Ok(Data::File(file, self.memory))
            }
            Disk::Busy(_) => Err(io::Error::other("output is still being written to disk")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::output::spool::Spool;

    fn spooler() -> Spooler {
        Spooler::new(Some(Spool::find().expect("a spool")))
    }

    fn read(capture: Capture) -> Vec<u8> {
        match capture.into_data().expect("can be read") {
            Data::Bytes(bytes) => bytes,
            Data::File(mut file, rest) => {
                let mut all = Vec::new();
                file.read_to_end(&mut all).expect("can be read");
                all.extend_from_slice(&rest);
                all
            }
        }
    }

    #[tokio::test]
    async fn what_is_small_stays_in_memory_and_what_is_large_does_not() {
        let spooler = spooler();
        let mut small = Capture::default();
        small.push(b"abc", &spooler);
        assert!(!small.is_on_disk());
        assert_eq!(read(small), b"abc");

        let mut large = Capture::default();
        let mut expected = Vec::new();
        for i in 0..100u8 {
            let block = vec![i; 5000];
            large.push(&block, &spooler);
            large.settle().await.expect("spills");
            expected.extend_from_slice(&block);
            // A vector grows by doubling.
            assert!(large.memory_bytes() <= 2 * MEMORY_BOUND);
        }
        assert!(large.is_on_disk());
        assert_eq!(read(large), expected);
    }

    #[tokio::test]
    async fn what_is_small_can_be_moved_to_disk() {
        let mut capture = Capture::default();
        capture.push(b"abc", &spooler());
        capture.move_to_disk(&spooler()).await.expect("written");
        assert!(capture.is_on_disk());
        assert_eq!(capture.memory_bytes(), 0);
        assert_eq!(read(capture), b"abc");
    }

    #[tokio::test]
    async fn without_a_spool_nothing_captured_is_lost() {
        let spooler = Spooler::new(None);
        let mut capture = Capture::default();
        capture.push(&[1; 60_000], &spooler);
        capture.settle().await.expect("fits");
        capture.push(&[2; 60_000], &spooler);
        let error = capture.settle().await.expect_err("no place");
        assert_eq!(error.to_string(), "no directory for spool files");
        assert_eq!(read(capture), [vec![1; 60_000], vec![2; 60_000]].concat());
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn on_a_full_disk_nothing_captured_is_lost() {
        let spooler = Spooler::with(|| File::options().write(true).open("/dev/full"));
        let mut capture = Capture::default();
        capture.push(&[1; 60_000], &spooler);
        capture.push(&[2; 60_000], &spooler);
        let error = capture.settle().await.expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(capture), [vec![1; 60_000], vec![2; 60_000]].concat());
    }

    /// A file that takes 25 pages and then nothing more.
    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn on_a_disk_that_fills_nothing_captured_is_lost_or_twice_there() {
        use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

        const ROOM: usize = 25 * 4096;
        let spooler = Spooler::with(|| {
            let fd = memfd_create("spool", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
            let file = File::from(fd);
            file.set_len(ROOM as u64)?;
            fcntl_add_seals(&file, SealFlags::GROW)?;
            Ok(file)
        });
        let mut capture = Capture::default();
        let mut expected = Vec::new();
        let mut refused = None;
        for i in 0..20u8 {
            let block: Vec<u8> = (0..16_000u32).map(|n| i ^ n.to_le_bytes()[0]).collect();
            capture.push(&block, &spooler);
            expected.extend_from_slice(&block);
            if let Err(error) = capture.settle().await {
                refused = Some(error);
                break;
            }
        }
        assert!(refused.is_some());
        assert!(expected.len() > ROOM);
        assert_eq!(read(capture), expected);
    }
}
