//! Every invariant of the state, checked by tests after every event.

use crate::action::EndCause;
use crate::attempt::State;
use crate::course::Course;
use crate::task::TaskId;
use crate::tuning::HINTED_WINDOW;
use crate::{Scheduler, Strategy};

impl Scheduler {
    /// Checks every invariant of the state; for tests.
    ///
    /// # Errors
    ///
    /// The first violated invariant, in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        self.check_places()?;
        self.check_champion()?;
        self.check_admission()?;
        self.check_numbers()
    }

    /// Each task is in one place, once.
    fn check_places(&self) -> Result<(), String> {
        if !self.active.is_consistent() {
            return Err("the index of active tasks disagrees with them".into());
        }
        let mut last = None;
        for waiting in self.queue.iter() {
            let id = waiting.spec.id;
            if self.active.contains(id) {
                return Err(format!("{id:?} waits and is active"));
            }
            if last >= Some(waiting.arrival) {
                return Err(format!("{id:?} waits out of the order of arrival"));
            }
            last = Some(waiting.arrival);
            if waiting.past.failures > waiting.spec.retries {
                return Err(format!("{id:?} waits though no retry is left"));
            }
        }
        if self.stopped.is_some() && !self.queue.is_empty() {
            return Err("a stopped run has waiting tasks".into());
        }
        Ok(())
    }

    fn check_champion(&self) -> Result<(), String> {
        let Some(id) = self.champion else {
            let someone_runs = self.active.iter().any(|attempt| attempt.is_running());
            let is_steered = self.memory.is_read() || self.config.strategy == Strategy::Unlimited;
            return if someone_runs && is_steered {
                Err("tasks run without a champion".into())
            } else {
                Ok(())
            };
        };
        match self.active.find(id).map(|attempt| attempt.state) {
            Some(State::Running) => Ok(()),
            state => Err(format!("the champion {id:?} is {state:?}")),
        }
    }

    fn check_admission(&self) -> Result<(), String> {
        if self.active.len() > self.count_limit() {
            return Err(format!("{} tasks are active", self.active.len()));
        }
        if let Course::Batch {
            concurrency,
            members,
            ..
        } = &self.course
        {
            if self.active.len() > *concurrency {
                return Err("more of a batch are active than may be".into());
            }
            let is_stray = |id| !members.contains(id);
            if self.active.iter().any(|attempt| is_stray(&attempt.spec.id)) {
                return Err("two batches overlap".into());
            }
            let is_there = |id: &TaskId| self.active.contains(*id) || self.queue.contains(*id);
            if !members.iter().all(is_there) || members.len() > 2 * concurrency {
                return Err(format!("not a batch: {members:?}"));
            }
        }
        if matches!(self.course, Course::Between { .. }) && !self.active.is_empty() {
            return Err("tasks run between two batches".into());
        }
        if let Some(figures) = self.admission.latest()
            && !figures.alone
            && figures.expected > figures.budget
        {
            return Err(format!("admitted past the budget: {figures:?}"));
        }
        let is_alone = self
            .active
            .iter()
            .any(|attempt| attempt.alone && !attempt.is_ending());
        if is_alone && self.active.len() > 1 && self.config.strategy != Strategy::Unlimited {
            return Err("a task that has to run alone does not".into());
        }
        if self.config.strategy == Strategy::Unlimited {
            let is_touched = |attempt: &crate::attempt::Attempt| {
                !matches!(
                    attempt.state,
                    State::Running | State::Ending(EndCause::Stop)
                )
            };
            if self.active.iter().any(is_touched) {
                return Err("an unlimited run ends or freezes for memory".into());
            }
        }
        Ok(())
    }

    /// Estimates are numbers, and state that is kept is bounded.
    fn check_numbers(&self) -> Result<(), String> {
        for attempt in self.active.iter() {
            let numbers = [
                attempt.work,
                attempt.area,
                attempt.slope,
                attempt.seen,
                attempt.need,
            ];
            if numbers.iter().any(|number| !number.is_finite()) {
                return Err(format!("{:?} has {numbers:?}", attempt.spec.id));
            }
            if let State::Ending(EndCause::Preempt { .. }) = attempt.state
                && !self.may_end(attempt)
            {
                return Err(format!("{:?} must not be ended", attempt.spec.id));
            }
        }
        let pressure = &self.pressure;
        if ![
            pressure.room,
            pressure.want,
            pressure.must,
            self.mean_peak(),
        ]
        .iter()
        .all(|number| number.is_finite())
        {
            return Err(format!("not numbers: {pressure:?}"));
        }
        if self.wants_tasks() > HINTED_WINDOW.max(2 * self.count_limit().min(1 << 30)) {
            return Err("the window is too wide".into());
        }
        Ok(())
    }
}
