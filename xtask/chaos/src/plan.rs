//! What one run holds, drawn by its seed.

use std::path::Path;
use std::time::Duration;

use saferun_testbed::curve::{Curve, Shape};
use saferun_testbed::mix::Mix;
use saferun_testbed::random::SplitMix64;
use saferun_testbed::size::MIB;

use crate::Tier;

/// Without a brake growth up to so many bytes per second and task is caught, by the measurement in
/// `docs/chaos.md`.
pub const UNBRAKED_GROWTH: u64 = 256 * MIB;

/// The lines of succession of a storm: each has one process at a time.
const STORM: u32 = 6;

/// How a task has to end where nothing interferes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    Failed,
    /// It takes all there is and has to be given up.
    TooLarge,
}

/// A task.
#[derive(Debug, Clone)]
pub(super) struct Job {
    /// The arguments of the workload.
    pub(super) arguments: String,
    pub(super) ending: Ending,
    /// What it holds over its life, as far as that is known.
    curve: Option<Curve>,
}

/// What befalls the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blow {
    Nothing,
    Interrupt,
    InterruptTwice,
    /// Ctrl-Z, and going on after a while.
    Suspend,
    KillRunner,
    KillGuard,
}

/// A run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    pub(super) blow: Blow,
    pub(super) moment: Duration,
    pub(super) preempt: &'static str,
}

impl Plan {
    /// The run of this seed. Its tasks may write files in `directory`.
    pub(super) fn draw(seed: u64, tier: Tier, growth: u64, directory: &Path) -> Self {
        // With a brake there is no rate that is too high.
        let growth = (!tier.has_brake()).then_some(growth);
        let mut random = SplitMix64::new(seed);
        let count = random.uniform(6.0, 12.0) as usize;
        let mut jobs: Vec<Job> = (0..count)
            .map(|number| {
                job(
                    &mut random,
                    growth,
                    &directory.join(format!("file.{number}")),
                )
            })
            .collect();
        // Nothing holds an allocator at full speed where there is no brake.
        if tier.has_brake() && random.uniform(0.0, 1.0) < 0.15 {
            let place = random.uniform(0.0, count as f64) as usize;
            jobs.insert(place, plain("greedy".into(), Ending::TooLarge));
        }
        let blow = *random.choose(&[
            Blow::Nothing,
            Blow::Nothing,
            Blow::Nothing,
            Blow::Nothing,
            Blow::Suspend,
            Blow::Interrupt,
            Blow::InterruptTwice,
            Blow::KillRunner,
            Blow::KillGuard,
        ]);
        Self {
            jobs,
            blow,
            moment: Duration::from_secs_f64(random.uniform(0.03, 1.0)),
            preempt: *random.choose(&["last", "eager"]),
        }
    }

    /// The seconds that no schedule can beat, of those tasks whose curves are known.
    pub(super) fn bound(&self, budget: u64) -> f64 {
        let tasks = self.jobs.iter().filter_map(|job| job.curve.clone());
        let mix = Mix {
            tasks: tasks.collect(),
        };
        mix.bound(budget).seconds()
    }
}

fn job(random: &mut SplitMix64, growth: Option<u64>, file: &Path) -> Job {
    let life = random.uniform(0.2, 0.9);
    let peak = random.uniform(10.0, 250.0) * MIB as f64;
    let small = (peak / 4.0) as u64;
    let file = file.display();
    let stay = format!("--seconds {life:.3} --memory {small}");
    match random.uniform(0.0, 17.0) as u32 {
        0..=2 => shaped(Shape::Hog, peak, life, growth),
        3 => shaped(Shape::Flat, peak, life, growth),
        4 => shaped(Shape::Spike, peak, life, growth),
        5 => shaped(Shape::LateSpike, peak, life, growth),
        6 => shaped(Shape::Step, peak, life, growth),
        7 => shaped(Shape::Sawtooth, peak, life, growth),
        8 => shaped(Shape::Leak, peak, life, growth),
        9 => plain(
            format!("read --file {file} --size {small} --seconds {life:.3}"),
            Ending::Done,
        ),
        10 => plain(
            format!("write --file {file} --size {}", peak as u64),
            Ending::Done,
        ),
        11 => plain(
            format!("share --peak {small} --seconds {life:.3}"),
            Ending::Done,
        ),
        12 => plain(format!("deaf {stay}"), Ending::Done),
        // Far longer than any run: somebody has to end it.
        13 => plain(
            format!("daemon --seconds 120 --memory {}", 4 * MIB),
            Ending::Done,
        ),
        14 => plain(format!("storm {STORM} --seconds {life:.3}"), Ending::Done),
        15 => plain(format!("setsid {stay}"), Ending::Done),
        _ => plain("fail 3".into(), Ending::Failed),
    }
}

fn plain(arguments: String, ending: Ending) -> Job {
    Job {
        arguments,
        ending,
        curve: None,
    }
}

/// A task with a curve that grows no faster than is given.
fn shaped(shape: Shape, peak: f64, life: f64, growth: Option<u64>) -> Job {
    let most = growth.map(|growth| growing_share(shape) * life * growth as f64);
    let peak = most.map_or(peak, |most| peak.min(most));
    let curve = Curve {
        shape,
        peak: (peak as u64).max(MIB),
        life: Duration::from_secs_f64(life),
    };
    let mix = Mix {
        tasks: vec![curve.clone()],
    };
    Job {
        arguments: mix.arguments().concat_words(),
        ending: Ending::Done,
        curve: Some(curve),
    }
}

/// The part of its life over which a shape grows to its peak at the least; hardly any for those
/// that take it at once.
fn growing_share(shape: Shape) -> f64 {
    match shape {
        Shape::Hog => 0.5,
        Shape::Spike => 0.1,
        Shape::LateSpike => 0.09,
        Shape::Sawtooth => 0.2,
        Shape::Leak => 1.0,
        Shape::Step | Shape::Flat => 0.05,
    }
}

trait Words {
    fn concat_words(&self) -> String;
}

impl Words for Vec<Vec<String>> {
    fn concat_words(&self) -> String {
        self.concat().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_names_one_run_and_every_blow_falls() {
        let draw = |seed| Plan::draw(seed, Tier::Best, UNBRAKED_GROWTH, Path::new("/nowhere"));
        assert_eq!(format!("{:?}", draw(5)), format!("{:?}", draw(5)));
        let plans: Vec<Plan> = (0..200).map(draw).collect();
        for blow in [
            Blow::Nothing,
            Blow::Interrupt,
            Blow::InterruptTwice,
            Blow::Suspend,
            Blow::KillRunner,
            Blow::KillGuard,
        ] {
            assert!(plans.iter().any(|plan| plan.blow == blow), "{blow:?}");
        }
        let too_large = |plan: &Plan| plan.jobs.iter().any(|j| j.ending == Ending::TooLarge);
        assert!(plans.iter().any(too_large));
        let unbraked = (0..200)
            .map(|seed| Plan::draw(seed, Tier::Tree, UNBRAKED_GROWTH, Path::new("/nowhere")));
        assert!(!unbraked.into_iter().any(|plan| too_large(&plan)));
    }
}
