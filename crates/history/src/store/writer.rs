//! Writing rows in batches, on a thread of its own, off the path of a run.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::{Retention, Store, StoreError, open};
use crate::row::Row;

/// Rows that wait to be written at most; more are left out and counted.
const MOST_WAITING: usize = 2048;
/// Rows of one transaction at most.
const BATCH: usize = 512;
/// How long the first row of a batch waits for others.
const GATHERING: Duration = Duration::from_millis(250);

/// Takes rows and never blocks; whatever goes wrong is one warning at the end.
#[derive(Debug)]
pub struct Writer {
    rows: Option<SyncSender<Box<Row>>>,
    done: Receiver<Option<String>>,
    lost: u64,
}

impl Writer {
    /// Starts the thread, which opens the file when the first row comes.
    ///
    /// # Errors
    ///
    /// No thread could be made.
    pub fn start(path: PathBuf, retention: Retention) -> std::io::Result<Self> {
        let (rows, to_write) = sync_channel(MOST_WAITING);
        let (tell, done) = sync_channel(1);
        std::thread::Builder::new()
            .name("history".into())
            .stack_size(256 * 1024)
            .spawn(move || {
                // Nobody may be left to hear it.
                let _ = tell.send(write_all(&path, retention, &to_write));
            })?;
        Ok(Self {
            rows: Some(rows),
            done,
            lost: 0,
        })
    }

    /// Hands over one row.
    pub fn add(&mut self, row: Row) {
        let sent = self.rows.as_ref().map(|rows| rows.try_send(Box::new(row)));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.lost += 1;
        }
    }

    /// Waits until everything is written, at most so long; `Some` is the one warning to say.
    pub fn finish(mut self, patience: Duration) -> Option<String> {
        drop(self.rows.take());
        let warning = match self.done.recv_timeout(patience) {
            Ok(warning) => warning,
            Err(RecvTimeoutError::Timeout) => Some(format!(
                "it could not be written within {} s",
                patience.as_secs()
            )),
            Err(RecvTimeoutError::Disconnected) => Some("its writer has failed".to_owned()),
        };
        warning.or_else(|| {
            (self.lost > 0)
                .then(|| format!("{} attempts came too fast and were left out", self.lost))
        })
    }
}

/// Writes until there are no more rows; `Some` is what went wrong.
fn write_all(path: &Path, retention: Retention, rows: &Receiver<Box<Row>>) -> Option<String> {
    let mut batch = Vec::new();
    let mut opened: Option<Store> = None;
    let mut warning = None;
    while gather(rows, &mut batch) {
        match write(path, &mut opened, &batch, &retention) {
            Ok(said) => warning = warning.or(said),
            // From here on rows are dropped as they come: the sender sees no one listening.
            Err(error) => return Some(error.to_string()),
        }
        batch.clear();
    }
    warning
}

/// Waits for a row and what follows it closely; `false` when there will be none.
fn gather(rows: &Receiver<Box<Row>>, batch: &mut Vec<Row>) -> bool {
    let Ok(first) = rows.recv() else {
        return false;
    };
    batch.push(*first);
    let due = Instant::now() + GATHERING;
    while batch.len() < BATCH {
        let left = due.saturating_duration_since(Instant::now());
        match rows.recv_timeout(left) {
            Ok(row) => batch.push(*row),
            Err(_) => break,
        }
    }
    true
}

/// Writes one batch. A file found damaged is opened anew once, which sets it aside.
fn write(
    path: &Path,
    opened: &mut Option<Store>,
    batch: &[Row],
    retention: &Retention,
) -> Result<Option<String>, StoreError> {
    let was_open = opened.is_some();
    let mut store = match opened.take() {
        Some(store) => store,
        None => Store::open(path)?,
    };
    match store.add(batch, retention) {
        Err(StoreError::Database { cause, .. }) if was_open && open::is_damage(&cause) => {
            drop(store);
            store = Store::open(path)?;
            store.add(batch, retention)?;
        }
        other => other?,
    }
    let warning = store.set_aside().map(|aside| {
        format!(
            "it was damaged and is begun anew; what there was is now {}",
            aside.display()
        )
    });
    *opened = Some(store);
    Ok(warning)
}
