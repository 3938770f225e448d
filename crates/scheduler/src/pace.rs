//! When memory must be looked at again.

use std::time::Duration;

use crate::tuning::{TICK, TICK_UNBRAKED};
use crate::{Hold, Scheduler, Strategy};

/// The longest time between two readings while anything runs.
const LONGEST: f64 = 1.0;
/// While admission waits for expected growth to fail to come, or others hold the memory.
const EXPECTANT: f64 = 0.050;
/// The fastest growth that is reckoned with where nothing brakes it, in bytes per second.
const FASTEST_GROWTH: f64 = 3.0 * 1024.0 * 1024.0 * 1024.0;

impl Scheduler {
    /// How long from `now` (a delay, not a point in time; zero if it is overdue) until the
    /// scheduler wants its next [`crate::Event::Reading`] at the latest, given that nothing else
    /// happens: soon while growth or a pending admission makes time matter, `None` when only a
    /// new task can change anything. It is counted from the last reading (or from the last time memory could not
    /// be read), so asking again after
    /// every event never postpones the reading.
    pub fn next_reading(&self, now: Duration) -> Option<Duration> {
        if self.active.is_empty() && self.queue.is_empty() {
            return None;
        }
        let Some(looked) = self.memory.looked else {
            return Some(Duration::ZERO);
        };
        if self.memory.is_refuted() {
            return Some(Duration::ZERO);
        }
        let due = looked + self.interval();
        let wait = (due - now.max(self.now).as_secs_f64()).clamp(0.0, LONGEST);
        Some(Duration::from_secs_f64(wait))
    }

    fn interval(&self) -> f64 {
        let tick = if self.config.brake {
            TICK
        } else {
            TICK_UNBRAKED
        };
        let is_moving = self.admission.is_put_off()
            || self.pressure.stalled
            || self.pressure.room < 0.0
            || self
                .active
                .iter()
                .any(|attempt| attempt.is_ending() || !attempt.is_quiet());
        if is_moving {
            return tick;
        }
        // The longer nothing has moved, the less often it is looked at.
        let quiet = self
            .active
            .iter()
            .map(|attempt| attempt.quiet_seconds())
            .fold(LONGEST, f64::min);
        let mut interval = (quiet / 4.0).clamp(tick, LONGEST);
        if matches!(
            self.admission.hold(),
            Some(Hold::Memory { .. } | Hold::Unread | Hold::Cores | Hold::Refused)
        ) {
            interval = interval.min(EXPECTANT);
        }
        if !self.config.brake && self.config.strategy != Strategy::Unlimited {
            interval = interval.min((self.pressure.room / FASTEST_GROWTH).max(tick));
        }
        interval
    }
}
