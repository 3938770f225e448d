//! What may start now.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use saferun_scheduler::TaskId;

use crate::task::Limit;

/// Holds tasks back until everything that they depend on has succeeded.
///
/// A task may also take places, such as those of the agent that does it: of those that share a
/// name only so many are out at once, and the others wait for theirs ([`Graph::add_limited`]).
///
/// Each task that was added comes out exactly once: from [`Graph::next_ready`] when it may
/// start, as [`Skipped`] when something that it depends on did not succeed, or from
/// [`Graph::dissolve`].
///
/// ```
/// use saferun_executor::graph::{Graph, Skipped};
/// use saferun_scheduler::TaskId;
///
/// let mut graph = Graph::default();
/// graph.add(TaskId(0), &[])?;
/// graph.add(TaskId(1), &[TaskId(0)])?;
/// graph.add(TaskId(2), &[TaskId(1)])?;
/// assert_eq!(graph.next_ready(), Some(TaskId(0)));
/// assert_eq!(graph.next_ready(), None);
/// assert_eq!(graph.conclude(TaskId(0), true), []);
/// assert_eq!(graph.next_ready(), Some(TaskId(1)));
/// let skipped = Skipped { task: TaskId(2), failed: TaskId(1) };
/// assert_eq!(graph.conclude(TaskId(1), false), [skipped]);
/// # Ok::<(), saferun_executor::graph::NotEarlier>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Tasks that were added and not concluded.
    open: HashMap<TaskId, Open>,
    /// Those of them that may start, the first added first.
    ready: BinaryHeap<Reverse<TaskId>>,
    /// Places by name.
    places: HashMap<Arc<str>, Places>,
    /// How many tasks wait for a place and for nothing else.
    parked: usize,
    /// Tasks concluded without success, each with the task whose failure that goes back to.
    lost: HashMap<TaskId, TaskId>,
    /// Open tasks that miss something.
    blocked: usize,
    /// The lowest number that was not yet added.
    next: u64,
    dissolved: bool,
}

/// Places that share a name.
#[derive(Debug, Clone, Default)]
struct Places {
    taken: usize,
    /// Those that may start as soon as one is free, the first added first.
    waiting: BinaryHeap<Reverse<TaskId>>,
}

/// A task that was not concluded.
#[derive(Debug, Clone, Default)]
struct Open {
    /// The places that it takes.
    limits: Vec<Limit>,
    /// Whether it has them: it was handed out.
    has_places: bool,
    /// How many of those that it depends on have not succeeded yet.
    missing: usize,
    /// Those that wait for it.
    dependents: Vec<TaskId>,
}

/// What becomes of a task that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may start.
    Ready,
    /// It waits.
    Waits,
    /// It is skipped: this one, which it depends on (perhaps through others), did not succeed.
    Skipped(TaskId),
}

/// A task that will not run because of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skipped {
    /// The task.
    pub task: TaskId,
    /// The one that did not succeed; `task` depends on it, perhaps through others.
    pub failed: TaskId,
}

/// A task depends on one that was not added before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("task {} depends on task {}, which does not come before it", .task.0, .on.0)]
pub struct NotEarlier {
    /// The task.
    pub task: TaskId,
    /// What it is said to depend on.
    pub on: TaskId,
}

impl Graph {
    /// Takes a task that depends on earlier ones. Tasks must be added in ascending order; naming
    /// one twice is the same as naming it once.
    ///
    /// # Errors
    ///
    /// It depends on itself or on a task that was not added yet; nothing has changed then.
    pub fn add(&mut self, task: TaskId, after: &[TaskId]) -> Result<Admission, NotEarlier> {
        self.add_limited(task, after, &[])
    }

    /// The same for a task that takes a place of each of these names when it is handed out, and
    /// gives them back when it is concluded.
    ///
    /// # Errors
    ///
    /// As [`Graph::add`].
    pub fn add_limited(
        &mut self,
        task: TaskId,
        after: &[TaskId],
        limits: &[Limit],
    ) -> Result<Admission, NotEarlier> {
        // An earlier task can't wait for a later one, so there are no cycles.
        let limit = TaskId(task.0.min(self.next));
        if let Some(&on) = after.iter().find(|&&on| on >= limit) {
            return Err(NotEarlier { task, on });
        }
        self.next = self.next.max(task.0.saturating_add(1));
        if self.dissolved {
            return Ok(Admission::Ready);
        }
        if let Some(&failed) = after.iter().find_map(|on| self.lost.get(on)) {
            self.lost.insert(task, failed);
            return Ok(Admission::Skipped(failed));
        }
        let mut missing = 0;
        for on in after {
            if let Some(open) = self.open.get_mut(on)
                && open.dependents.last() != Some(&task)
            {
                open.dependents.push(task);
                missing += 1;
            }
        }
        self.open.insert(
            task,
            Open {
                limits: limits.to_vec(),
                has_places: false,
                missing,
                dependents: Vec::new(),
            },
        );
        if missing > 0 {
            self.blocked += 1;
            return Ok(Admission::Waits);
        }
        self.ready.push(Reverse(task));
        Ok(Admission::Ready)
    }

