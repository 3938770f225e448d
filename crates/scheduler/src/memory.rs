//! The last reading as a whole, and the memory that is on its way back.

use std::collections::VecDeque;

use crate::attempt::bytes;
use crate::event::Reading;
use crate::learning::Learning;
use crate::tuning::{CAUTIOUS_PEAK, CAUTIOUS_UNTIL, RETURN_SECONDS, UNBRAKED_SHARE, UNDISTURBED};
use crate::{Scheduler, Strategy};

/// Memory of the run as a whole, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    pub(crate) budget: f64,
    pub(crate) undisturbed: f64,
    pub(crate) used: f64,
    /// When it was last looked at, in seconds of the run, whether it could be read or not.
    pub(crate) looked: Option<f64>,
    /// Whether it was ever read, and whether it could be at the last look.
    read: bool,
    known: bool,
    /// Whether something has shown since that the last reading no longer holds.
    refuted: bool,
    /// What tasks held that exited lately, and when: it may still be counted as used.
    leaving: VecDeque<(f64, f64)>,
}

impl Memory {
    pub(crate) fn is_read(&self) -> bool {
        self.read
    }

    /// Whether the last reading still stands.
    pub(crate) fn is_known(&self) -> bool {
        self.known && !self.refuted
    }

    /// Whether another look is due at once, because the last one no longer holds.
    pub(crate) fn is_refuted(&self) -> bool {
        self.refuted
    }

    /// Notes that memory was short though the last reading may say otherwise.
    pub(crate) fn refute(&mut self) {
        self.refuted = true;
    }

    /// Notes that memory could not be read.
    pub(crate) fn lose_sight(&mut self, now: f64) {
        self.looked = Some(now);
        self.known = false;
        self.refuted = false;
    }

    /// Whether others take memory that would be ours.
    pub(crate) fn is_disturbed(&self) -> bool {
        self.budget < UNDISTURBED * self.undisturbed
    }

    /// Notes that a task has exited that used so much.
    pub(crate) fn leaves(&mut self, bytes: f64, now: f64) {
        self.forget(now);
        if bytes > 0.0 {
            self.leaving.push_back((now, bytes));
        }
    }

    /// Forgets what must be back by now.
    fn forget(&mut self, now: f64) {
        while self
            .leaving
            .front()
            .is_some_and(|left| now - left.0 > RETURN_SECONDS)
        {
            self.leaving.pop_front();
        }
    }
}

impl Scheduler {
    /// Takes in a reading.
    pub(crate) fn observe(&mut self, reading: &Reading<'_>) {
        let now = self.seconds();
        self.memory.budget = bytes(reading.budget_bytes);
        self.memory.undisturbed = bytes(reading.undisturbed_bytes.max(reading.budget_bytes));
        self.memory.used = bytes(reading.used_bytes);
        self.memory.looked = Some(now);
        self.memory.read = true;
        self.memory.known = true;
        self.memory.refuted = false;
        self.memory.forget(now);
        for one in reading.tasks {
            if let Some(attempt) = self.active.find_mut(one.task) {
                attempt.observe(one, now);
            }
        }
        for attempt in self.active.iter_mut() {
            attempt.pass(now);
        }
    }

    /// The part of the budget that is planned with. A lone task may have all of it.
    pub(crate) fn planned_budget(&self) -> f64 {
        if self.config.brake || self.active.len() <= 1 {
            self.memory.budget
        } else {
            UNBRAKED_SHARE * self.memory.budget
        }
    }

    /// What is used once the memory of those that were ended or have exited is back. It comes
    /// back between readings, and mostly before the exit is seen, so what they held counts only
    /// as far as the last reading can have held it beside those that run.
    pub(crate) fn settled_use(&self) -> f64 {
        let (mut live, mut returning) = (0.0, 0.0);
        for attempt in self.active.iter() {
            if attempt.is_ending() {
                returning += attempt.use_bytes;
            } else {
                live += attempt.use_bytes;
            }
        }
        returning += self.memory.leaving.iter().map(|left| left.1).sum::<f64>();
        let used = self.memory.used;
        if returning > 0.0 {
            (used - returning).max(live.min(used))
        } else {
            used
        }
    }

    /// The mean peak expected of an unknown task.
    pub(crate) fn mean_peak(&self) -> f64 {
        let prior = self
            .config
            .assumed_bytes
            .map_or_else(|| Learning::prior_peak(self.memory.undisturbed), bytes);
        let expected = self.learning.mean_peak(prior, (0.0, 0.0));
        let mut grown = (0.0, 0.0);
        for attempt in self.active.iter().filter(|attempt| attempt.seen > expected) {
            grown = (grown.0 + 1.0, grown.1 + attempt.seen);
        }
        self.learning.mean_peak(prior, grown)
    }

    /// The largest use of any task so far.
    pub(crate) fn largest_seen(&self) -> f64 {
        let running = self
            .active
            .iter()
            .map(|attempt| attempt.seen)
            .fold(0.0, f64::max);
        self.learning.largest_peak().max(running)
    }

    /// What is reserved, while hardly any task has ended, for one that can't be ended.
    pub(crate) fn cautious_peak(&self) -> f64 {
        if self.config.assumed_bytes.is_some() || self.learning.count() >= CAUTIOUS_UNTIL {
            0.0
        } else {
            CAUTIOUS_PEAK * self.memory.undisturbed
        }
    }

    /// The largest number of tasks at once, if one was chosen.
    pub(crate) fn count_limit(&self) -> usize {
        match self.config.strategy {
            Strategy::Sequential => 1,
            Strategy::Continuous | Strategy::Batch | Strategy::Unlimited => self
                .config
                .concurrency
                .map_or(usize::MAX, std::num::NonZeroUsize::get),
        }
    }
}
