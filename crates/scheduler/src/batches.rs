//! The rule of batches: how large the next one is, how many of it run at once, and when the rest
//! runs one by one. A run of processes and a list of futures follow the same one.

use std::num::NonZeroUsize;

/// So many places' worth of tasks make a batch.
const TASKS_A_PLACE: usize = 2;

/// However little the session holds.
const MOST_AT_ONCE: usize = 3;

const GIB: u64 = 1 << 30;

/// How many tasks should run at once while the session holds so much: 3 below 1 GiB, 2 up to
/// 2 GiB, 1 above.
pub fn optimal_concurrency_at(session_bytes: u64) -> usize {
    match session_bytes {
        little if little < GIB => MOST_AT_ONCE,
        some if some <= 2 * GIB => 2,
        _ => 1,
    }
}

/// What to run next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// The next tasks, so many at once; ask again when all of them have ended.
    Batch {
        /// From 1.
        number: u64,
        /// How many tasks it has, at least 1.
        tasks: usize,
        /// How many of them run at once, at least 1.
        concurrency: usize,
    },
    /// All that is left, one by one.
    OneByOne(Fallback),
}

/// Why the rest runs one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// The session holds so many bytes, more than the threshold: before the first batch, or at
    /// any moment of a run without batches.
    High(u64),
    /// The session holds so many bytes, more than the threshold, before a later batch.
    HighBeforeBatch(u64),
    /// What the session holds could not be read, and must not be taken for little.
    Unknown,
}

/// Decides, batch by batch, what runs next. Pure: it is told what the session holds.
///
/// ```
/// use saferun_scheduler::{Batches, Fallback, Plan};
///
/// let mut batches = Batches::new(2.try_into().ok(), 4096 << 20);
/// assert_eq!(
///     batches.next(Some(1423 << 20), 6),
///     Plan::Batch { number: 1, tasks: 4, concurrency: 2 },
/// );
/// assert_eq!(
///     batches.next(Some(4500 << 20), 2),
///     Plan::OneByOne(Fallback::HighBeforeBatch(4500 << 20)),
/// );
/// ```
#[derive(Debug, Clone)]
pub struct Batches {
    concurrency: Option<NonZeroUsize>,
    threshold_bytes: u64,
    begun: u64,
}

impl Batches {
    /// No batch has more tasks.
    pub const LARGEST: usize = TASKS_A_PLACE * MOST_AT_ONCE;

    /// With at most so many at once (`None` leaves it to [`optimal_concurrency_at`] alone), up to
    /// so many bytes of session memory.
    pub fn new(concurrency: Option<NonZeroUsize>, threshold_bytes: u64) -> Self {
        Self {
            concurrency,
            threshold_bytes,
            begun: 0,
        }
    }

    /// What to run next of `left` tasks (at least one), with so many bytes held by the session
    /// now; `None` is not known.
    pub fn next(&mut self, session_bytes: Option<u64>, left: usize) -> Plan {
        match session_bytes {
            None => Plan::OneByOne(Fallback::Unknown),
            Some(bytes) if bytes <= self.threshold_bytes => self.batch(bytes, left),
            Some(bytes) if self.begun == 0 => Plan::OneByOne(Fallback::High(bytes)),
            Some(bytes) => Plan::OneByOne(Fallback::HighBeforeBatch(bytes)),
        }
    }

    fn batch(&mut self, session_bytes: u64, left: usize) -> Plan {
        let optimal = optimal_concurrency_at(session_bytes);
        let concurrency = self
            .concurrency
            .map_or(optimal, |configured| configured.get().min(optimal));
        self.begun += 1;
        Plan::Batch {
            number: self.begun,
            tasks: left.min(TASKS_A_PLACE * concurrency).max(1),
            concurrency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const THRESHOLD: u64 = 4096 * MIB;

    fn batches(concurrency: usize) -> Batches {
        Batches::new(NonZeroUsize::new(concurrency), THRESHOLD)
    }

    fn batch(number: u64, tasks: usize, concurrency: usize) -> Plan {
        Plan::Batch {
            number,
            tasks,
            concurrency,
        }
    }

    #[test]
    fn concurrency_follows_what_is_in_use() {
        let at = |mib| optimal_concurrency_at(mib * MIB);
        assert_eq!(
            [at(0), at(1023), at(1024), at(2048), at(2049)],
            [3, 3, 2, 2, 1]
        );
        assert_eq!(optimal_concurrency_at(2 * GIB + 1), 1);
    }

    #[test]
    fn six_tasks_two_at_once() {
        let mut batches = batches(2);
        assert_eq!(batches.next(Some(1423 * MIB), 6), batch(1, 4, 2));
        assert_eq!(batches.next(Some(1500 * MIB), 2), batch(2, 2, 2));
    }

    #[test]
    fn concurrency_is_chosen_anew_before_each_batch() {
        let mut eight = batches(8);
        assert_eq!(eight.next(Some(0), 20), batch(1, 6, 3));
        assert_eq!(eight.next(Some(3000 * MIB), 14), batch(2, 2, 1));
        assert_eq!(eight.next(Some(1500 * MIB), 12), batch(3, 4, 2));
        // Never more than was asked for; without a word on it, the optimal one.
        assert_eq!(batches(2).next(Some(0), 20), batch(1, 4, 2));
        let mut unsaid = Batches::new(None, THRESHOLD);
        assert_eq!(unsaid.next(Some(0), 20), batch(1, 6, 3));
    }

    #[test]
    fn only_above_the_threshold_the_rest_runs_one_by_one() {
        let high = THRESHOLD + 1;
        let mut later = batches(3);
        assert_eq!(later.next(Some(THRESHOLD), 5), batch(1, 2, 1));
        let why = Fallback::HighBeforeBatch(high);
        assert_eq!(later.next(Some(high), 3), Plan::OneByOne(why));
        let why = Fallback::High(high);
        assert_eq!(batches(3).next(Some(high), 5), Plan::OneByOne(why));
    }

    #[test]
    fn memory_that_is_unknown_is_not_taken_for_little() {
        let plan = batches(3).next(None, 5);
        assert_eq!(plan, Plan::OneByOne(Fallback::Unknown));
    }
}
