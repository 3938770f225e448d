//! Why nothing is admitted now.

/// What keeps the first waiting task from being started, as of the last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// As many tasks are active as may be at once.
    Concurrency,
    /// The active tasks keep the cores busy.
    Cores,
    /// The growth to come of the next task doesn't fit the headroom.
    Memory {
        /// The most that is expected of it, in bytes.
        needed_bytes: u64,
        /// Budget less use less growth to come of everything running, in bytes, at the
        /// tightest moment of its expected life.
        headroom_bytes: u64,
    },
    /// Something that runs needs more memory than is free; nothing is added to that.
    Stalled,
    /// A task that has to run alone is running, or waits for the others to end.
    Alone,
    /// What waits was ended to make room, and waits for another task to exit.
    Ended,
    /// It waits for the batch that runs to end, or for the checkpoint between two batches.
    Batch,
    /// The system could start no further process a moment ago; it is tried again soon.
    Refused,
    /// Memory has not been read yet, or could not be read.
    Unread,
    /// The run is stopped or halted.
    Stopped,
}
