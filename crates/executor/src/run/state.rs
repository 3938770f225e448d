//! The run between two events: it carries out what the scheduler decides and tells the
//! scheduler what came of it. It decides nothing by itself.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use saferun_memory::Machine;
use saferun_scheduler::{
    Action, EndCause, Event, Exit, GiveUpReason, Hold, Outcome, Scheduler, TaskId, TaskSpec,
};
use tokio::sync::mpsc::UnboundedSender;

use super::attempt::{Attempt, Ending};
use super::clock::RunClock;
use super::launch::Launcher;
use super::tally::Tally;
use super::watch::{Ended, Flow, Watch};
use crate::brake::Brake;
use crate::budget::{Budget, BudgetTracker};
use crate::event::{AttemptEnd, Figures, Observer, RunEvent, Say};
use crate::options::{OutputMode, OutputOptions};
use crate::output::sequence::Sequence;
use crate::output::spool::Spool;
use crate::output::writer::Writer;
use crate::output::{Data, Stream};
use crate::slot::Slots;
use crate::spawn::SpawnError;
use crate::task::Task;

/// The same signal within this time is one signal.
const ONE_SIGNAL: Duration = Duration::from_millis(100);

/// Everything of a run but its event loop.
pub(crate) struct Run<'o> {
    pub(crate) clock: RunClock,
    pub(crate) scheduler: Scheduler,
    pub(crate) slots: Box<dyn Slots>,
    pub(crate) machine: Machine,
    pub(crate) budget: BudgetTracker,
    pub(crate) current: Budget,
    pub(crate) brake: Brake,
    pub(crate) launcher: Launcher,
    pub(crate) tasks: HashMap<TaskId, Arc<Task>>,
    pub(crate) names: HashMap<TaskId, Arc<OsString>>,
    /// Whether nothing is held and no limit is set: the scheduler ends nothing to make room then,
    /// so that what is held would stay so for ever.
    pub(crate) unlimited: bool,
    /// Whether failures can end this run, and whether they have.
    pub(crate) may_halt: bool,
    pub(crate) halted: bool,
    pub(crate) active: BTreeMap<TaskId, Attempt>,
    pub(crate) next_task: u64,
    pub(crate) drained: bool,
    pub(crate) output: OutputOptions,
    pub(crate) sequential: bool,
    pub(crate) sequence: Sequence,
    pub(crate) writer: Writer,
    pub(crate) spool: Arc<Option<Spool>>,
    pub(crate) ended: UnboundedSender<Ended>,
    pub(crate) tally: Tally,
    pub(crate) observer: &'o mut dyn Observer,
    pub(crate) grace: Duration,
    pub(crate) figures: Figures,
    pub(crate) sampling: super::sample::Sampling,
    pub(crate) last_hold: Option<Hold>,
    pub(crate) source_error: Option<String>,
    pub(crate) stop_count: u32,
    pub(crate) last_signal: Option<(i32, Duration)>,
    /// When the last stop in place was over.
    pub(crate) last_suspend: Option<Duration>,
    /// Actions not yet carried out; kept so that nothing is allocated per event.
    pub(crate) actions: Vec<Action>,
}

struct Sayer<'w>(&'w Writer);

impl Say for Sayer<'_> {
    fn say(&mut self, bytes: &[u8]) {
        self.0
            .write(Stream::Stderr, None, Data::Bytes(bytes.to_vec()));
    }
}

