//! The order in which tasks' captured output is handed on.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use saferun_scheduler::TaskId;

use super::Stream;
use super::capture::Capture;
use super::spool::Spool;
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

/// Both streams and the tag of their lines.
type Tagged = (Option<Arc<[u8]>>, Captured);

/// Puts tasks' output in order and hands it on.
#[derive(Debug)]
pub(crate) struct Sequence {
    writer: Writer,
    spool: Option<Spool>,
    /// With `--keep-order`: whose turn it is, and who came too early.
    order: Option<Order>,
}

#[derive(Debug, Default)]
struct Order {
    turn: u64,
    early: BTreeMap<u64, Vec<Tagged>>,
    /// Which of the early ones are concluded.
    concluded: std::collections::BTreeSet<u64>,
    memory_bytes: usize,
    files: usize,
}

impl Sequence {
    pub(crate) fn new(writer: Writer, spool: Option<Spool>, keep_order: bool) -> Self {
        Self {
            writer,
            spool,
            order: keep_order.then(Order::default),
        }
    }

    /// Takes one attempt's output.
    ///
    /// # Errors
    ///
    /// A spooled part could not be read, or what waits for its turn could not be moved to disk
    /// and stays in memory.
    pub(crate) fn add(
        &mut self,
        task: TaskId,
        tag: Option<Arc<[u8]>>,
        mut captured: Captured,
    ) -> io::Result<()> {
        if captured.stdout.is_empty() && captured.stderr.is_empty() {
            return Ok(());
        }
        let Some(order) = &mut self.order else {
            return hand_on(&self.writer, tag, captured);
        };
        if task.0 == order.turn {
            return hand_on(&self.writer, tag, captured);
        }
        let mut moved = Ok(());
        if order.memory_bytes + memory_bytes(&captured) > PENDING_MEMORY_BOUND {
            // What can't be moved stays in memory: better too much there than lost.
            moved = (captured.stdout.move_to_disk(self.spool.as_ref()))
                .and(captured.stderr.move_to_disk(self.spool.as_ref()));
        }
        order.memory_bytes += memory_bytes(&captured);
        order.files += files(&captured);
        order.early.entry(task.0).or_default().push((tag, captured));
        moved
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
            for (tag, captured) in order.early.remove(&order.turn).unwrap_or_default() {
                order.memory_bytes = order.memory_bytes.saturating_sub(memory_bytes(&captured));
                order.files = order.files.saturating_sub(files(&captured));
                result = result.and(hand_on(&self.writer, tag, captured));
            }
            if !order.concluded.remove(&order.turn) {
                return result;
            }
            order.turn += 1;
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

fn memory_bytes(captured: &Captured) -> usize {
    captured.stdout.memory_bytes() + captured.stderr.memory_bytes()
}

fn files(captured: &Captured) -> usize {
    usize::from(captured.stdout.is_on_disk()) + usize::from(captured.stderr.is_on_disk())
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

    fn captured(bytes: usize, spool: &Spool) -> Captured {
        let mut captured = Captured::default();
        for _ in 0..bytes.div_ceil(50_000) {
            captured
                .stdout
                .push(&[b'x'; 50_000], Some(spool))
                .expect("kept");
        }
        captured
    }

    #[test]
    fn open_files_that_wait_are_counted_until_they_are_handed_on() {
        let spool = Spool::find().expect("a spool");
        let sinks = Sinks {
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        };
        let (writer, thread) = Writer::start(sinks).expect("starts");
        let mut sequence = Sequence::new(writer, Some(spool.clone()), true);
        let files = |sequence: &Sequence| sequence.order.as_ref().map(|order| order.files);
        // Small ones in memory, until there are too many; and a large one, on disk from the start.
        for task in 1..=100 {
            sequence
                .add(TaskId(task), None, captured(50_000, &spool))
                .expect("kept");
        }
        let moved = files(&sequence).expect("an order");
        assert!((40..100).contains(&moved), "{moved}");
        sequence
            .add(TaskId(101), None, captured(200_000, &spool))
            .expect("kept");
        assert_eq!(files(&sequence), Some(moved + 1));
        for task in (0..=101).rev() {
            sequence.conclude(TaskId(task)).expect("handed on");
        }
        assert_eq!(files(&sequence), Some(0));
        assert_eq!(sequence.order.as_ref().map(|o| o.memory_bytes), Some(0));
        drop(sequence);
        thread.join().expect("ends");
    }
}
