//! The order in which tasks' captured output is handed on.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use saferun_scheduler::TaskId;

use super::Stream;
use super::capture::Capture;
use super::spooler::Spooler;
use super::writer::Writer;

/// Captured output that waits for its turn may fill so much memory; beyond it goes to disk.
const PENDING_MEMORY_BOUND: usize = 2 << 20;
/// So many tasks may wait for the turn of an earlier one before no further input is taken.
const PENDING_TASKS_BOUND: usize = 4096;
/// So many of them may have spilled to disk: each is an open file.
const PENDING_FILES_BOUND: usize = 256;

/// Both streams of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Captured {
    pub(crate) stdout: Capture,
    pub(crate) stderr: Capture,
}

impl Captured {
    /// Moves what is in memory to disk.
    ///
    /// # Errors
    ///
    /// Some of it could not be written, and stays in memory: better too much there than lost.
    pub(crate) async fn move_to_disk(&mut self, spooler: &Spooler) -> io::Result<()> {
        let stdout = self.stdout.move_to_disk(spooler).await;
        stdout.and(self.stderr.move_to_disk(spooler).await)
    }

    fn memory_bytes(&self) -> usize {
        self.stdout.memory_bytes() + self.stderr.memory_bytes()
    }

    fn files(&self) -> usize {
        usize::from(self.stdout.is_on_disk()) + usize::from(self.stderr.is_on_disk())
    }
}

/// Both streams and the tag of their lines.
type Tagged = (Option<Arc<[u8]>>, Captured);

/// Puts tasks' output in order and hands it on.
#[derive(Debug)]
pub(crate) struct Sequence {
    writer: Writer,
    /// With `--keep-order`: whose turn it is, and who came too early.
    order: Option<Order>,
}

#[derive(Debug, Default)]
struct Order {
    shared: Arc<Shared>,
    early: BTreeMap<u64, Vec<Tagged>>,
    /// Which of the early ones are concluded.
    concluded: std::collections::BTreeSet<u64>,
    files: usize,
}

/// What those must know who hand in output later. Only the sequence changes it.
#[derive(Debug, Default)]
struct Shared {
    turn: AtomicU64,
    /// What waits for its turn in memory.
    memory_bytes: AtomicUsize,
}

/// Tells whoever watches a task where its output has to wait.
#[derive(Debug, Clone)]
pub(crate) struct Waiting(Option<Arc<Shared>>);

impl Waiting {
    /// Whether output of an attempt that has ended is to be moved to disk before it is handed
    /// in, since it isn't its turn and enough waits in memory.
    pub(crate) fn belongs_on_disk(&self, task: TaskId, captured: &Captured) -> bool {
        self.0.as_ref().is_some_and(|shared| {
            let waiting = shared.memory_bytes.load(Ordering::Relaxed);
            shared.turn.load(Ordering::Relaxed) != task.0
                && waiting.saturating_add(captured.memory_bytes()) > PENDING_MEMORY_BOUND
        })
    }
}

impl Sequence {
    pub(crate) fn new(writer: Writer, keep_order: bool) -> Self {
        Self {
            writer,
            order: keep_order.then(Order::default),
        }
    }

    /// Tells where output of an attempt has to wait. It may be asked at any time.
    pub(crate) fn waiting(&self) -> Waiting {
        let order = self.order.as_ref();
        Waiting(order.map(|order| Arc::clone(&order.shared)))
    }

    /// Takes one attempt's output.
    ///
    /// # Errors
    ///
    /// A spooled part could not be read.
    pub(crate) fn add(
        &mut self,
        task: TaskId,
        tag: Option<Arc<[u8]>>,
        captured: Captured,
    ) -> io::Result<()> {
        if captured.stdout.is_empty() && captured.stderr.is_empty() {
            return Ok(());
        }
        let Some(order) = &mut self.order else {
            return hand_on(&self.writer, tag, captured);
        };
        if task.0 == order.shared.turn.load(Ordering::Relaxed) {
            return hand_on(&self.writer, tag, captured);
        }
        let memory_bytes = &order.shared.memory_bytes;
        memory_bytes.fetch_add(captured.memory_bytes(), Ordering::Relaxed);
        order.files += captured.files();
        order.early.entry(task.0).or_default().push((tag, captured));
        Ok(())
    }

