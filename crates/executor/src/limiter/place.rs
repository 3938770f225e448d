//! A place among those that may run.

use std::sync::Arc;

use super::gate::Gate;

/// A place among those that may run, held until it is dropped.
#[must_use = "a place is free again as soon as it's dropped"]
#[derive(Debug)]
pub struct Place {
    gate: Arc<Gate>,
}

impl Place {
    /// Of a gate of which one place was taken for it.
    pub(super) fn taken(gate: Arc<Gate>) -> Self {
        Self { gate }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.release();
    }
}
