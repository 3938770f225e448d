//! The champion: the proof of progress.
//!
//! The task longest at work is never frozen and never ended, and room is made for it before all
//! others. Alone it fits the budget (else it is given up), so it finishes; then the next one is
//! chosen. What was ended starts again only after an exit (but for a bounded number of times, once
//! enough was given back), so endings between two exits are finite, and the whole list finishes.

use std::time::Duration;

use crate::action::Action;
use crate::attempt::{Attempt, State};
use crate::tuning::THAW_INTERVAL;
use crate::{Preempt, Scheduler};

impl Scheduler {
    /// Chooses a champion where there is none: of those that may not be ended the longest at
    /// work, else of all. Those that run go before those that are frozen; of the latter one is
    /// thawed, as soon as it may be.
    pub(crate) fn choose_champion(&mut self, actions: &mut Vec<Action>) {
        if self.champion.is_some() {
            return;
        }
        let now = self.now;
        let chosen = (self.active.iter())
            .filter(|attempt| attempt.is_running() || attempt.may_thaw(now))
            .max_by(|a, b| {
                (a.is_running().cmp(&b.is_running()))
                    .then((!self.may_end(a)).cmp(&!self.may_end(b)))
                    .then(a.work.total_cmp(&b.work))
                    .then(b.arrival.cmp(&a.arrival))
            })
            .map(|attempt| attempt.spec.id);
        self.champion = chosen;
        if let Some(attempt) = chosen.and_then(|id| self.active.find_mut(id))
            && attempt.is_frozen()
        {
            attempt.thaw(now, actions);
        }
    }

    pub(crate) fn is_champion(&self, attempt: &Attempt) -> bool {
        self.champion == Some(attempt.spec.id)
    }

    /// Whether an attempt may be ended and run again.
    pub(crate) fn may_end(&self, attempt: &Attempt) -> bool {
        attempt.spec.restartable && self.config.preempt != Preempt::Never
    }
}

impl Attempt {
    /// Whether it is frozen and was not thawed within the last second.
    pub(crate) fn may_thaw(&self, now: Duration) -> bool {
        let recently = |thawed: Duration| now.saturating_sub(thawed) < THAW_INTERVAL;
        self.is_frozen() && !self.past.thawed.is_some_and(recently)
    }

    pub(crate) fn thaw(&mut self, now: Duration, actions: &mut Vec<Action>) {
        self.state = State::Running;
        self.past.thawed = Some(now);
        actions.push(Action::Thaw { task: self.spec.id });
    }

    pub(crate) fn freeze(&mut self, actions: &mut Vec<Action>) {
        self.state = State::Frozen;
        actions.push(Action::Freeze { task: self.spec.id });
    }
}
