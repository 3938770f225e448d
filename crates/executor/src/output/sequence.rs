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
    /// A spooled part could not be read or written.
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
        let bytes = captured.stdout.memory_bytes() + captured.stderr.memory_bytes();
        if order.memory_bytes + bytes > PENDING_MEMORY_BOUND {
            captured.stdout.spill(self.spool.as_ref())?;
            captured.stderr.spill(self.spool.as_ref())?;
            order.files += 2;
        } else {
            order.memory_bytes += bytes;
        }
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
            for (tag, captured) in order.early.remove(&order.turn).unwrap_or_default() {
                let bytes = captured.stdout.memory_bytes() + captured.stderr.memory_bytes();
                order.memory_bytes = order.memory_bytes.saturating_sub(bytes);
                order.files = order.files.saturating_sub(2);
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

fn hand_on(writer: &Writer, tag: Option<Arc<[u8]>>, captured: Captured) -> io::Result<()> {
    if !captured.stdout.is_empty() {
        writer.write(Stream::Stdout, tag.clone(), captured.stdout.into_data()?);
    }
    if !captured.stderr.is_empty() {
        writer.write(Stream::Stderr, tag, captured.stderr.into_data()?);
    }
    Ok(())
}
