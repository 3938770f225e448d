//! A file of JSON lines, written by a thread of its own, so that a reader at the other end of a
//! pipe can't hold up the run.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Above this many unwritten bytes what is of least worth is left out.
const BEHIND: usize = 256 * 1024;

/// Above this many unwritten bytes everything is left out, and counted.
const FULL: usize = 2 * 1024 * 1024;

/// How long the end of a run waits for a reader.
const LAST_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    lost: u64,
    closed: bool,
    finished: bool,
}

#[derive(Debug, Default)]
struct Shared {
    backlog: Mutex<Backlog>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file and what waits to be written to it.
#[derive(Debug)]
pub(crate) struct JsonFile {
    shared: Arc<Shared>,
}

impl JsonFile {
    /// Creates or empties the file.
    ///
    /// # Errors
    ///
    /// It can't be written, or no thread could be made.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("json".into())
            .stack_size(64 * 1024)
            .spawn(move || write_all(file, &for_thread))?;
        Ok(Self { shared })
    }

    /// Whether the reader is so slow that figures are better left out.
    pub(crate) fn is_behind(&self) -> bool {
        self.shared.lock().bytes.len() > BEHIND
    }

    /// Adds one line; `always` even where nothing else would find room.
    pub(crate) fn add(&mut self, line: &[u8], always: bool) {
        let mut backlog = self.shared.lock();
        if backlog.bytes.len() > FULL && !always {
            backlog.lost += 1;
            return;
        }
        let lost = std::mem::take(&mut backlog.lost);
        if lost > 0 {
            let text = format!("{{\"event\":\"lost\",\"events\":{lost}}}\n");
            backlog.bytes.extend_from_slice(text.as_bytes());
        }
        backlog.bytes.extend_from_slice(line);
        drop(backlog);
        self.shared.changed.notify_all();
    }
}

impl Drop for JsonFile {
    fn drop(&mut self) {
        let mut backlog = self.shared.lock();
        backlog.closed = true;
        self.shared.changed.notify_all();
        // A reader that has stopped reading must not keep a finished run alive.
        let _ = self
            .shared
            .changed
            .wait_timeout_while(backlog, LAST_WAIT, |backlog| !backlog.finished)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

fn write_all(mut file: File, shared: &Shared) {
    loop {
        let backlog = shared.lock();
        let mut backlog = shared
            .changed
            .wait_while(backlog, |backlog| {
                backlog.bytes.is_empty() && !backlog.closed
            })
            .unwrap_or_else(PoisonError::into_inner);
        let bytes = std::mem::take(&mut backlog.bytes);
        if bytes.is_empty() {
            break;
        }
        drop(backlog);
        // A full disk or a reader that has gone costs the record, never the run.
        let _ = file.write_all(&bytes);
    }
    shared.lock().finished = true;
    shared.changed.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_written_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let mut file = JsonFile::create(&path).unwrap();
        for _ in 0..1000 {
            file.add(b"{}\n", false);
        }
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"{}\n".repeat(1000));
    }
}
