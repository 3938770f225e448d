//! The floor's figures: what the session holds, and the heap in it.

use saferun_memory::reclaim::{HeapUse, own_heap};
use saferun_memory::{MemoryUsage, ReadError, Roots};

/// What the session holds at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    /// What the processes of the session and their descendants hold; inside a limited container
    /// its working set, if larger.
    pub(super) session_bytes: u64,
    /// The heap; `None` where no heap can be read.
    pub(super) heap: Option<Heap>,
}

/// A heap, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heap {
    /// Its figures.
    pub(super) figures: HeapUse,
    /// Whose.
    pub(super) of: HeapOf,
}

/// Whose heap it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeapOf {
    /// Of this very program's allocator.
    Own,
}

impl Memory {
    /// Reads it now.
    ///
    /// # Errors
    /// When processes can't be read.
    pub(super) fn read(roots: &Roots) -> Result<Self, ReadError> {
        Ok(Self {
            session_bytes: MemoryUsage::read(roots)?.session_bytes,
            heap: own_heap().map(|figures| Heap {
                figures,
                of: HeapOf::Own,
            }),
        })
    }

    /// `RSS: 1850MB, Heap: 1423/2048MB`, in MiB.
    pub(super) fn line(&self) -> String {
        let heap = self.heap.map_or_else(
            || "unknown".to_owned(),
            |heap| {
                let HeapUse {
                    used_bytes,
                    total_bytes,
                } = heap.figures;
                format!("{}/{}MB", mib(used_bytes), mib(total_bytes))
            },
        );
        format!("RSS: {}MB, Heap: {heap}", mib(self.session_bytes))
    }

    /// What the two figures are.
    pub(super) fn meaning(&self) -> String {
        let heap = match self.heap.map(|heap| heap.of) {
            Some(HeapOf::Own) => "of memory-cleanup itself; no Node process's heap can be read",
            None => "can't be read here",
        };
        format!("RSS: what this session holds; Heap: {heap}")
    }
}

/// Whole MiB, as the floor's lines show them.
pub(super) fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
