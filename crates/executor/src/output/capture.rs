//! One stream of one attempt, captured with a bound in memory.

use std::fs::File;
use std::io::{self, Seek, Write};

use super::Data;
use super::spool::Spool;

/// What is kept of one stream in memory before it moves to disk.
const MEMORY_BOUND: usize = 64 * 1024;

/// Bytes of one stream.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    memory: Vec<u8>,
    file: Option<File>,
}

impl Capture {
    /// Whether nothing was captured.
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.file.is_none()
    }

    /// Whether it lies on disk, and so is an open file.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.file.is_some()
    }

    /// What it holds in memory, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }

    /// Whether adding so many bytes goes to disk (and may block).
    pub(crate) fn would_spill(&self, more: usize) -> bool {
        self.file.is_some() || self.memory.len() + more > MEMORY_BOUND
    }

    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// They could not be written to disk; what was captured before is still there.
    pub(crate) fn push(&mut self, bytes: &[u8], spool: Option<&Spool>) -> io::Result<()> {
        if !self.would_spill(bytes.len()) {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let file = self.spill(spool)?;
        let before = file.stream_position()?;
        let written = file.write_all(bytes);
        if written.is_err() {
            // A part of it may be there. Whoever is told of the failure still has all of it.
            file.set_len(before)?;
            file.seek(io::SeekFrom::Start(before))?;
        }
        written
    }

    /// Moves what is in memory to disk, if there is anything.
    ///
    /// # Errors
    ///
    /// It could not be written; it is still in memory.
    pub(crate) fn move_to_disk(&mut self, spool: Option<&Spool>) -> io::Result<()> {
        if !self.memory.is_empty() {
            self.spill(spool)?;
        }
        Ok(())
    }

    fn spill(&mut self, spool: Option<&Spool>) -> io::Result<&mut File> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => spool
                .ok_or_else(|| io::Error::other("no directory for spool files"))?
                .file()?,
        };
        if !self.memory.is_empty() {
            file.write_all(&self.memory)?;
            self.memory = Vec::new();
        }
        Ok(self.file.insert(file))
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// The file can't be read from its beginning.
    pub(crate) fn into_data(self) -> io::Result<Data> {
        match self.file {
            Some(mut file) => {
                file.rewind()?;
                Ok(Data::File(file))
            }
            None => Ok(Data::Bytes(self.memory)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn read(capture: Capture) -> Vec<u8> {
        match capture.into_data().expect("can be read") {
            Data::Bytes(bytes) => bytes,
            Data::File(mut file) => {
                let mut all = Vec::new();
                file.read_to_end(&mut all).expect("can be read");
                all
            }
        }
    }

    #[test]
    fn what_is_small_stays_in_memory_and_what_is_large_does_not() {
        let spool = Spool::find().expect("a spool");
        let mut small = Capture::default();
        small.push(b"abc", Some(&spool)).expect("fits");
        assert!(!small.would_spill(1));
        assert_eq!(read(small), b"abc");

        let mut large = Capture::default();
        let mut expected = Vec::new();
        for i in 0..100u8 {
            let block = vec![i; 5000];
            large.push(&block, Some(&spool)).expect("spills");
            expected.extend_from_slice(&block);
        }
        assert!(large.memory_bytes() <= MEMORY_BOUND);
        assert_eq!(read(large), expected);
    }

    #[test]
    fn without_a_spool_nothing_captured_is_lost() {
        let mut capture = Capture::default();
        capture.push(&[1; 60_000], None).expect("fits");
        assert!(capture.push(&[2; 60_000], None).is_err());
        assert_eq!(read(capture), vec![1; 60_000]);
    }
}
