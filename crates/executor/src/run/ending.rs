//! The way of an attempt from the wish or the word that it ends to the scheduler's knowledge of
//! it: its slot must be empty first.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use saferun_scheduler::{Event, Exit, TaskId};

use super::attempt::{Attempt, Ending};
use super::state::Run;
use super::watch::Ended;
use crate::event::{AttemptEnd, RunEvent};

impl Run<'_> {
    pub(super) fn end_at_once(&mut self, id: TaskId) {
        let now = self.clock.now();
        if let Some(attempt) = self.active.get_mut(&id)
            && let Some((_, kill_at)) = &mut attempt.ending
        {
            *kill_at = now.min(*kill_at);
            // Repeated at each look until the slot is empty.
            let _ = self.slots.kill(attempt.slot);
        }
    }

    /// Begins to end an attempt. What is preempted or given up is killed at once, since memory
    /// is wanted now and it may be unable to react; else it is asked first.
    pub(crate) fn end(&mut self, id: TaskId, ending: Ending) {
        let now = self.clock.now();
        let Some(attempt) = self.active.get_mut(&id) else {
            return;
        };
        if attempt.ended.is_some() && attempt.ending.is_some() {
            return;
        }
        attempt.accrue(now);
        self.brake.forget(attempt.slot);
        let gently = matches!(ending, Ending::Stopped | Ending::TimedOut);
        // A second cause doesn't replace the first, but it may be more urgent.
        let kill_at = if gently { now + self.grace } else { now };
        let first = attempt.ending.is_none();
        let (cause, earlier) = attempt.ending.unwrap_or((ending, kill_at));
        attempt.ending = Some((cause, earlier.min(kill_at)));
        let slot = attempt.slot;
        if gently && first && self.slots.signal(slot, Signal::TERM).is_ok() {
            attempt.frozen = false;
            attempt.held = false;
            attempt.must_thaw = self.slots.thaw(slot).is_err();
        }
        if kill_at <= now {
            // Repeated by `finish_if_empty` until the slot is empty.
            let _ = self.slots.kill(slot);
        }
    }

    /// The process of an attempt has ended.
    pub(crate) fn on_ended(&mut self, ended: Ended) {
        let id = ended.task;
        self.reaper.ended(id);
        let Some(attempt) = self.active.get_mut(&id) else {
            return;
        };
        if attempt.number != ended.attempt {
            return;
        }
        attempt.ended = Some(ended);
        self.finish_if_empty(id);
    }

    /// Completes an attempt whose process has ended once nothing is left in its slot.
    pub(crate) fn finish_if_empty(&mut self, id: TaskId) {
        let now = self.clock.now();
        let Some(attempt) = self.active.get_mut(&id) else {
            return;
        };
        if attempt.ended.is_none() {
            return;
        }
        let slot = attempt.slot;
        match self.slots.is_empty(slot) {
            Ok(true) => {}
            Ok(false) => {
                // Descendants that are asked to end have the same grace as their leader.
                if attempt.ending.is_none_or(|(_, kill_at)| kill_at <= now) {
                    // Tried again until it is empty.
                    let _ = self.slots.kill(slot);
                }
                return;
            }
            Err(error) => {
                // Said once, tried again until it can be read.
                if !std::mem::replace(&mut attempt.unreadable, true) {
                    self.emit(&RunEvent::Note(format!("a slot can't be read: {error}")));
                }
                return;
            }
        }
        let Some(mut attempt) = self.active.remove(&id) else {
            return;
        };
        let Some(ended) = attempt.ended.take() else {
            return;
        };
        attempt.accrue(now);
        if let Ok(usage) = self.slots.usage(slot) {
            attempt.usage.cpu = attempt.usage.cpu.max(usage.cpu);
        }
        if let Ok(peak) = self.slots.peak_bytes(slot) {
            attempt.peak_bytes = attempt.peak_bytes.max(peak);
        }
        if attempt.peak_bytes == 0 {
            // It was over before any doubt was.
            attempt.peak_bytes = attempt.usage.use_bytes;
        }
        if attempt.peak_bytes == 0 {
            // It was over before any doubt was.
            attempt.peak_bytes = attempt.usage.use_bytes;
        }
        let victim = self.victim_reason(&attempt, ended.status);
        let end = attempt.end(ended.status, victim);
        self.brake.forget(slot);
        self.slots.release(slot);
        self.complete(id, attempt, ended, end, now);
    }

    fn complete(
        &mut self,
        id: TaskId,
        attempt: Attempt,
        ended: Ended,
        end: AttemptEnd,
        now: Duration,
    ) {
        let exit = match &end {
            AttemptEnd::Exited(0) => Exit::Success,
            AttemptEnd::Victim(_) => Exit::Victim,
            AttemptEnd::Preempted | AttemptEnd::Stopped | AttemptEnd::GivenUp(_) => Exit::Ended,
            AttemptEnd::Exited(_)
            | AttemptEnd::Signaled(_)
            | AttemptEnd::TimedOut
            | AttemptEnd::NotStarted(_) => Exit::Failure,
        };
        if let Some(trouble) = &ended.trouble {
            self.emit(&RunEvent::Note(format!(
                "{:?}: {trouble}",
                attempt.name.to_string_lossy()
            )));
        }
        let runs_again = matches!(end, AttemptEnd::Preempted)
            || (matches!(end, AttemptEnd::Victim(_))
                && self.tasks.get(&id).is_some_and(|task| task.restartable));
        if runs_again {
            for mark in &attempt.marks {
                if let Err(error) = mark.take_back() {
                    self.emit(&RunEvent::Note(format!(
                        "the copy of an attempt's output could not be taken back: {error}"
                    )));
                }
            }
        } else {
            let tag = self.tag(&attempt.name);
            if let Err(error) = self.sequence.add(id, tag, ended.captured) {
                self.emit(&RunEvent::Note(format!(
                    "output that waits for its turn: {error}"
                )));
            }
        }
        self.tally
            .attempt_ended(&attempt.name, &end, attempt.peak_bytes, now);
        let curve = attempt.course.steps(attempt.ran, attempt.peak_bytes);
        self.emit(&RunEvent::AttemptEnded {
            task: id,
            name: Arc::clone(&attempt.name),
            attempt: attempt.number,
            end,
            peak_bytes: attempt.peak_bytes,
            elapsed: now.saturating_sub(attempt.started),
            ran: attempt.ran,
            cpu: attempt.usage.cpu,
            curve,
        });
        self.decide(Event::Exited {
            task: id,
            exit,
            peak_bytes: attempt.peak_bytes,
        });
    }
}
