//! How many may be active at this moment: the batches and the checkpoints between them, and the
//! threshold of session memory above which tasks run one by one.

use crate::action::Action;
use crate::batches::{Batches, Fallback, Plan};
use crate::task::TaskId;
use crate::tuning::{BACK_SECONDS, BACK_SHARE};
use crate::{Scheduler, Strategy};

/// Where a run is between its first task and its last.
#[derive(Debug, Clone)]
pub(crate) enum Course {
    /// As many as the configuration says.
    Open,
    /// Between two batches, or before the first; nothing runs. `asked` says whether the driver
    /// has been asked for a checkpoint that it has not reported yet.
    Between { asked: bool },
    /// A batch runs.
    Batch {
        number: u64,
        /// So many of it at once.
        concurrency: usize,
        /// Those of it that are not concluded. Never more than a few.
        members: Vec<TaskId>,
    },
    /// One by one, because of session memory. `low_since` (seconds) says since when the session
    /// holds so little that tasks could run side by side again.
    OneByOne { low_since: Option<f64> },
}

impl Course {
    /// Where a run with this strategy begins.
    pub(crate) fn of(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Batch => Course::Between { asked: false },
            Strategy::Continuous | Strategy::Sequential | Strategy::Unlimited => Course::Open,
        }
    }

    /// Whether a waiting task may be started as far as batches go.
    pub(crate) fn takes(&self, task: TaskId) -> bool {
        match self {
            Course::Between { .. } => false,
            Course::Batch { members, .. } => members.contains(&task),
            Course::Open | Course::OneByOne { .. } => true,
        }
    }

    /// Notes that a task has its final state.
    pub(crate) fn concluded(&mut self, task: TaskId) {
        if let Course::Batch { members, .. } = self {
            members.retain(|member| *member != task);
        }
    }

    /// Whether a checkpoint was asked for that has not been reported.
    pub(crate) fn awaits_checkpoint(&self) -> bool {
        matches!(self, Course::Between { asked: true })
    }
}

impl Scheduler {
    /// The rule of batches for this configuration.
    pub(crate) fn batches(config: &crate::Config) -> Batches {
        let threshold = config.threshold_bytes.unwrap_or(u64::MAX);
        Batches::new(config.concurrency, threshold)
    }

    /// How many may be active at this moment.
    pub(crate) fn places(&self) -> usize {
        match self.course {
            Course::Open | Course::Between { .. } => self.count_limit(),
            Course::Batch { concurrency, .. } => concurrency.min(self.count_limit()),
            Course::OneByOne { .. } => 1,
        }
    }

    /// Whether any waiting task may be started as far as batches go.
    pub(crate) fn has_candidates(&self) -> bool {
        match self.course {
            Course::Between { .. } => false,
            Course::Batch { .. } => {
                (self.queue.iter()).any(|waiting| self.course.takes(waiting.spec.id))
            }
            Course::Open | Course::OneByOne { .. } => !self.queue.is_empty(),
        }
    }

    /// Ends the batch whose tasks are all concluded, and asks for the checkpoint that has to
    /// come before the next one.
    pub(crate) fn reach_checkpoint(&mut self, actions: &mut Vec<Action>) {
        if self.stopped.is_some() {
            return;
        }
        let after = match &self.course {
            Course::Batch {
                number, members, ..
            } if members.is_empty() => Some(*number),
            Course::Between { asked: false } if !self.queue.is_empty() => None,
            _ => return,
        };
        self.course = Course::Between { asked: true };
        actions.push(Action::Checkpoint { after });
    }

    /// Takes in what the session holds.
    pub(crate) fn observe_session(&mut self, bytes: Option<u64>, actions: &mut Vec<Action>) {
        if self.stopped.is_some() {
            return;
        }
        match (self.config.strategy, self.config.threshold_bytes) {
            (Strategy::Batch, _) if self.course.awaits_checkpoint() => {
                self.next_batch(bytes, actions)
            }
            (Strategy::Continuous, Some(threshold)) => {
                self.hold_threshold(bytes, threshold, actions);
            }
            _ => {}
        }
    }

    fn next_batch(&mut self, session_bytes: Option<u64>, actions: &mut Vec<Action>) {
        if self.queue.is_empty() {
            // Asked for again with the next task: what was measured now would be out of date.
            self.course = Course::Between { asked: false };
            return;
        }
        self.course = match self.batches.next(session_bytes, self.queue.len()) {
            Plan::Batch {
                number,
                tasks,
                concurrency,
            } => {
                actions.push(Action::Batch {
                    number,
                    tasks,
                    concurrency,
                });
                let members = self.queue.iter().take(tasks);
                Course::Batch {
                    number,
                    concurrency,
                    members: members.map(|waiting| waiting.spec.id).collect(),
                }
            }
            Plan::OneByOne(why) => {
                actions.push(Action::OneByOne(why));
                Course::OneByOne { low_since: None }
            }
        };
    }

    /// Goes to one by one strictly above the threshold, and back once the session has held
    /// clearly less for a while, so that the run doesn't change with every reading.
    fn hold_threshold(&mut self, bytes: Option<u64>, threshold: u64, actions: &mut Vec<Action>) {
        if self.count_limit() <= 1 {
            return;
        }
        let now = self.seconds();
        match &mut self.course {
            Course::OneByOne { low_since } => {
                let room = (BACK_SHARE * threshold as f64) as u64;
                let Some(bytes) = bytes.filter(|&bytes| bytes <= room) else {
                    *low_since = None;
                    return;
                };
                if now - *low_since.get_or_insert(now) >= BACK_SECONDS {
                    self.course = Course::Open;
                    actions.push(Action::SideBySide {
                        session_bytes: bytes,
                    });
                }
            }
            _ => {
                let why = match bytes {
                    Some(bytes) if bytes <= threshold => return,
                    Some(bytes) => Fallback::High(bytes),
                    None => Fallback::Unknown,
                };
                self.course = Course::OneByOne { low_since: None };
                actions.push(Action::OneByOne(why));
            }
        }
    }
}