impl Run<'_> {
    /// Tells the observer.
    pub(crate) fn emit(&mut self, event: &RunEvent) {
        let at = self.clock.now();
        self.observer.on(event, at, &mut Sayer(&self.writer));
    }

    /// Hands an event to the scheduler and carries out all that follows.
    pub(crate) fn decide(&mut self, event: Event<'_>) {
        let mut actions = std::mem::take(&mut self.actions);
        self.scheduler.on(event, self.clock.now(), &mut actions);
        // Carrying out an action can end an attempt at once (a program that is not there),
        // which leads to further actions behind those not yet carried out.
        let mut next = 0;
        while next < actions.len() {
            let action = actions[next].clone();
            next += 1;
            self.carry_out(action, &mut actions);
        }
        actions.clear();
        self.actions = actions;
        self.tell_hold();
    }

    /// Whether so much has failed that nothing more is started, and the source isn't drained.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted && !self.drained
    }

    /// Asks a copy of the scheduler what would become of one more task: it alone knows when
    /// failures are too many.
    fn would_skip_another(&self) -> bool {
        let another = TaskSpec {
            id: TaskId(u64::MAX),
            declared_bytes: None,
            restartable: true,
            retries: 0,
            kind: None,
        };
        let mut actions = Vec::new();
        let mut copy = self.scheduler.clone();
        copy.on(Event::Added(another), self.clock.now(), &mut actions);
        actions.iter().any(|action| {
            matches!(action, Action::Conclude { task, outcome: Outcome::Skipped(_) } if task.0 == u64::MAX)
        })
    }

    fn carry_out(&mut self, action: Action, further: &mut Vec<Action>) {
        match action {
            Action::Start { task, attempt } => self.start(task, attempt, further),
            Action::Freeze { task } => self.set_frozen(task, true),
            Action::Thaw { task } => self.set_frozen(task, false),
            Action::Reclaim => self.slots.reclaim(),
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
        let attempt = Attempt::new(Arc::clone(&name), number, slot, task.timeout, now);
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
            spool: Arc::clone(&self.spool),
        };
        tokio::spawn(watch.run(self.ended.clone()));
        let pid = launched.child.pid;
        self.emit(&RunEvent::TaskStarted {
            task: id,
            name,
            attempt: number,
            pid,
        });
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
            SpawnError::Process(_) => (AttemptEnd::Victim(error.to_string()), Exit::Victim),
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
            cpu: Duration::ZERO,
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
        } else if frozen {
            self.emit(&RunEvent::Frozen { task: id, name });
        } else {
            self.emit(&RunEvent::Thawed { task: id, name });
        }
    }

    fn conclude(&mut self, task: TaskId, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::GivenUp(reason) => Outcome::GivenUp(self.in_full(reason)),
            other => other,
        };
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
        if self.may_halt && !self.halted && outcome != Outcome::Done {
            self.halted = self.would_skip_another();
        }
        if let Err(error) = self.sequence.conclude(task) {
            self.emit(&RunEvent::Note(format!("output is lost: {error}")));
        }
        self.emit(&RunEvent::TaskConcluded {
            task,
            name,
            outcome,
        });
    }

    /// One task from the source, or its end.
    pub(crate) fn on_task(&mut self, task: Option<Result<Task, String>>) {
        match task {
            Some(Ok(task)) => {
                let id = TaskId(self.next_task);
                self.next_task += 1;
                let spec = TaskSpec {
                    id,
                    declared_bytes: task.declared_bytes,
                    restartable: task.restartable,
                    retries: task.retries,
                    kind: task.kind,
                };
                self.tasks.insert(id, Arc::new(task));
                self.decide(Event::Added(spec));
            }
            Some(Err(error)) => {
                self.source_error = Some(error);
                self.drained = true;
                self.decide(Event::SourceDrained);
                self.decide(Event::StopRequested);
            }
            None => {
                self.drained = true;
                self.decide(Event::SourceDrained);
            }
        }
    }

    /// A signal, or a closed output, asks the run to end; the second time at once.
    pub(crate) fn stop(&mut self, signal: Option<i32>) {
        let at = self.clock.now();
        if let Some(signal) = signal {
            // A signal to the whole process group reaches us twice where the guard is our parent
            // and hands it on.
            let same = |&(last, when): &(i32, Duration)| {
                last == signal && at.saturating_sub(when) < ONE_SIGNAL
            };
            if self.last_signal.as_ref().is_some_and(same) {
                return;
            }
            self.last_signal = Some((signal, at));
        }
        self.stop_count += 1;
        if let Some(signal) = signal {
            self.tally.stopped_by(signal);
            self.emit(&RunEvent::Stopping { signal });
        }
        if self.stop_count == 1 {
            if !std::mem::replace(&mut self.drained, true) {
                self.decide(Event::SourceDrained);
            }
            self.decide(Event::StopRequested);
            return;
        }
        let now = self.clock.now();
        for attempt in self.active.values_mut() {
            let cause = attempt.ending.map_or(Ending::Stopped, |(cause, _)| cause);
            attempt.ending = Some((cause, now));
            let _ = self.slots.kill(attempt.slot);
        }
    }

    /// Stops every task in place, then this process; lets them go on after.
    pub(crate) fn suspend(&mut self) {
        // As with other signals, one to the whole process group may reach us twice. The clock
        // stands still meanwhile, so the second is near however long we were stopped.
        let now = self.clock.now();
        let same = |&at: &Duration| now.saturating_sub(at) < ONE_SIGNAL;
        if self.last_suspend.as_ref().is_some_and(same) {
            return;
        }
        for attempt in self.active.values() {
            let _ = self.slots.freeze(attempt.slot);
        }
        self.clock.pause_during(|| {
            // Ours to be sent always; returns when somebody continues us.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::STOP);
        });
        self.last_suspend = Some(self.clock.now());
        for attempt in self.active.values_mut() {
            if !attempt.frozen && !attempt.held {
                attempt.must_thaw = self.slots.thaw(attempt.slot).is_err();
            }
        }
    }

    fn name(&mut self, id: TaskId, task: &Task) -> Arc<OsString> {
        Arc::clone(
            self.names
                .entry(id)
                .or_insert_with(|| Arc::new(task.name.clone())),
        )
    }

    pub(super) fn tag(&self, name: &OsString) -> Option<Arc<[u8]>> {
        self.output.tag.then(|| {
            let mut tag: Vec<u8> = name
                .as_bytes()
                .iter()
                .map(|&b| if b == b'\n' { b' ' } else { b })
                .collect();
            tag.push(b'\t');
            Arc::from(tag)
        })
    }

    /// The scheduler plans with what lies below the brake's margin; people are told the budget.
    fn in_full(&self, mut reason: GiveUpReason) -> GiveUpReason {
        match &mut reason {
            GiveUpReason::DeclaredAboveBudget { budget_bytes, .. }
            | GiveUpReason::ExceedsBudgetAlone { budget_bytes, .. } => {
                *budget_bytes = (*budget_bytes).max(self.current.undisturbed_bytes);
            }
            GiveUpReason::Pressure { .. } => {}
        }
        reason
    }

    fn tell_hold(&mut self) {
        let hold = self.scheduler.holding();
        let changed = match (&hold, &self.last_hold) {
            (Some(now), Some(before)) => {
                std::mem::discriminant(now) != std::mem::discriminant(before)
            }
            (None, None) => false,
            _ => true,
        };
        if changed {
            self.last_hold = hold;
            if let Some(hold) = hold {
                let figures = self.figures;
                self.emit(&RunEvent::Holding { hold, figures });
            }
        }
    }
}
