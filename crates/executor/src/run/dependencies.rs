//! Tasks that wait for others: kept out of the scheduler until they may start.

use std::ffi::OsString;
use std::sync::Arc;

use saferun_scheduler::{Event, Outcome, SkipReason, TaskId, TaskSpec};

use super::state::Run;
use crate::event::RunEvent;
use crate::graph::{Admission, Graph};
use crate::task::Task;

/// The dependencies of a run whose source has any.
#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    graph: Graph,
    /// Of every task, by its number.
    names: Vec<Arc<OsString>>,
    /// Whether the scheduler knows that no further task will come.
    end_told: bool,
    /// Whether it is given one task after the other: one by one means in the order of the list,
    /// and what the task that runs now lets start may come before all that waits.
    one_by_one: bool,
}

impl Dependencies {
    pub(crate) fn new(one_by_one: bool) -> Self {
        Self {
            one_by_one,
            ..Self::default()
        }
    }

    fn name(&self, task: TaskId) -> Arc<OsString> {
        let place = usize::try_from(task.0).unwrap_or(usize::MAX);
        self.names.get(place).cloned().unwrap_or_default()
    }
}

impl Run<'_> {
    /// A task of the source, which the run has in its books already: to the scheduler, or to
    /// wait.
    ///
    /// # Errors
    ///
    /// It names a task that doesn't come before it.
    pub(super) fn take_in(&mut self, id: TaskId, task: &Task) -> Result<(), String> {
        let Some(dependencies) = &mut self.dependencies else {
            if !task.after.is_empty() || !task.limits.is_empty() {
                return Err(format!(
                    "task {} depends on others, but its source says that none does; use OrderedTasks",
                    id.0
                ));
            }
            self.decide(Event::Added(spec(id, task)));
            return Ok(());
        };
        let name = Arc::new(task.name.clone());
        dependencies.names.push(Arc::clone(&name));
        let dissolved = dependencies.graph.is_dissolved();
        let added = (dependencies.graph).add_limited(id, &task.after, &task.limits);
        let admission = added.map_err(|error| error.to_string())?;
        let after = (task.after.iter())
            .map(|&on| (on, dependencies.name(on)))
            .collect();
        self.names.insert(id, Arc::clone(&name));
        self.emit(&RunEvent::TaskAdded {
            task: id,
            name,
            agent: task.agent.clone(),
            after,
        });
        match admission {
            // The run ends: the scheduler skips whatever it is given.
            Admission::Ready if dissolved => self.decide(Event::Added(spec(id, task))),
            Admission::Ready => self.hand_out(),
            Admission::Waits => {}
            Admission::Skipped(failed) => self.skip(id, failed),
        }
        Ok(())
    }

    /// Gives the scheduler what may start, as far as it wants any, and tells it when nothing
    /// more will come. To be called after each of its decisions, not amid one: a task that can't
    /// be started is concluded at once, and that may be true of very many.
    pub(super) fn hand_out(&mut self) {
        if self.dependencies.is_none() {
            return;
        }
        if self.scheduler.is_stopped() {
            self.dissolve();
        }
        while self.scheduler.wants_tasks() > 0
            && let Some(dependencies) = &mut self.dependencies
        {
            let counts = self.scheduler.counts();
            if dependencies.one_by_one && counts.queued + counts.active > 0 {
                break;
            }
            let Some(id) = dependencies.graph.next_ready() else {
                break;
            };
            if let Some(task) = self.tasks.get(&id).cloned() {
                self.decide_alone(Event::Added(spec(id, &task)));
            }
        }
        if self.drained
            && let Some(dependencies) = &mut self.dependencies
            && dependencies.graph.waiting() == 0
            && !std::mem::replace(&mut dependencies.end_told, true)
        {
            self.decide_alone(Event::SourceDrained);
        }
    }

    /// Nothing is started any more: all that waits goes to the scheduler, which skips it with
    /// the reason that it knows.
    fn dissolve(&mut self) {
        let Some(dependencies) = &mut self.dependencies else {
            return;
        };
        if dependencies.graph.is_dissolved() {
            return;
        }
        for id in dependencies.graph.dissolve() {
            if let Some(task) = self.tasks.get(&id).cloned() {
                self.decide_alone(Event::Added(spec(id, &task)));
            }
        }
    }

    /// A task that was handed out has its final state: what depends on it may start, or never
    /// will.
    pub(super) fn release_dependents(&mut self, task: TaskId, outcome: &Outcome) {
        let Some(dependencies) = &mut self.dependencies else {
            return;
        };
        let succeeded = *outcome == Outcome::Done;
        for skipped in dependencies.graph.conclude(task, succeeded) {
            self.skip(skipped.task, skipped.failed);
        }
    }

    fn skip(&mut self, task: TaskId, failed: TaskId) {
        let reason = SkipReason::Dependency { failed };
        self.say_concluded(task, Outcome::Skipped(reason));
    }

    /// The name of the task that this one was skipped for.
    pub(super) fn culprit(&self, outcome: &Outcome) -> Option<Arc<OsString>> {
        match outcome {
            Outcome::Skipped(SkipReason::Dependency { failed }) => {
                self.dependencies.as_ref().map(|known| known.name(*failed))
            }
            _ => None,
        }
    }

    /// How many tasks wait without the scheduler knowing of them.
    pub(super) fn held_back(&self) -> usize {
        (self.dependencies.as_ref()).map_or(0, |dependencies| dependencies.graph.waiting())
    }
}

/// The memory side of a task.
fn spec(id: TaskId, task: &Task) -> TaskSpec {
    TaskSpec {
        id,
        declared_bytes: task.declared_bytes,
        restartable: task.restartable,
        retries: task.retries,
        kind: task.kind,
        hint: task.hint,
    }
}
