//! The use of a task over its life, in steps.

use serde::{Deserialize, Serialize};

/// Steps of a curve.
pub const STEPS: usize = 16;

/// Use as a part of the peak in each sixteenth of a task's duration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(from = "[f32; STEPS]", into = "[f32; STEPS]")]
pub struct Curve([f32; STEPS]);

impl Curve {
    /// The peak all the time: what is assumed where nothing is known.
    pub const FLAT: Self = Self([1.0; STEPS]);

    /// The curve through readings `(part of the life, bytes)` in the order of time: the highest
    /// of each step, as parts of the highest of all. `None` where there are none.
    pub fn of_readings(readings: &[(f64, u64)]) -> Option<Self> {
        let peak = readings.iter().map(|(_, bytes)| *bytes).max()?;
        if peak == 0 {
            return None;
        }
        let mut steps = [f32::NAN; STEPS];
        for (life, bytes) in readings {
            let place = ((life.clamp(0.0, 1.0) * STEPS as f64) as usize).min(STEPS - 1);
            steps[place] = steps[place].max(*bytes as f32 / peak as f32);
        }
        // A step without a reading held what the one before it held, the first nothing.
        let mut held = 0.0;
        for step in &mut steps {
            if step.is_nan() {
                *step = held;
            }
            held = *step;
        }
        Some(Self::from(steps))
    }

    /// The parts of the peak, from 0 to 1.
    pub fn steps(&self) -> &[f32; STEPS] {
        &self.0
    }

    /// This curve with so much of another mixed in.
    pub(super) fn blended(&self, other: &Self, part: f32) -> Self {
        let mut mixed = self.0;
        for (mine, theirs) in mixed.iter_mut().zip(other.0) {
            *mine += (theirs - *mine) * part;
        }
        Self(mixed)
    }
}

impl From<[f32; STEPS]> for Curve {
    fn from(steps: [f32; STEPS]) -> Self {
        // What is no number was read by nobody; the peak is the safe assumption.
        Self(steps.map(|step| {
            if step.is_nan() {
                1.0
            } else {
                step.clamp(0.0, 1.0)
            }
        }))
    }
}

impl From<Curve> for [f32; STEPS] {
    fn from(curve: Curve) -> Self {
        curve.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_a_ramp() {
        let readings: Vec<(f64, u64)> = (0..=100).map(|n| (n as f64 / 100.0, n * 10)).collect();
        let curve = Curve::of_readings(&readings).unwrap();
        assert_eq!(curve.steps()[STEPS - 1], 1.0);
        assert!(curve.steps().windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn gaps_hold_what_was_held() {
        let curve = Curve::of_readings(&[(0.0, 50), (0.99, 100)]).unwrap();
        assert_eq!(curve.steps()[8], 0.5);
        assert_eq!(Curve::of_readings(&[]), None);
        assert_eq!(Curve::of_readings(&[(0.5, 0)]), None);
    }

    #[test]
    fn what_is_no_number_is_the_peak() {
        let mut steps = [0.5; STEPS];
        steps[3] = f32::NAN;
        steps[4] = 7.0;
        assert_eq!(Curve::from(steps).steps()[3..5], [1.0, 1.0]);
    }
}
