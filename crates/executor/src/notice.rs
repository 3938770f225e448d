//! What is done under a threshold, step by step, as values; as text they are the verbose lines.
//! Lists of futures and runs of processes say the same.

use std::fmt;

use saferun_scheduler::Fallback;

/// What is done under a threshold of session memory, step by step. Its text is the line that
/// `verbose` writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Before anything else.
    Starting {
        /// How many tasks there are.
        tasks: u64,
        /// How many may run at once.
        concurrency: usize,
    },
    /// What the session held before the first task.
    InitialMemory {
        /// In bytes.
        bytes: u64,
    },
    /// A batch begins.
    Batch {
        /// From 1.
        number: u64,
        /// How many tasks it has.
        tasks: usize,
    },
    /// A batch has ended and memory was cleaned up.
    BatchComplete {
        /// From 1.
        number: u64,
        /// How much less was held afterwards; `None` if that can't be read. Of futures: than
        /// just before the cleanup. Of processes, whose memory goes with them: than all of them
        /// together held at most during the batch.
        freed_bytes: Option<u64>,
    },
    /// More than the threshold was in use before anything ran, or at any moment where there are
    /// no batches: from here on tasks run one by one.
    High {
        /// What was in use.
        bytes: u64,
    },
    /// More than the threshold was in use before a batch: the rest runs one by one.
    HighBeforeBatch {
        /// What was in use.
        bytes: u64,
    },
    /// What is in use can't be read: the rest runs one by one.
    Unknown {
        /// Why.
        reason: String,
    },
    /// A task begins that runs alone.
    Sequential {
        /// Its place among those that run alone, from 1.
        number: u64,
        /// How many of them there are.
        tasks: u64,
    },
    /// There is room again, where there are no batches: tasks run side by side.
    BackToParallel {
        /// What is in use.
        bytes: u64,
    },
    /// All tasks have ended.
    Complete {
        /// What the session held before the first task, if that could be read.
        initial_bytes: Option<u64>,
        /// What it holds now, if that can be read.
        final_bytes: Option<u64>,
    },
}

impl Notice {
    /// That the rest runs one by one; `reason` says why memory is unknown, if it is.
    pub(crate) fn of_fallback(why: Fallback, reason: String) -> Self {
        match why {
            Fallback::High(bytes) => Self::High { bytes },
            Fallback::HighBeforeBatch(bytes) => Self::HighBeforeBatch { bytes },
            Fallback::Unknown => Self::Unknown { reason },
        }
    }

    /// Whether it is said also where nobody asked for each step: the run goes on in another way
    /// than was asked for.
    pub fn is_notable(&self) -> bool {
        match self {
            Self::High { .. }
            | Self::HighBeforeBatch { .. }
            | Self::Unknown { .. }
            | Self::BackToParallel { .. } => true,
            Self::Starting { .. }
            | Self::InitialMemory { .. }
            | Self::Batch { .. }
            | Self::BatchComplete { .. }
            | Self::Sequential { .. }
            | Self::Complete { .. } => false,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Sequential { number, tasks } = self {
            return write!(f, "[Sequential] Executing task {number}/{tasks}");
        }
        f.write_str("[SafeParallel] ")?;
        match *self {
            Self::Starting { tasks, concurrency } => {
                write!(f, "Starting with {tasks} tasks, concurrency: {concurrency}")
            }
            Self::InitialMemory { bytes } => write!(f, "Initial memory: {}MB", megabytes(bytes)),
            Self::Batch { number, tasks } => {
                write!(f, "Processing batch {number}, tasks: {tasks}")
            }
            Self::BatchComplete { freed_bytes, .. } => match freed_bytes {
                Some(bytes) => write!(f, "Batch complete, freed {}MB", megabytes(bytes)),
                None => f.write_str("Batch complete, freed unknown"),
            },
            Self::High { bytes } => write!(
                f,
                "Memory high ({}MB), falling back to sequential",
                megabytes(bytes)
            ),
            Self::HighBeforeBatch { bytes } => write!(
                f,
                "Memory high before batch ({}MB), switching to sequential",
                megabytes(bytes)
            ),
            Self::Unknown { ref reason } => {
                write!(f, "Memory unknown ({reason}), falling back to sequential")
            }
            Self::Complete {
                initial_bytes,
                final_bytes,
            } => match (initial_bytes, final_bytes) {
                (Some(before), Some(after)) => {
                    let (before, after) = (megabytes(before), megabytes(after));
                    // Of the rounded figures, so that whoever adds them up finds no error.
                    let delta = i128::from(after) - i128::from(before);
                    write!(f, "Complete. Final memory: {after}MB (delta: {delta}MB)")
                }
                (None, Some(after)) => {
                    let after = megabytes(after);
                    write!(f, "Complete. Final memory: {after}MB (delta: unknown)")
                }
                (_, None) => f.write_str("Complete. Final memory: unknown"),
            },
            Self::BackToParallel { bytes } => {
                write!(f, "Memory down ({}MB), back to parallel", megabytes(bytes))
            }
            Self::Sequential { .. } => Ok(()),
        }
    }
}

/// Whole ones of 2^20 bytes, to the nearest.
fn megabytes(bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    bytes / MIB + u64::from(bytes % MIB >= MIB / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes_are_rounded() {
        assert_eq!(megabytes((5 << 20) + (1 << 19) - 1), 5);
        assert_eq!(megabytes((5 << 20) + (1 << 19)), 6);
        assert_eq!(megabytes(u64::MAX), 1 << 44);
    }

    #[test]
    fn a_delta_may_be_negative_or_unknown() {
        let complete = |initial_bytes, final_bytes| {
            Notice::Complete {
                initial_bytes,
                final_bytes,
            }
            .to_string()
        };
        assert_eq!(
            complete(Some(20 << 20), Some(5 << 20)),
            "[SafeParallel] Complete. Final memory: 5MB (delta: -15MB)"
        );
        assert!(complete(None, Some(1 << 20)).ends_with("1MB (delta: unknown)"));
        assert!(complete(Some(1), None).ends_with("Final memory: unknown"));
    }
}
