//! What waits: the window of tasks that were never started, and those that come back.

use std::time::Duration;

use crate::task::{TaskId, TaskSpec};

/// What has happened to a task in its earlier attempts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past {
    /// Attempts started.
    pub(crate) attempts: u32,
    /// Attempts that were ended to make room.
    pub(crate) endings: u32,
    /// Attempts that failed by themselves.
    pub(crate) failures: u32,
    /// Attempts that failed for want of memory.
    pub(crate) victims: u32,
    /// Starts that the system refused while nothing else ran.
    pub(crate) refusals: u32,
    /// The highest use that any of them reached, in bytes.
    pub(crate) reached: f64,
    /// When it was last let go on after being frozen.
    pub(crate) thawed: Option<Duration>,
}

/// A task that waits to be started.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) spec: TaskSpec,
    pub(crate) past: Past,
    /// Its place in the order of arrival; kept when it comes back.
    pub(crate) arrival: u64,
    /// It is not started before the run has seen more exits than this, so that what was ended
    /// to make room does not take the room at once.
    pub(crate) held_until: u64,
    /// The exits the run had seen when it began to wait.
    pub(crate) waiting_since: u64,
    /// It has been a victim so often that it runs alone.
    pub(crate) alone: bool,
}

/// The waiting tasks in order of arrival.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    waiting: Vec<Waiting>,
    arrivals: u64,
}

impl Queue {
    /// Takes a task in that the run has not seen before.
    pub(crate) fn add(&mut self, spec: TaskSpec, exits: u64) {
        self.waiting.push(Waiting {
            spec,
            past: Past::default(),
            arrival: self.arrivals,
            held_until: 0,
            waiting_since: exits,
            alone: false,
        });
        self.arrivals += 1;
    }

    /// Takes a task back at the place of its arrival.
    pub(crate) fn give_back(&mut self, waiting: Waiting) {
        let place = self
            .waiting
            .partition_point(|other| other.arrival < waiting.arrival);
        self.waiting.insert(place, waiting);
    }

    /// Takes the task at `place` out.
    pub(crate) fn take(&mut self, place: usize) -> Waiting {
        self.waiting.remove(place)
    }

    pub(crate) fn contains(&self, id: TaskId) -> bool {
        self.waiting.iter().any(|waiting| waiting.spec.id == id)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Waiting> {
        self.waiting.iter()
    }

    pub(crate) fn get(&self, place: usize) -> &Waiting {
        &self.waiting[place]
    }
}
