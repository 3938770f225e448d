//! From an exit to the queue or to the one final state; failures that halt the run; stops.

use crate::Scheduler;
use crate::action::{Action, EndCause};
use crate::attempt::{Attempt, State, bytes};
use crate::config::{FailureLimit, Halt};
use crate::event::Exit;
use crate::learning::Lesson;
use crate::task::{GiveUpReason, Outcome, SkipReason, TaskId, TaskSpec};
use crate::tuning::{REFUSALS, REFUSED_SECONDS, VICTIM_ATTEMPTS};

/// Concluded tasks from which on a share of failures means anything.
const SHARE_FROM: u64 = 3;

/// What follows from the end of an attempt.
enum Next {
    Conclude(Outcome),
    RunAgain,
}

impl Scheduler {
    /// Takes a task in, or concludes it at once if nothing is started any more or it can't fit.
    pub(crate) fn take_in(&mut self, spec: TaskSpec, actions: &mut Vec<Action>) {
        if self.active.contains(spec.id) || self.queue.contains(spec.id) {
            return;
        }
        if let Some(reason) = self.stopped {
            self.conclude(spec.id, Outcome::Skipped(reason), actions);
            return;
        }
        let is_declared = spec.declared_bytes.is_some();
        self.queue.add(spec, self.exits);
        if is_declared {
            self.refuse_what_never_fits(actions);
        }
    }

    /// Handles the end of an attempt; false if there was no such attempt.
    pub(crate) fn exited(
        &mut self,
        task: TaskId,
        exit: Exit,
        peak_bytes: u64,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(mut attempt) = self.active.remove(task) else {
            return false;
        };
        let now = self.seconds();
        attempt.pass(now);
        self.memory.leaves(attempt.use_bytes, now);
        if self.champion == Some(task) {
            self.champion = None;
        }
        attempt.seen = attempt.seen.max(bytes(peak_bytes));
        let by_itself = match exit {
            Exit::Success => true,
            // It was never there, so nothing has come free.
            Exit::Refused => false,
            Exit::Failure | Exit::Victim | Exit::Ended => !attempt.is_ending(),
        };
        if by_itself {
            self.exits += 1;
            self.admission.refused_until = None;
        }
        if exit == Exit::Victim {
            // It would be started anew, or another in its place, into the same shortage.
            self.memory.refute();
        }
        if exit == Exit::Success || (exit == Exit::Failure && by_itself) {
            self.learn_from(&attempt);
        }
        match self.next_after(&mut attempt, exit) {
            Next::Conclude(outcome) => self.conclude(task, outcome, actions),
            Next::RunAgain => self.run_again(attempt, actions),
        }
        true
    }

    fn learn_from(&mut self, attempt: &Attempt) {
        self.learning.learn(Lesson {
            kind: attempt.spec.kind,
            peak: attempt.seen,
            seconds: attempt.work,
            curve: attempt.record.curve(attempt.work, attempt.seen),
            expected: attempt.expected,
        });
    }

    fn next_after(&mut self, attempt: &mut Attempt, exit: Exit) -> Next {
        match (exit, attempt.state) {
            // It was asked to end, and was done before that reached it.
            (Exit::Success, _) => Next::Conclude(Outcome::Done),
            (_, State::Ending(EndCause::GiveUp(reason))) => {
                Next::Conclude(Outcome::GivenUp(reason))
            }
            (
                Exit::Ended | Exit::Victim | Exit::Refused,
                State::Ending(EndCause::Preempt { .. }),
            ) => {
                attempt.past.endings = attempt.past.endings.saturating_add(1);
                Next::RunAgain
            }
            (Exit::Ended | Exit::Victim | Exit::Refused, State::Ending(EndCause::Stop)) => {
                let reason = self.stopped.unwrap_or(SkipReason::Stopped);
                Next::Conclude(Outcome::Skipped(reason))
            }
            (Exit::Victim, State::Running | State::Frozen) => self.next_after_victim(attempt),
            (Exit::Refused, State::Running | State::Frozen) => self.next_after_refusal(attempt),
            // An end that nobody asked for is a failure like any other.
            (Exit::Failure | Exit::Ended, _) => {
                attempt.past.failures = attempt.past.failures.saturating_add(1);
                if attempt.past.failures > attempt.spec.retries || self.stopped.is_some() {
                    Next::Conclude(Outcome::Failed)
                } else {
                    Next::RunAgain
                }
            }
        }
    }

