//! Giving up what can't be finished inside the budget.

use std::time::Duration;

use crate::Scheduler;
use crate::action::{Action, EndCause};
use crate::attempt::{State, bytes};
use crate::task::{GiveUpReason, Outcome, TaskId};
use crate::tuning::{
    FOREIGN_PATIENCE_SECONDS, FOREIGN_PAUSE_SECONDS, FOREIGN_PROGRESS_BYTES, LONE_READINGS,
    LONE_SECONDS, STUCK_SECONDS,
};

/// What is known of a state that may end in giving a task up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surrender {
    /// A lone task that wants more than there ever is.
    lone: Option<Lone>,
    /// A lone task that waits for memory that others hold.
    foreign: Option<Foreign>,
    /// Since when (seconds) nothing gets on because nothing may be ended.
    stuck_since: Option<f64>,
    /// Since when nothing that runs uses a core while something is frozen.
    pub(crate) idle_since: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Lone {
    task: TaskId,
    since: f64,
    readings: u32,
}

#[derive(Debug, Clone, Copy)]
struct Foreign {
    task: TaskId,
    since: f64,
    /// When it was last seen to need more than there is (seconds).
    stalled_at: f64,
    /// What it held when the wait began, in bytes.
    held: f64,
}

/// A lone task that waits for memory that other programs hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignWait {
    /// Which task.
    pub task: TaskId,
    /// For how long it has waited without getting on.
    pub waited: Duration,
    /// How long it waits before it is given up.
    pub patience: Duration,
    /// What others hold of the undisturbed budget, in bytes.
    pub foreign_bytes: u64,
}

impl Scheduler {
    /// The wait of a lone task for memory that others hold, if there is one.
    #[must_use]
    pub fn foreign_wait(&self) -> Option<ForeignWait> {
        let wait = self.surrender.foreign?;
        Some(ForeignWait {
            task: wait.task,
            waited: Duration::from_secs_f64((self.seconds() - wait.since).max(0.0)),
            patience: Duration::from_secs_f64(FOREIGN_PATIENCE_SECONDS),
            foreign_bytes: self.foreign_bytes() as u64,
        })
    }

    /// Refuses waiting tasks whose declared memory is above what the budget can ever be.
    pub(crate) fn refuse_what_never_fits(&mut self, actions: &mut Vec<Action>) {
        if !self.memory.is_read() || self.config.strategy == crate::Strategy::Unlimited {
            return;
        }
        while let Some((place, declared_bytes)) = self.queue.largest_declared()
            && bytes(declared_bytes) > self.memory.undisturbed
        {
            let Some(waiting) = self.queue.take(place) else {
                return;
            };
            let reason = GiveUpReason::DeclaredAboveBudget {
                declared_bytes,
                budget_bytes: self.memory.undisturbed as u64,
            };
            self.conclude(waiting.spec.id, Outcome::GivenUp(reason), actions);
        }
    }

    /// After a reading: gives up a task that doesn't fit even alone, or, if nothing can go on
    /// and nothing may be ended, one that stands in the champion's way.
    pub(crate) fn give_up_what_cannot_go_on(&mut self, actions: &mut Vec<Action>) {
        self.give_up_the_lone(actions);
        self.give_up_what_waits_for_others(actions);
        self.give_up_one_that_is_stuck(actions);
    }

    fn give_up_the_lone(&mut self, actions: &mut Vec<Action>) {
        let Some(task) = self.lone_that_wants_too_much() else {
            self.surrender.lone = None;
            return;
        };
        let now = self.seconds();
        let lone = match &mut self.surrender.lone {
            Some(lone) if lone.task == task => {
                lone.readings = lone.readings.saturating_add(1);
                *lone
            }
            _ => {
                self.surrender.lone = Some(Lone {
                    task,
                    since: now,
                    readings: 0,
                });
                actions.push(Action::Reclaim);
                return;
            }
        };
        // Without a brake nothing holds it while it is watched.
        let watched = now - lone.since >= LONE_SECONDS || !self.config.brake;
        if watched && lone.readings >= LONE_READINGS {
            let budget_bytes = self.memory.undisturbed as u64;
            self.give_up(task, actions, |reached_bytes| {
                GiveUpReason::ExceedsBudgetAlone {
                    reached_bytes,
                    budget_bytes,
                }
            });
        }
    }

    /// The only active task, if it fills the undisturbed budget and wants more.
    fn lone_that_wants_too_much(&self) -> Option<TaskId> {
        if self.active.len() != 1 || self.memory.is_disturbed() {
            return None;
        }
        let attempt = self.active.get(0);
        let wants = attempt.need > 0.0 || self.memory.used > self.memory.undisturbed;
        let fills =
            self.memory.used.max(attempt.use_bytes) + attempt.need > self.memory.undisturbed;
        (attempt.is_running() && wants && fills).then_some(attempt.spec.id)
    }

