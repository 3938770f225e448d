//! The run's own time: it stands still while the whole run is stopped (Ctrl-Z).

use std::time::{Duration, Instant};

/// Time since the run began.
#[derive(Debug)]
pub(crate) struct RunClock {
    started: Instant,
    stood_still: Duration,
}

impl RunClock {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            stood_still: Duration::ZERO,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.stood_still)
    }

    /// Calls `f` while the clock stands still.
    pub(crate) fn pause_during<T>(&mut self, f: impl FnOnce() -> T) -> T {
        let before = Instant::now();
        let result = f();
        self.stood_still += before.elapsed();
        result
    }
}
