//! The first figures: what the session holds, and the heap in it.

use saferun_memory::reclaim::{HeapUse, own_heap, session_node_heap};
use saferun_memory::{Census, LimitKind, MachineReading, Roots};

/// What the session holds at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Memory {
    /// What the processes of the session and their descendants hold; inside a limited container
    /// its working set, if larger. `None` where that can't be read.
    pub(super) session_bytes: Option<u64>,
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
    /// Of so many Node processes of the session.
    Node(usize),
    /// Of this very program's allocator.
    Own,
}

impl Memory {
    /// Of a session, by what was read of it.
    pub(super) fn of(
        census: Option<&Census>,
        machine: Option<&MachineReading>,
        roots: &Roots,
    ) -> Self {
        let processes = census.and_then(|census| census.session_use(roots).ok());
        // Of a limit above all that can be seen the group's figures are no working set of ours.
        let container = machine
            .and_then(|machine| machine.groups.first())
            .filter(|group| group.kind != LimitKind::V1Above)
            .map_or(0, saferun_memory::GroupReading::used_bytes);
        let nodes = census.and_then(|census| session_node_heap(census, roots));
        let heap = match nodes {
            Some((figures, count)) => Some(Heap {
                figures,
                of: HeapOf::Node(count),
            }),
            None => own_heap().map(|figures| Heap {
                figures,
                of: HeapOf::Own,
            }),
        };
        Self {
            session_bytes: processes.map(|held| held.bytes.max(container)),
            heap,
        }
    }

    /// `RSS: 1850MB, Heap: 1423/2048MB`, in MiB.
    pub(super) fn line(&self) -> String {
        let rss = self
            .session_bytes
            .map_or_else(|| "unknown".to_owned(), |bytes| format!("{}MB", mib(bytes)));
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
        format!("RSS: {rss}, Heap: {heap}")
    }

    /// What the two figures are.
    pub(super) fn meaning(&self) -> String {
        let heap = match self.heap.map(|heap| heap.of) {
            Some(HeapOf::Node(1)) => "of its one Node process that can be asked".to_owned(),
            Some(HeapOf::Node(count)) => format!("of its {count} Node processes that can be asked"),
            Some(HeapOf::Own) => {
                "memory-cleanup's own, as no Node process of the session can be asked".to_owned()
            }
            None => "can't be read here".to_owned(),
        };
        format!("RSS: what this session holds; Heap: {heap}")
    }
}

/// Whole MiB, as these lines show them.
pub(super) fn mib(bytes: u64) -> u64 {
    bytes >> 20
}
