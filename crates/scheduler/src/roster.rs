//! The active attempts, found by their task.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::attempt::Attempt;
use crate::task::TaskId;

/// Every active attempt. The index's hasher has fixed keys: the same events always lead to the
/// same actions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    attempts: Vec<Attempt>,
    places: HashMap<TaskId, usize, BuildHasherDefault<DefaultHasher>>,
}

impl Roster {
    pub(crate) fn add(&mut self, attempt: Attempt) {
        self.places.insert(attempt.spec.id, self.attempts.len());
        self.attempts.push(attempt);
    }

    pub(crate) fn remove(&mut self, id: TaskId) -> Option<Attempt> {
        let place = self.places.remove(&id)?;
        let attempt = self.attempts.swap_remove(place);
        if let Some(moved) = self.attempts.get(place) {
            self.places.insert(moved.spec.id, place);
        }
        Some(attempt)
    }

    pub(crate) fn contains(&self, id: TaskId) -> bool {
        self.places.contains_key(&id)
    }

    pub(crate) fn find(&self, id: TaskId) -> Option<&Attempt> {
        self.places.get(&id).map(|&place| &self.attempts[place])
    }

    pub(crate) fn find_mut(&mut self, id: TaskId) -> Option<&mut Attempt> {
        self.places.get(&id).map(|&place| &mut self.attempts[place])
    }

    pub(crate) fn get(&self, place: usize) -> &Attempt {
        &self.attempts[place]
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> &mut Attempt {
        &mut self.attempts[place]
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Attempt> {
        self.attempts.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Attempt> {
        self.attempts.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.attempts.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Whether index and attempts agree; for the sanity check.
    pub(crate) fn is_consistent(&self) -> bool {
        self.places.len() == self.attempts.len()
            && (self.attempts.iter().enumerate())
                .all(|(place, attempt)| self.places.get(&attempt.spec.id) == Some(&place))
    }
}
