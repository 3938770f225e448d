//! What may follow what where a run goes by batches or is bound by a threshold.

use std::collections::BTreeSet;

use saferun_scheduler::{Action, Strategy, TaskId};

use super::Model;

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    /// How many have begun, and what the latest may have in all and at once.
    begun: u64,
    tasks: usize,
    concurrency: usize,
    /// Its tasks that were started, and those of them without a final state.
    started: BTreeSet<TaskId>,
    open: BTreeSet<TaskId>,
    one_by_one: bool,
}

impl Model {
    /// Two batches never overlap, none is larger than was said, and one by one means it.
    pub(super) fn check_batches(&mut self, action: &Action) {
        let active = self.active().count();
        let by_batches = self.config.strategy == Strategy::Batch;
        let batches = &mut self.batches;
        match action {
            Action::Checkpoint { after } => {
                assert!(by_batches && active == 0 && batches.open.is_empty());
                assert!(!batches.one_by_one, "nothing to decide any more");
                assert!(after.is_none_or(|after| after == batches.begun));
            }
            Action::Batch {
                number,
                tasks,
                concurrency,
            } => {
                assert!(by_batches && active == 0 && !batches.one_by_one);
                assert!(batches.open.is_empty(), "two batches overlap: {batches:?}");
                assert_eq!(*number, batches.begun + 1);
                let most = self.config.concurrency.map_or(3, |most| most.get().min(3));
                assert!((1..=most).contains(concurrency), "{action:?}");
                assert!((1..=2 * concurrency).contains(tasks), "{action:?}");
                batches.begun = *number;
                (batches.tasks, batches.concurrency) = (*tasks, *concurrency);
                batches.started.clear();
            }
            Action::OneByOne(_) => {
                assert!(!batches.one_by_one && (active == 0 || !by_batches));
                batches.one_by_one = true;
            }
            Action::SideBySide { .. } => {
                assert!(batches.one_by_one && !by_batches);
                batches.one_by_one = false;
            }
            Action::Start { task, .. } => {
                if batches.one_by_one {
                    assert_eq!(active, 0, "one by one");
                } else if by_batches {
                    batches.started.insert(*task);
                    batches.open.insert(*task);
                    assert!(active < batches.concurrency, "{batches:?}");
                    assert!(batches.started.len() <= batches.tasks, "{batches:?}");
                }
            }
            Action::Conclude { task, .. } => {
                batches.open.remove(task);
            }
            Action::Freeze { .. } | Action::Thaw { .. } | Action::Reclaim | Action::End { .. } => {}
        }
    }

    /// How many batches have begun.
    pub(crate) fn batches_begun(&self) -> u64 {
        self.batches.begun
    }

    /// Whether tasks run one by one because of session memory.
    pub(crate) fn is_one_by_one(&self) -> bool {
        self.batches.one_by_one
    }
}
