//! Carrying out what the scheduler has decided.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::{Action, EndCause, Event, Exit, GiveUpReason, Outcome, TaskId};

use super::attempt::Attempt;
use super::pipe::Flow;
use super::state::Run;
use super::watch::Watch;
use crate::event::{AttemptEnd, RunEvent};
use crate::options::OutputMode;
use crate::spawn::SpawnError;

impl Run<'_> {
    /// Carries one action out; what follows at once is appended to `further`.
    pub(super) fn carry_out(&mut self, action: Action, further: &mut Vec<Action>) {
        match action {
            Action::Start { task, attempt } => self.start(task, attempt, further),
            Action::Freeze { task } => self.set_frozen(task, true),
            Action::Thaw { task } => self.set_frozen(task, false),
            Action::Reclaim => self.reclaim(),
            Action::Checkpoint { after } => self.reach_checkpoint(after),
            Action::Batch { number, tasks, .. } => self.tell_batch(number, tasks),
            Action::OneByOne(why) => self.tell_one_by_one(why),
            Action::SideBySide { session_bytes } => self.tell_side_by_side(session_bytes),
            Action::End { task, cause } => {
                if let EndCause::Preempt {
                    needed_bytes,
                    free_bytes,
                } = cause
                    && let Some(attempt) = self.active.get(&task)
                {
                    let name = Arc::clone(&attempt.name);
                    self.emit(&RunEvent::Preempting {
                        task,
                        name,
                        needed_bytes,
                        free_bytes,
                        figures: self.figures(),
                    });
                }
                let cause = match cause {
                    EndCause::GiveUp(reason) => EndCause::GiveUp(self.in_full(reason)),
                    other => other,
                };
                self.end(task, cause.into());
            }
            Action::Conclude { task, outcome } => self.conclude(task, outcome),
        }
    }

    fn start(&mut self, id: TaskId, number: u32, further: &mut Vec<Action>) {
        let Some(task) = self.tasks.get(&id).cloned() else {
            return;
        };
        let name = self.name(id, &task);
        let now = self.clock.now();
        self.tally.started(now);
        self.tell_begun(number);
        let launched = self
            .slots
            .take()
            .map_err(SpawnError::Process)
            .and_then(|slot| {
                let launched = self
                    .launcher
                    .launch(&mut *self.slots, slot, id, &task.command);
                if launched.is_err() {
                    self.slots.release(slot);
                }
                launched.map(|launched| (slot, launched))
            });
        let (slot, launched) = match launched {
            Ok(launched) => launched,
            Err(error) => return self.not_started(id, number, &name, &error, further),
        };
        let mut attempt = Attempt::new(Arc::clone(&name), number, slot, task.timeout, now);
        let copies = match super::copy::open(task.copies.as_ref()) {
            Ok((copies, marks)) => {
                attempt.marks = marks;
                copies
            }
            // The task runs all the same, and its output is handed on.
            Err(error) => {
                let named = name.to_string_lossy();
                self.emit(&RunEvent::Note(format!("{named:?}: {error}")));
                (None, None)
            }
        };
        self.active.insert(id, attempt);
        let watch = Watch {
            task: id,
            attempt: number,
            pidfd: launched.child.pidfd,
            stdout: launched.stdout,
            stderr: launched.stderr,
            flow: match self.output.mode {
                OutputMode::LineBuffered => Flow::Lines,
                OutputMode::Grouped if self.sequential && !self.output.tag => Flow::Live,
                OutputMode::Grouped => Flow::Captured,
            },
            tag: self.tag(&name),
            writer: self.writer.clone(),
            spooler: self.spooler.clone(),
            waiting: self.sequence.waiting(),
            copies,
        };
        tokio::spawn(watch.run(self.ended.clone()));
        let pid = launched.child.pid;
        self.reaper.started(id, pid);
        let alone = Arc::clone(&name);
        self.emit(&RunEvent::TaskStarted {
            task: id,
            name,
            attempt: number,
            pid,
        });
        if self.scheduler.is_alone(id) {
            self.emit(&RunEvent::Alone {
                task: id,
                name: alone,
                figures: self.figures(),
            });
        }
    }

    fn not_started(
        &mut self,
        task: TaskId,
        attempt: u32,
        name: &Arc<OsString>,
        error: &SpawnError,
        further: &mut Vec<Action>,
    ) {
        let (end, exit) = match error {
            // Memory was short: as with any other victim.
            SpawnError::Process(cause) if cause.raw_os_error() == Some(libc::ENOMEM) => {
                (AttemptEnd::Victim(error.to_string()), Exit::Victim)
            }
            // There are too many processes or descriptors, here or elsewhere: it may go later.
            SpawnError::Process(_) => (AttemptEnd::NotStarted(error.to_string()), Exit::Refused),
            _ => (AttemptEnd::NotStarted(error.to_string()), Exit::Failure),
        };
        let now = self.clock.now();
        self.tally.attempt_ended(name, &end, 0, now);
        self.emit(&RunEvent::AttemptEnded {
            task,
            name: Arc::clone(name),
            attempt,
            end,
            peak_bytes: 0,
            elapsed: Duration::ZERO,
            ran: Duration::ZERO,
            cpu: Duration::ZERO,
            curve: None,
        });
        let event = Event::Exited {
            task,
            exit,
            peak_bytes: 0,
        };
        self.scheduler.on(event, now, further);
    }

    fn set_frozen(&mut self, id: TaskId, frozen: bool) {
        let now = self.clock.now();
        let Some(attempt) = self.active.get_mut(&id) else {
            return;
        };
        if frozen && attempt.ending.is_some() {
            // It was asked to end (its time is up), but memory is wanted now.
            return self.end_at_once(id);
        }
        if attempt.frozen == frozen {
            return;
        }
        attempt.accrue(now);
        attempt.frozen = frozen;
        attempt.held = false;
        self.brake.forget(attempt.slot);
        let done = if frozen {
            self.slots.freeze(attempt.slot)
        } else {
            self.slots.thaw(attempt.slot)
        };
        attempt.must_thaw = !frozen && done.is_err();
        let name = Arc::clone(&attempt.name);
        if let Err(error) = done {
            let what = if frozen {
                "stopped in place"
            } else {
                "let go on yet"
            };
            self.emit(&RunEvent::Note(format!(
                "a task could not be {what}: {error}"
            )));
            return;
        }
        let figures = self.figures();
        if frozen {
            self.emit(&RunEvent::Frozen {
                task: id,
                name,
                figures,
            });
        } else {
            self.emit(&RunEvent::Thawed {
                task: id,
                name,
                figures,
            });
        }
    }

    fn conclude(&mut self, task: TaskId, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::GivenUp(reason) => Outcome::GivenUp(self.in_full(reason)),
            other => other,
        };
        self.say_concluded(task, outcome.clone());
        self.release_dependents(task, &outcome);
    }

    /// Strikes a task off the books.
    pub(super) fn say_concluded(&mut self, task: TaskId, outcome: Outcome) {
        let name = match self.names.remove(&task) {
            Some(name) => name,
            None => Arc::new(
                self.tasks
                    .get(&task)
                    .map(|t| t.name.clone())
                    .unwrap_or_default(),
            ),
        };
        self.tasks.remove(&task);
        self.tally.concluded(&outcome);
        if let Err(error) = self.sequence.conclude(task) {
            self.emit(&RunEvent::Note(format!("output is lost: {error}")));
        }
        let culprit = self.culprit(&outcome);
        self.emit(&RunEvent::TaskConcluded {
            task,
            name,
            outcome,
            culprit,
        });
    }

    /// The scheduler plans with what lies below the brake's margin; people are told the budget.
    fn in_full(&self, mut reason: GiveUpReason) -> GiveUpReason {
        match &mut reason {
            GiveUpReason::DeclaredAboveBudget { budget_bytes, .. }
            | GiveUpReason::ExceedsBudgetAlone { budget_bytes, .. } => {
                *budget_bytes = (*budget_bytes).max(self.current.undisturbed_bytes);
            }
            GiveUpReason::ForeignMemory { .. } | GiveUpReason::Pressure { .. } => {}
        }
        reason
    }
}
