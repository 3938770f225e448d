//! The memory that a task holds over its life.

use std::time::Duration;

/// A corner of a curve: at this share of the life, this share of the peak is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Share of the life that has passed, 0 to 1.
    pub at: f64,
    /// Share of the peak that is held, 0 to 1.
    pub level: f64,
}

/// The known families of memory curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Grows over the first half of its life, holds its peak for the second.
    Hog,
    /// Grows to its peak within the first tenth, then keeps a quarter of it.
    Spike,
    /// Holds a tenth until nine tenths of its life are over, then takes its peak.
    LateSpike,
    /// Four teeth; the last one reaches the peak.
    Sawtooth,
    /// Grows to the very end.
    Leak,
    /// Holds little for a fifth of its life, then takes the peak at once.
    Step,
    /// Takes its peak at once and keeps it.
    Flat,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 7] = [
        Shape::Hog,
        Shape::Spike,
        Shape::LateSpike,
        Shape::Sawtooth,
        Shape::Leak,
        Shape::Step,
        Shape::Flat,
    ];

    /// The corners of the curve, in order of time; the first is at 0 and the last at 1.
    #[must_use]
    pub fn points(self) -> Vec<Point> {
        let corners: &[(f64, f64)] = match self {
            Shape::Hog => &[(0.0, 0.0), (0.5, 1.0), (1.0, 1.0)],
            Shape::Spike => &[(0.0, 0.0), (0.1, 1.0), (0.15, 0.25), (1.0, 0.25)],
            Shape::LateSpike => &[(0.0, 0.1), (0.9, 0.1), (0.99, 1.0), (1.0, 1.0)],
            Shape::Sawtooth => &[
                (0.0, 0.0),
                (0.2125, 0.9),
                (0.25, 0.3),
                (0.4625, 0.9),
                (0.5, 0.3),
                (0.7125, 0.9),
                (0.75, 0.3),
                (0.9625, 1.0),
                (1.0, 0.3),
            ],
            Shape::Leak => &[(0.0, 0.0), (1.0, 1.0)],
            Shape::Step => &[(0.0, 0.06), (0.2, 0.06), (0.2, 1.0), (1.0, 1.0)],
            Shape::Flat => &[(0.0, 1.0), (1.0, 1.0)],
        };
        corners
            .iter()
            .map(|&(at, level)| Point { at, level })
            .collect()
    }
}

/// A shape with its scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The family.
    pub shape: Shape,
    /// The most bytes that are held.
    pub peak: u64,
    /// How long the task lives when nothing holds it up.
    pub life: Duration,
}

impl Curve {
    /// Bytes times seconds that the task takes up.
    #[must_use]
    pub fn area(&self) -> f64 {
        let share: f64 = self
            .segments()
            .map(|(a, b)| (b.at - a.at) * (a.level + b.level) / 2.0)
            .sum();
        share * self.peak as f64 * self.life.as_secs_f64()
    }

    /// Seconds for which the task holds more than `level` bytes.
    #[must_use]
    pub fn seconds_above(&self, level: f64) -> f64 {
        let level = level / self.peak as f64;
        let share: f64 = self
            .segments()
            .map(|(a, b)| {
                let (low, high) = (a.level.min(b.level), a.level.max(b.level));
                let above = if high <= level {
                    0.0
                } else if low >= level {
                    1.0
                } else {
                    (high - level) / (high - low)
                };
                (b.at - a.at) * above
            })
            .sum();
        share * self.life.as_secs_f64()
    }

    fn segments(&self) -> impl Iterator<Item = (Point, Point)> {
        let points = self.shape.points();
        let next: Vec<Point> = points.iter().skip(1).copied().collect();
        points.into_iter().zip(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hog() -> Curve {
        Curve {
            shape: Shape::Hog,
            peak: 100,
            life: Duration::from_secs(2),
        }
    }

    #[test]
    fn a_hog_takes_three_quarters_of_its_rectangle() {
        assert!((hog().area() - 150.0).abs() < 1e-9);
    }

    #[test]
    fn time_above_a_level_follows_the_ramp() {
        assert!((hog().seconds_above(50.0) - 1.5).abs() < 1e-9);
        assert!((hog().seconds_above(100.0) - 0.0).abs() < 1e-9);
        assert!((hog().seconds_above(200.0) - 0.0).abs() < 1e-9);
    }

    #[test]
    fn every_shape_reaches_its_peak_and_runs_from_birth_to_end() {
        for shape in Shape::ALL {
            let points = shape.points();
            assert_eq!(points[0].at, 0.0);
            assert_eq!(points[points.len() - 1].at, 1.0);
            assert!(points.windows(2).all(|w| w[0].at <= w[1].at), "{shape:?}");
            assert!(points.iter().any(|p| p.level == 1.0), "{shape:?}");
        }
    }
}
