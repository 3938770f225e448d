//! The run between two events: what it knows, and the way of an event through the scheduler to
//! the actions that follow. It decides nothing by itself.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use saferun_memory::Machine;
use saferun_scheduler::{Action, Event, Hold, Scheduler, TaskId};
use tokio::sync::mpsc::UnboundedSender;

use super::attempt::Attempt;
use super::clock::RunClock;
use super::dependencies::Dependencies;
use super::launch::Launcher;
use super::tally::Tally;
use super::watch::Ended;
use crate::brake::Brake;
use crate::budget::{Budget, BudgetTracker};
use crate::event::{Figures, Observer, RunEvent, Say};
use crate::options::OutputOptions;
use crate::output::sequence::Sequence;
use crate::output::spooler::Spooler;
use crate::output::writer::Writer;
use crate::output::{Data, Stream};
use crate::slot::Slots;
use crate::task::Task;

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
    pub(crate) active: BTreeMap<TaskId, Attempt>,
    pub(crate) next_task: u64,
    pub(crate) drained: bool,
    /// What waits for other tasks, where the source has dependencies.
    pub(crate) dependencies: Option<Dependencies>,
    pub(crate) output: OutputOptions,
    pub(crate) sequential: bool,
    pub(crate) sequence: Sequence,
    pub(crate) writer: Writer,
    pub(crate) reaper: super::reaper::Reaper,
    pub(crate) spooler: Spooler,
    pub(crate) ended: UnboundedSender<Ended>,
    pub(crate) tally: Tally,
    pub(crate) observer: &'o mut dyn Observer,
    pub(crate) grace: Duration,
    pub(crate) figures: Figures,
    pub(crate) sampling: super::sample::Sampling,
    pub(crate) session: super::session::Session,
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
        self.decide_alone(event);
        self.hand_out();
    }

    /// The same without what other tasks have waited for.
    pub(super) fn decide_alone(&mut self, event: Event<'_>) {
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
        self.scheduler.is_stopped() && !self.drained && self.dependencies.is_none()
    }

    /// One task from the source, or its end.
    pub(crate) fn on_task(&mut self, task: Option<Result<Task, String>>) {
        match task {
            Some(Ok(task)) => {
                let id = TaskId(self.next_task);
                self.next_task += 1;
                let task = Arc::new(task);
                self.tasks.insert(id, Arc::clone(&task));
                if let Err(error) = self.take_in(id, &task) {
                    self.tasks.remove(&id);
                    self.source_failed(error);
                }
            }
            Some(Err(error)) => self.source_failed(error),
            None => self.source_ended(),
        }
    }

    fn source_failed(&mut self, error: String) {
        self.source_error = Some(error);
        self.source_ended();
        self.decide(Event::StopRequested);
    }

    /// No further task will come; what waits for others still may.
    pub(super) fn source_ended(&mut self) {
        self.drained = true;
        match self.dependencies {
            Some(_) => self.hand_out(),
            None => self.decide(Event::SourceDrained),
        }
    }

    pub(super) fn name(&mut self, id: TaskId, task: &Task) -> Arc<OsString> {
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
