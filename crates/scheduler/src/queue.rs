//! What waits: the window of tasks that were never started, and those that come back.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use crate::task::{TaskId, TaskSpec};
use crate::tuning::EARLY_RETURNS;

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

impl Waiting {
    /// Whether a task that was ended may start before another exits: those that run have given
    /// back more than it ever held, so it would not meet the same shortage. Only so often, so that
    /// endings between two exits stay finite.
    pub(crate) fn comes_back_into(&self, given_back: f64) -> bool {
        self.past.endings <= EARLY_RETURNS && given_back > self.past.reached
    }
}

/// The waiting tasks, found by their arrival, by their name, by the duration that is known of
/// them and by what was declared. Nothing costs more than the logarithm of their number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<u64, Waiting>,
    names: HashSet<TaskId, BuildHasherDefault<DefaultHasher>>,
    /// Those with a hint, the longest first.
    longest: BTreeSet<(Reverse<Duration>, u64)>,
    /// Those with a declared peak, by that.
    declared: BTreeSet<(u64, u64)>,
    arrivals: u64,
}

impl Queue {
    /// Takes a task in that the run has not seen before.
    pub(crate) fn add(&mut self, spec: TaskSpec, exits: u64) {
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.give_back(Waiting {
            spec,
            past: Past::default(),
            arrival,
            held_until: 0,
            waiting_since: exits,
            alone: false,
        });
    }

    /// Takes a task back at the place of its arrival.
    pub(crate) fn give_back(&mut self, waiting: Waiting) {
        let (arrival, spec) = (waiting.arrival, &waiting.spec);
        self.names.insert(spec.id);
        if let Some(hint) = &spec.hint {
            self.longest.insert((Reverse(hint.duration), arrival));
        }
        if let Some(bytes) = spec.declared_bytes {
            self.declared.insert((bytes, arrival));
        }
        self.waiting.insert(arrival, waiting);
    }

    /// Takes out the task that arrived so.
    pub(crate) fn take(&mut self, arrival: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&arrival)?;
        self.names.remove(&waiting.spec.id);
        if let Some(hint) = &waiting.spec.hint {
            self.longest.remove(&(Reverse(hint.duration), arrival));
        }
        if let Some(bytes) = waiting.spec.declared_bytes {
            self.declared.remove(&(bytes, arrival));
        }
        Some(waiting)
    }

    /// Takes out the first to come.
    pub(crate) fn take_first(&mut self) -> Option<Waiting> {
        let (&arrival, _) = self.waiting.first_key_value()?;
        self.take(arrival)
    }

    /// Takes out the last to come.
    pub(crate) fn take_last(&mut self) -> Option<Waiting> {
        let (&arrival, _) = self.waiting.last_key_value()?;
        self.take(arrival)
    }

    pub(crate) fn contains(&self, id: TaskId) -> bool {
        self.names.contains(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether anything is known beforehand of any.
    pub(crate) fn is_hinted(&self) -> bool {
        !self.longest.is_empty()
    }

    /// In order of arrival.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    /// Those with a hint, the longest first.
    pub(crate) fn longest(&self) -> impl Iterator<Item = &Waiting> {
        (self.longest.iter()).filter_map(|(_, arrival)| self.waiting.get(arrival))
    }

    /// The largest declared peak in bytes, and when its task arrived.
    pub(crate) fn largest_declared(&self) -> Option<(u64, u64)> {
        let &(bytes, arrival) = self.declared.last()?;
        Some((arrival, bytes))
    }

    pub(crate) fn get(&self, arrival: u64) -> Option<&Waiting> {
        self.waiting.get(&arrival)
    }
}