    /// A victim of pressure is run again, after a few times alone; alone it is nobody's victim
    /// but its own.
    fn next_after_victim(&mut self, attempt: &mut Attempt) -> Next {
        self.counts.victims += 1;
        attempt.past.victims = attempt.past.victims.saturating_add(1);
        if !attempt.spec.restartable {
            return Next::Conclude(Outcome::Failed);
        }
        if attempt.alone {
            let reason = GiveUpReason::ExceedsBudgetAlone {
                reached_bytes: attempt.seen as u64,
                budget_bytes: self.memory.undisturbed as u64,
            };
            return Next::Conclude(Outcome::GivenUp(reason));
        }
        attempt.alone = attempt.past.victims >= VICTIM_ATTEMPTS;
        Next::RunAgain
    }

    /// What the system refused to start is tried again after a pause, or after an exit. It was
    /// never begun, so it needs no right to be run again; while others run they may be what
    /// leaves no process to it, so only refusals without any count.
    fn next_after_refusal(&mut self, attempt: &mut Attempt) -> Next {
        self.admission.refused_until = Some(self.seconds() + REFUSED_SECONDS);
        if self.active.is_empty() {
            attempt.past.refusals = attempt.past.refusals.saturating_add(1);
        }
        if attempt.past.refusals >= REFUSALS {
            Next::Conclude(Outcome::Failed)
        } else {
            Next::RunAgain
        }
    }

    fn run_again(&mut self, attempt: Attempt, actions: &mut Vec<Action>) {
        if let Some(reason) = self.stopped {
            self.conclude(attempt.spec.id, Outcome::Skipped(reason), actions);
            return;
        }
        let was_ended = matches!(attempt.state, State::Ending(EndCause::Preempt { .. }));
        let held_until = if was_ended { self.exits + 1 } else { 0 };
        self.queue
            .give_back(attempt.into_waiting(self.exits, held_until));
    }

    /// Says the final state of a task that is no longer queued or active.
    pub(crate) fn conclude(&mut self, task: TaskId, outcome: Outcome, actions: &mut Vec<Action>) {
        match outcome {
            Outcome::Done => self.counts.done += 1,
            Outcome::Failed => self.counts.failed += 1,
            Outcome::Skipped(_) => self.counts.skipped += 1,
            Outcome::GivenUp(_) => self.counts.given_up += 1,
        }
        self.course.concluded(task);
        actions.push(Action::Conclude { task, outcome });
        self.halt_if_too_many_failed(actions);
    }

    fn halt_if_too_many_failed(&mut self, actions: &mut Vec<Action>) {
        let (limit, at_once) = match self.config.halt {
            Halt::Never => return,
            Halt::Soon(limit) => (limit, false),
            Halt::Now(limit) => (limit, true),
        };
        if self.stopped.is_some() {
            return;
        }
        let (failures, concluded) = (self.counts.failures(), self.counts.concluded());
        let is_too_many = failures > 0
            && match limit {
                FailureLimit::Count(count) => failures >= count,
                FailureLimit::Share(share) => {
                    concluded >= SHARE_FROM && failures as f64 >= share * concluded as f64
                }
            };
        if is_too_many {
            self.stop(SkipReason::Halted, at_once, actions);
        }
    }

    /// Nothing is started any more: what waits is skipped; what runs is ended `at_once`, or left
    /// to end.
    pub(crate) fn stop(&mut self, reason: SkipReason, at_once: bool, actions: &mut Vec<Action>) {
        self.stopped = Some(reason);
        while let Some(waiting) = self.queue.take_last() {
            self.conclude(waiting.spec.id, Outcome::Skipped(reason), actions);
        }
        self.admission = Default::default();
        if !at_once {
            return;
        }
        self.champion = None;
        for attempt in self
            .active
            .iter_mut()
            .filter(|attempt| !attempt.is_ending())
        {
            attempt.state = State::Ending(EndCause::Stop);
            actions.push(Action::End {
                task: attempt.spec.id,
                cause: EndCause::Stop,
            });
        }
    }
}
