//! The use that is expected of one task over its life: of its kind, or by a hint.

use crate::attempt::bytes;
use crate::curve::Curve;
use crate::hint::Hint;
use crate::learning::Kind;

/// No task is expected to take less (seconds); a duration is divided by.
const SHORTEST: f64 = 1e-3;

/// Peak, duration and course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forecast<'a> {
    /// In bytes.
    pub(crate) peak: f64,
    pub(crate) seconds: f64,
    course: Course<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Course<'a> {
    Learned(&'a Curve),
    Told([u8; Hint::STEPS]),
}

impl<'a> Forecast<'a> {
    pub(crate) fn of_kind(kind: &'a Kind) -> Self {
        Self {
            peak: kind.peak(),
            seconds: kind.seconds(),
            course: Course::Learned(kind.curve()),
        }
    }

    pub(crate) fn of_hint(hint: &Hint) -> Self {
        Self {
            peak: bytes(hint.peak_bytes),
            // A century is no task.
            seconds: hint.duration.as_secs_f64().clamp(SHORTEST, 4e9),
            course: Course::Told(hint.curve),
        }
    }

    /// The part of the peak in use after `life` (a part of the duration).
    pub(crate) fn at(&self, life: f64) -> f64 {
        match &self.course {
            Course::Learned(curve) => curve.at(life),
            Course::Told(steps) => told_at(steps, life),
        }
    }

    /// The highest part of the peak between two moments of life.
    pub(crate) fn most(&self, from: f64, to: f64) -> f64 {
        match &self.course {
            Course::Learned(curve) => curve.most(from, to),
            Course::Told(steps) => {
                let within = place(from) + 1..place(to).max(place(from));
                let between = steps.get(within).unwrap_or_default();
                let highest = between.iter().copied().max().unwrap_or(0);
                share(highest)
                    .max(told_at(steps, from))
                    .max(told_at(steps, to))
            }
        }
    }
}

/// Each step is the highest of its stretch. Where use rises, it rises there from the step
/// before; a fall is taken to be at once, so that no peak is passed over.
fn told_at(steps: &[u8; Hint::STEPS], life: f64) -> f64 {
    let place = place(life);
    let step = |place: usize| steps.get(place).copied().map_or(1.0, share);
    let here = step(place);
    let before = place.checked_sub(1).map_or(0.0, step);
    // A rise over two steps or more is a slope; a lone one may be anywhere in its step.
    let goes_on = step((place + 1).min(Hint::STEPS - 1)) > here;
    let has_risen = place.checked_sub(2).map_or(0.0, step) < before;
    if before < here && (goes_on || has_risen) {
        let within = (life * Hint::STEPS as f64 - place as f64).clamp(0.0, 1.0);
        before + (here - before) * within
    } else {
        here
    }
}

fn place(life: f64) -> usize {
    ((life.max(0.0) * Hint::STEPS as f64) as usize).min(Hint::STEPS - 1)
}

fn share(step: u8) -> f64 {
    f64::from(step) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn told(curve: [u8; Hint::STEPS]) -> Forecast<'static> {
        Forecast::of_hint(&Hint {
            peak_bytes: 100,
            duration: Duration::from_secs(2),
            curve,
        })
    }

    #[test]
    fn a_slope_is_followed_within_a_step() {
        let mut ramp = [0; Hint::STEPS];
        for (step, share) in ramp.iter_mut().enumerate() {
            *share = ((step + 1) * 255 / Hint::STEPS) as u8;
        }
        let ramp = told(ramp);
        for life in [0.0, 0.1, 0.5, 0.77, 0.99] {
            assert!((ramp.at(life) - life).abs() < 0.01, "{life}");
        }
        assert!((ramp.most(0.25, 0.5) - 0.5).abs() < 0.01);
    }

    #[test]
    fn a_spike_is_nowhere_passed_over() {
        let mut spike = [25; Hint::STEPS];
        spike[7] = 255;
        let spike = told(spike);
        assert_eq!(spike.most(0.0, 0.99), 1.0);
        assert_eq!(spike.at(7.01 / 16.0), 1.0);
        assert!(spike.at(8.5 / 16.0) < 0.1);
        assert!(spike.most(0.0, 0.4) < 0.1);
    }

    #[test]
    fn nothing_takes_no_time() {
        let hint = Hint {
            peak_bytes: u64::MAX,
            duration: Duration::ZERO,
            curve: Hint::FLAT,
        };
        let forecast = Forecast::of_hint(&hint);
        assert!(forecast.seconds > 0.0 && forecast.peak.is_finite());
        assert_eq!(forecast.most(f64::NAN, f64::INFINITY), 1.0);
    }
}
