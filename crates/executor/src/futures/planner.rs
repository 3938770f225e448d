//! Decides what runs next: how large the batch is, how many at once, or one by one from here on.
//!
//! Pure: it's told what memory is in use, and reads, waits for and prints nothing.

/// So many places' worth of tasks make a batch.
const TASKS_A_PLACE: usize = 2;

const GIB: u64 = 1 << 30;

/// How many tasks should run at once while the session holds so much: 3 below 1 GiB, 2 up to
/// 2 GiB, 1 above.
pub fn optimal_concurrency_at(session_bytes: u64) -> usize {
    match session_bytes {
        little if little < GIB => 3,
        some if some <= 2 * GIB => 2,
        _ => 1,
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Run the next tasks, so many at once, and ask again when all of them have ended.
    Batch {
        /// From 1.
        number: usize,
        tasks: usize,
        concurrency: usize,
    },
    /// Run all that is left, one by one.
    Sequential { tasks: usize, why: Fallback },
    /// Nothing is left.
    Done,
}

/// Why the rest runs one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fallback {
    /// More than the threshold was in use before anything ran.
    HighAtStart(u64),
    /// More than the threshold was in use before a later batch.
    HighBeforeBatch(u64),
    /// What is in use could not be read, and must not be taken for little.
    Unknown,
}

/// Decides what runs next.
#[derive(Debug, Clone)]
pub(super) struct Planner {
    left: usize,
    batches: usize,
    concurrency: usize,
    threshold_bytes: u64,
}

impl Planner {
    pub(super) fn new(tasks: usize, concurrency: usize, threshold_bytes: u64) -> Self {
        Self {
            left: tasks,
            batches: 0,
            concurrency,
            threshold_bytes,
        }
    }

    /// What to do next, with so much in use now; `None` is not known.
    pub(super) fn next(&mut self, session_bytes: Option<u64>) -> Plan {
        if self.left == 0 {
            return Plan::Done;
        }
        let why = match session_bytes {
            None => Fallback::Unknown,
            Some(bytes) if bytes <= self.threshold_bytes => return self.batch(bytes),
            Some(bytes) if self.batches == 0 => Fallback::HighAtStart(bytes),
            Some(bytes) => Fallback::HighBeforeBatch(bytes),
        };
        let tasks = std::mem::take(&mut self.left);
        Plan::Sequential { tasks, why }
    }

    fn batch(&mut self, session_bytes: u64) -> Plan {
        let concurrency = self.concurrency.min(optimal_concurrency_at(session_bytes));
        let tasks = self.left.min(TASKS_A_PLACE * concurrency);
        self.left -= tasks;
        self.batches += 1;
        Plan::Batch {
            number: self.batches,
            tasks,
            concurrency,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const THRESHOLD: u64 = 4096 * MIB;

    fn batch(number: usize, tasks: usize, concurrency: usize) -> Plan {
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
        let mut planner = Planner::new(6, 2, THRESHOLD);
        assert_eq!(planner.next(Some(1423 * MIB)), batch(1, 4, 2));
        assert_eq!(planner.next(Some(1500 * MIB)), batch(2, 2, 2));
        assert_eq!(planner.next(Some(1680 * MIB)), Plan::Done);
    }

    #[test]
    fn concurrency_is_chosen_anew_before_each_batch() {
        let mut planner = Planner::new(20, 8, THRESHOLD);
        assert_eq!(planner.next(Some(0)), batch(1, 6, 3));
        assert_eq!(planner.next(Some(3000 * MIB)), batch(2, 2, 1));
        assert_eq!(planner.next(Some(1500 * MIB)), batch(3, 4, 2));
        // Never more than was asked for.
        assert_eq!(Planner::new(20, 2, THRESHOLD).next(Some(0)), batch(1, 4, 2));
    }

    #[test]
    fn only_above_the_threshold_the_rest_runs_one_by_one() {
        let sequential = |tasks, why| Plan::Sequential { tasks, why };
        let mut planner = Planner::new(5, 3, THRESHOLD);
        assert_eq!(planner.next(Some(THRESHOLD)), batch(1, 2, 1));
        let high = THRESHOLD + 1;
        let why = Fallback::HighBeforeBatch(high);
        assert_eq!(planner.next(Some(high)), sequential(3, why));
        assert_eq!(planner.next(Some(0)), Plan::Done);

        let mut planner = Planner::new(5, 3, THRESHOLD);
        let why = Fallback::HighAtStart(high);
        assert_eq!(planner.next(Some(high)), sequential(5, why));
    }

    #[test]
    fn memory_that_is_unknown_is_not_taken_for_little() {
        let plan = Planner::new(5, 3, THRESHOLD).next(None);
        let why = Fallback::Unknown;
        assert_eq!(plan, Plan::Sequential { tasks: 5, why });
        assert_eq!(Planner::new(0, 3, THRESHOLD).next(None), Plan::Done);
    }

    proptest::proptest! {
        #[test]
        fn every_task_is_planned_once(
            tasks in 0_usize..200,
            concurrency in 1_usize..10,
            readings in proptest::collection::vec(proptest::option::of(0_u64..6 * GIB), 1..300),
        ) {
            let mut planner = Planner::new(tasks, concurrency, THRESHOLD);
            let mut planned = 0;
            for reading in readings.into_iter().chain(std::iter::repeat(Some(0))) {
                match planner.next(reading) {
                    Plan::Batch { tasks, concurrency: chosen, .. } => {
                        assert!(chosen >= 1 && chosen <= concurrency);
                        assert!(tasks >= 1 && tasks <= 2 * chosen);
                        assert!(reading.is_some_and(|bytes| bytes <= THRESHOLD));
                        planned += tasks;
                    }
                    Plan::Sequential { tasks, .. } => planned += tasks,
                    Plan::Done => break,
                }
            }
            assert_eq!(planned, tasks);
        }
    }
}
