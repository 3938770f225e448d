//! Sets of workloads drawn by seed, and how fast any machine could finish them.

use std::time::Duration;

use crate::curve::{Curve, Shape};
use crate::random::SplitMix64;
use crate::size::MIB;

/// The peaks that a hog mix draws from, in MiB.
pub const HOG_PEAKS_MIB: [u64; 8] = [30, 40, 60, 80, 120, 160, 240, 320];

/// How many tasks a hog mix holds.
pub const HOG_TASKS: usize = 24;

/// A set of tasks that are known exactly to us, and not at all to what runs them.
#[derive(Clone, Debug)]
pub struct Mix {
    /// The tasks in the order in which they are offered.
    pub tasks: Vec<Curve>,
}

impl Mix {
    /// 24 hogs: peaks drawn from [`HOG_PEAKS_MIB`], lives uniform in 0.8 to 3 s (whole
    /// milliseconds). Each task draws its peak first and its life second.
    #[must_use]
    pub fn hogs(seed: u64) -> Self {
        let mut random = SplitMix64::new(seed);
        let tasks = (0..HOG_TASKS)
            .map(|_| {
                let peak = random.choose(&HOG_PEAKS_MIB) * MIB;
                let millis = random.uniform(800.0, 3000.0).round() as u64;
                Curve {
                    shape: Shape::Hog,
                    peak,
                    life: Duration::from_millis(millis),
                }
            })
            .collect();
        Self { tasks }
    }

    /// The arguments of the workload program for each task.
    #[must_use]
    pub fn arguments(&self) -> Vec<Vec<String>> {
        self.tasks.iter().map(arguments).collect()
    }

    /// What no schedule can beat inside `budget` bytes.
    #[must_use]
    pub fn bound(&self, budget: u64) -> Bound {
        let area: f64 = self.tasks.iter().map(Curve::area).sum();
        let longest = self.tasks.iter().map(|t| t.life).max().unwrap_or_default();
        let crowd = (1..=self.tasks.len())
            .map(|k| {
                let level = budget as f64 / (k as f64 + 1.0);
                let above: f64 = self.tasks.iter().map(|t| t.seconds_above(level)).sum();
                above / k as f64
            })
            .fold(0.0, f64::max);
        Bound {
            area: area / budget as f64,
            longest: longest.as_secs_f64(),
            crowd,
            sequential: self.tasks.iter().map(|t| t.life.as_secs_f64()).sum(),
        }
    }
}

/// The seconds that a set of tasks needs at the very least, each for a reason of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The tasks' bytes times seconds over the budget.
    pub area: f64,
    /// The longest task.
    pub longest: f64,
    /// At most k tasks can hold more than budget / (k + 1) at once; the worst over all k.
    pub crowd: f64,
    /// All tasks one after another: no bound, but the yardstick for being parallel at all.
    pub sequential: f64,
}

impl Bound {
    /// The greatest of the bounds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.area.max(self.longest).max(self.crowd)
    }
}

fn arguments(task: &Curve) -> Vec<String> {
    let name = match task.shape {
        Shape::Hog => "hog",
        Shape::Spike => "spike",
        Shape::LateSpike => "late-spike",
        Shape::Sawtooth => "sawtooth",
        Shape::Leak => "leak",
        Shape::Step => "step",
        Shape::Flat => "flat",
    };
    vec![
        name.to_owned(),
        "--peak".to_owned(),
        task.peak.to_string(),
        "--seconds".to_owned(),
        format!("{:.3}", task.life.as_secs_f64()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_mix() {
        assert_eq!(Mix::hogs(3).tasks, Mix::hogs(3).tasks);
        assert_ne!(Mix::hogs(3).tasks, Mix::hogs(4).tasks);
    }

    #[test]
    fn hogs_stay_inside_what_was_promised() {
        for task in (0..50).flat_map(|seed| Mix::hogs(seed).tasks) {
            assert!(HOG_PEAKS_MIB.contains(&(task.peak / MIB)));
            assert!((0.8..=3.0).contains(&task.life.as_secs_f64()));
        }
    }

    #[test]
    fn bounds_are_in_order() {
        for seed in 0..50 {
            let bound = Mix::hogs(seed).bound(600 * MIB);
            assert!(bound.seconds() >= bound.area);
            assert!(bound.seconds() < bound.sequential);
            assert!((4.0..12.0).contains(&bound.area), "{bound:?}");
        }
    }

    #[test]
    fn tasks_above_half_the_budget_exclude_each_other() {
        let flat = |peak| Curve {
            shape: Shape::Flat,
            peak,
            life: Duration::from_secs(1),
        };
        let mix = Mix {
            tasks: vec![flat(60), flat(60), flat(60)],
        };
        assert!((mix.bound(100).seconds() - 3.0).abs() < 1e-9);
    }
}