    /// The task will hand in nothing more: the next in order may go on.
    ///
    /// # Errors
    ///
    /// A spooled part could not be read.
    pub(crate) fn conclude(&mut self, task: TaskId) -> io::Result<()> {
        let Some(order) = &mut self.order else {
            return Ok(());
        };
        order.concluded.insert(task.0);
        let mut result = Ok(());
        loop {
            let turn = order.shared.turn.load(Ordering::Relaxed);
            for (tag, captured) in order.early.remove(&turn).unwrap_or_default() {
                // Just what was added for it.
                let memory_bytes = &order.shared.memory_bytes;
                memory_bytes.fetch_sub(captured.memory_bytes(), Ordering::Relaxed);
                order.files = order.files.saturating_sub(captured.files());
                result = result.and(hand_on(&self.writer, tag, captured));
            }
            if !order.concluded.remove(&turn) {
                return result;
            }
            order.shared.turn.store(turn + 1, Ordering::Relaxed);
        }
    }

    /// Whether so many tasks wait for an earlier one's turn that no further input should be
    /// taken. What is queued already must still be started: the one whose turn it is may be
    /// among it.
    pub(crate) fn is_congested(&self) -> bool {
        self.order.as_ref().is_some_and(|order| {
            order.concluded.len() >= PENDING_TASKS_BOUND || order.files >= PENDING_FILES_BOUND
        })
    }
}

fn hand_on(writer: &Writer, tag: Option<Arc<[u8]>>, captured: Captured) -> io::Result<()> {
    if !captured.stdout.is_empty() {
        writer.write(Stream::Stdout, tag.clone(), captured.stdout.into_data()?);
    }
    if !captured.stderr.is_empty() {
        writer.write(Stream::Stderr, tag, captured.stderr.into_data()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Sinks;
    use crate::output::spool::Spool;

    async fn captured(bytes: usize, spooler: &Spooler) -> Captured {
        let mut captured = Captured::default();
        for _ in 0..bytes.div_ceil(50_000) {
            captured.stdout.push(&[b'x'; 50_000], spooler);
            captured.stdout.settle().await.expect("kept");
        }
        captured
    }

    #[tokio::test]
    async fn open_files_that_wait_are_counted_until_they_are_handed_on() {
        let spooler = Spooler::new(Some(Spool::find().expect("a spool")));
        let sinks = Sinks {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        };
        let (writer, thread) = Writer::start(sinks).expect("starts");
        let mut sequence = Sequence::new(writer, true);
        let waiting = sequence.waiting();
        let files = |sequence: &Sequence| sequence.order.as_ref().map(|order| order.files);
        // Small ones in memory, until there are too many; and a large one, on disk from the start.
        for task in 1..=100 {
            let mut captured = captured(50_000, &spooler).await;
            if waiting.belongs_on_disk(TaskId(task), &captured) {
                captured.move_to_disk(&spooler).await.expect("moved");
            }
            sequence.add(TaskId(task), None, captured).expect("kept");
        }
        let moved = files(&sequence).expect("an order");
        assert!((40..100).contains(&moved), "{moved}");
        let large = captured(200_000, &spooler).await;
        sequence.add(TaskId(101), None, large).expect("kept");
        assert_eq!(files(&sequence), Some(moved + 1));
        // Whose turn it is waits for nothing.
        let own = captured(50_000, &spooler).await;
        assert!(!waiting.belongs_on_disk(TaskId(0), &own));
        for task in (0..=101).rev() {
            sequence.conclude(TaskId(task)).expect("handed on");
        }
        assert_eq!(files(&sequence), Some(0));
        let left = waiting
            .0
            .map(|shared| shared.memory_bytes.load(Ordering::Relaxed));
        assert_eq!(left, Some(0));
        drop(sequence);
        thread.join().expect("ends");
    }

    #[tokio::test]
    async fn without_an_order_nothing_waits() {
        let spooler = Spooler::new(None);
        let sinks = Sinks {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        };
        let (writer, thread) = Writer::start(sinks).expect("starts");
        let sequence = Sequence::new(writer, false);
        let mut huge = Captured::default();
        huge.stdout
            .push(&vec![0; 2 * PENDING_MEMORY_BOUND], &spooler);
        assert!(!sequence.waiting().belongs_on_disk(TaskId(7), &huge));
        drop(sequence);
        thread.join().expect("ends");
    }
}