    /// What others hold may come back, so a lone task waits for it; but not for ever.
    fn give_up_what_waits_for_others(&mut self, actions: &mut Vec<Action>) {
        let now = self.seconds();
        let alone = self.active.len() == 1 && self.memory.is_disturbed();
        let Some(attempt) = alone.then(|| self.active.get(0)).filter(|a| a.is_running()) else {
            self.surrender.foreign = None;
            return;
        };
        let (task, held, stalled) = (attempt.spec.id, attempt.use_bytes, attempt.stalled);
        // A budget that trembles lets it take a page now and then: that is no progress.
        let goes_on = self.surrender.foreign.filter(|wait| {
            wait.task == task
                && (held - wait.held).abs() <= FOREIGN_PROGRESS_BYTES
                && (stalled || now - wait.stalled_at <= FOREIGN_PAUSE_SECONDS)
        });
        let wait = match goes_on {
            Some(wait) if stalled => Some(Foreign {
                stalled_at: now,
                ..wait
            }),
            Some(wait) => Some(wait),
            None => stalled.then_some(Foreign {
                task,
                since: now,
                stalled_at: now,
                held,
            }),
        };
        self.surrender.foreign = wait;
        if let Some(wait) = wait
            && stalled
            && now - wait.since >= FOREIGN_PATIENCE_SECONDS
        {
            let foreign_bytes = self.foreign_bytes() as u64;
            self.surrender.foreign = None;
            self.give_up(task, actions, |reached_bytes| GiveUpReason::ForeignMemory {
                reached_bytes,
                foreign_bytes,
                waited_seconds: (now - wait.since) as u64,
            });
        }
    }

    /// What others hold of the undisturbed budget, in bytes.
    fn foreign_bytes(&self) -> f64 {
        (self.memory.undisturbed - self.memory.budget).max(0.0)
    }

    fn give_up_one_that_is_stuck(&mut self, actions: &mut Vec<Action>) {
        if !self.is_stuck() {
            self.surrender.stuck_since = None;
            return;
        }
        let now = self.seconds();
        if self.surrender.stuck_since.is_none() {
            actions.push(Action::Reclaim);
        }
        let since = *self.surrender.stuck_since.get_or_insert(now);
        let bearable = if self.config.brake {
            // What others took may come back; what was never there may not.
            let patience = if self.pressure.must <= self.foreign_bytes() {
                FOREIGN_PATIENCE_SECONDS
            } else {
                STUCK_SECONDS
            };
            now - since < patience
        } else {
            self.pressure.must <= self.memory.budget - self.planned_budget()
        };
        if bearable {
            return;
        }
        let needed_bytes = self.pressure.must as u64;
        let free_bytes = (self.planned_budget() - self.settled_use()).max(0.0) as u64;
        // The largest, so that as few as possible are given up.
        let largest = (self.active.iter())
            .filter(|attempt| !self.is_champion(attempt))
            .max_by(|a, b| {
                a.use_bytes
                    .total_cmp(&b.use_bytes)
                    .then(a.arrival.cmp(&b.arrival))
            })
            .map(|attempt| attempt.spec.id);
        if let Some(task) = largest {
            self.give_up(task, actions, |reached_bytes| GiveUpReason::Pressure {
                reached_bytes,
                needed_bytes,
                free_bytes,
            });
            self.surrender.stuck_since = None;
        }
    }

    /// Whether the champion needs room, and nothing else can end by itself, be ended, or is
    /// about to.
    fn is_stuck(&self) -> bool {
        let champion = self.champion.and_then(|id| self.active.find(id));
        self.pressure.must > 0.0
            && champion.is_some_and(|champion| champion.need > 0.0)
            && self.active.len() > 1
            && (self.active.iter())
                .all(|attempt| attempt.is_frozen() || (attempt.is_running() && attempt.stalled))
    }

    fn give_up(
        &mut self,
        task: TaskId,
        actions: &mut Vec<Action>,
        reason: impl FnOnce(u64) -> GiveUpReason,
    ) {
        let Some(attempt) = self.active.find_mut(task) else {
            return;
        };
        let cause = EndCause::GiveUp(reason(attempt.use_bytes as u64));
        attempt.state = State::Ending(cause);
        actions.push(Action::End { task, cause });
        if self.champion == Some(task) {
            self.champion = None;
        }
    }
}
