//! Where on its expected course a running attempt stands.
//!
//! By the clock alone an attempt that was held back, started on a busy machine, or takes longer
//! than was told seems to be past a rise that is still before it. What it uses now, and the most
//! that it has used, tell how far it has come.

use crate::attempt::Attempt;
use crate::forecast::Forecast;

/// So many places of a course are compared.
const PLACES: u32 = 32;
/// It is sought from this part of the time passed
const EARLIEST: f64 = 0.5;
/// up to so many times that time;
const LATEST: f64 = 1.5;
/// a little time has no meaning (as a part of the duration).
const LITTLE: f64 = 0.05;
/// A whole duration away from the clock weighs as much as so large a part of the peak that it is
/// off.
const AWAY: f64 = 0.5;
/// What it has used at most weighs so much against what it uses now.
const PAST: f64 = 0.5;

/// Where an attempt stands, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Standing {
    /// The part of its course that lies behind it; above 1.0 where it outlasts it by the clock.
    pub(crate) life: f64,
    /// The part of its course that lies behind it by the clock.
    pub(crate) by_clock: f64,
}

impl Standing {
    /// The place that explains best what an attempt uses and has used. The clock decides between
    /// places that explain it as well.
    pub(crate) fn of(attempt: &Attempt, course: &Forecast<'_>) -> Self {
        let by_clock = attempt.work / course.seconds;
        let life = Self::explain(attempt.use_bytes, attempt.seen, by_clock, course);
        Self { life, by_clock }
    }

    fn explain(used: f64, seen: f64, by_clock: f64, course: &Forecast<'_>) -> f64 {
        let peak = course.peak.max(1.0);
        let (used, seen, told) = (used / peak, seen / peak, by_clock.min(1.0));
        let off = |at: f64| {
            // Before its first step it may have used anything up to it.
            let most = if at <= 0.0 {
                course.at(0.0).min(used)
            } else {
                course.most(0.0, at)
            };
            (used - course.at(at)).abs() + AWAY * (at - told).abs() + PAST * (seen - most).abs()
        };
        let (from, to) = (EARLIEST * told, LATEST * (told + LITTLE));
        let mut best = (off(told), by_clock);
        for place in 0..=PLACES {
            // The end itself belongs to no step.
            let at = f64::from(place) / f64::from(PLACES) * (1.0 - 1e-6);
            if (from..to).contains(&at) && off(at) < best.0 {
                best = (off(at), at);
            }
        }
        best.1
    }

    /// The seconds to its end, if by the clock they are `rest`.
    pub(crate) fn rest(&self, rest: f64, seconds: f64) -> f64 {
        let told = self.by_clock.min(1.0);
        let left = (1.0 - self.life).max(0.0) * seconds;
        if self.life < told {
            rest.max(left)
        } else if self.life > told && self.life < 1.0 {
            left.max(LITTLE * seconds)
        } else {
            rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hint;
    use std::time::Duration;

    fn course(curve: [u8; Hint::STEPS]) -> Forecast<'static> {
        Forecast::of_hint(&Hint {
            peak_bytes: 1000,
            duration: Duration::from_secs(1),
            curve,
        })
    }

    fn late_spike() -> Forecast<'static> {
        let mut curve = [25; Hint::STEPS];
        curve[14..].fill(255);
        course(curve)
    }

    #[test]
    fn on_time_is_where_the_clock_says() {
        let ramp = course(std::array::from_fn(|step| ((step + 1) * 255 / 16) as u8));
        for life in [0.25, 0.5, 0.75] {
            let stands = Standing::explain(1000.0 * life, 1000.0 * life, life, &ramp);
            assert!((stands - life).abs() < 0.05, "{stands} at {life}");
        }
    }

    #[test]
    fn a_spike_that_is_late_is_still_to_come() {
        let stands = Standing::explain(98.0, 98.0, 0.95, &late_spike());
        assert!((0.5..14.0 / 16.0).contains(&stands), "{stands}");
    }

    #[test]
    fn a_spike_that_came_early_is_not_expected_again() {
        let mut curve = [64; Hint::STEPS];
        curve[1..3].fill(255);
        let early = course(curve);
        // By the clock it is just before the fall, but it has fallen from its peak already.
        let stands = Standing::explain(250.0, 1000.0, 0.17, &early);
        assert!(stands > 3.0 / 16.0 - 1e-3, "{stands}");
    }

    #[test]
    fn who_outlasts_its_course_is_at_its_end() {
        let flat = course(Hint::FLAT);
        assert_eq!(Standing::explain(1000.0, 1000.0, 3.0, &flat), 3.0);
        let stands = Standing {
            life: 3.0,
            by_clock: 3.0,
        };
        assert_eq!(stands.rest(0.65, 1.0), 0.65);
        let behind = Standing {
            life: 0.5,
            by_clock: 0.9,
        };
        assert_eq!(behind.rest(0.1, 1.0), 0.5);
    }
}