    /// The first added of the tasks that may start and were not handed out yet.
    pub fn next_ready(&mut self) -> Option<TaskId> {
        while let Some(Reverse(task)) = self.ready.pop() {
            let Some(open) = self.open.get_mut(&task) else {
                continue;
            };
            let is_full = |limit: &&Limit| {
                let taken = self
                    .places
                    .get(&limit.name)
                    .map_or(0, |places| places.taken);
                taken >= limit.most.get()
            };
            if let Some(full) = open.limits.iter().find(is_full) {
                let places = self.places.entry(Arc::clone(&full.name)).or_default();
                places.waiting.push(Reverse(task));
                self.parked += 1;
                continue;
            }
            open.has_places = true;
            for limit in &open.limits {
                self.places
                    .entry(Arc::clone(&limit.name))
                    .or_default()
                    .taken += 1;
            }
            return Some(task);
        }
        None
    }

    /// Gives the places of a concluded task back; who waits for one of them is tried anew.
    fn give_back(&mut self, open: &Open) {
        if !open.has_places {
            return;
        }
        for limit in &open.limits {
            let Some(places) = self.places.get_mut(&limit.name) else {
                continue;
            };
            places.taken = places.taken.saturating_sub(1);
            if let Some(next) = places.waiting.pop() {
                self.parked -= 1;
                self.ready.push(next);
            }
        }
    }

    /// Takes the final state of a task that was handed out, and answers with those that are
    /// skipped because of it. An attempt that is run again is no final state.
    pub fn conclude(&mut self, task: TaskId, succeeded: bool) -> Vec<Skipped> {
        let mut skipped = Vec::new();
        let Some(open) = self.open.remove(&task) else {
            return skipped;
        };
        self.give_back(&open);
        if succeeded {
            for dependent in open.dependents {
                self.one_less(dependent);
            }
            return skipped;
        }
        self.lost.insert(task, task);
        let mut hit = VecDeque::from(open.dependents);
        while let Some(dependent) = hit.pop_front() {
            // It may have been skipped already because of another.
            if let Some(open) = self.open.remove(&dependent) {
                self.blocked -= 1;
                self.lost.insert(dependent, task);
                hit.extend(open.dependents);
                skipped.push(Skipped {
                    task: dependent,
                    failed: task,
                });
            }
        }
        skipped
    }

    fn one_less(&mut self, task: TaskId) {
        let Some(open) = self.open.get_mut(&task) else {
            return;
        };
        open.missing = open.missing.saturating_sub(1);
        if open.missing == 0 {
            self.blocked -= 1;
            self.ready.push(Reverse(task));
        }
    }

    /// Whether anything waits for nothing but its places, which may be free.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// How many tasks were neither handed out nor skipped.
    pub fn waiting(&self) -> usize {
        self.blocked + self.ready.len() + self.parked
    }

    /// Gives up holding back: answers with all that was neither handed out nor skipped, in
    /// ascending order, and from now on takes every task as one that may start but does not
    /// hand it out. For a run that starts nothing more.
    pub fn dissolve(&mut self) -> Vec<TaskId> {
        self.dissolved = true;
        let mut left: Vec<TaskId> = self.ready.drain().map(|Reverse(task)| task).collect();
        for (_, mut places) in self.places.drain() {
            left.extend(places.waiting.drain().map(|Reverse(task)| task));
        }
        self.parked = 0;
        let open = std::mem::take(&mut self.open);
        left.extend(
            (open.iter())
                .filter(|(_, open)| open.missing > 0)
                .map(|(&task, _)| task),
        );
        self.blocked = 0;
        left.sort_unstable();
        left
    }

    /// Whether [`Graph::dissolve`] was called.
    pub fn is_dissolved(&self) -> bool {
        self.dissolved
    }
}
