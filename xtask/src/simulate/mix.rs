//! The mixes of tasks.

use super::demand::{Demand, Shape};
use super::random::Random;

/// The peaks of a hog in MiB.
const HOG_PEAKS: [f64; 8] = [30.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0, 320.0];

/// More cores than tasks: for where cores are not the point.
pub(crate) const PLENTY: usize = 100_000;

/// A named way to make a list of tasks.
#[derive(Debug)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    /// In MiB.
    pub(crate) budget: f64,
    pub(crate) cores: usize,
    pub(crate) make: fn(&mut Random) -> Vec<Demand>,
}

/// Every mix.
pub(crate) const MIXES: [Mix; 16] = [
    mix("hog", 594.0, |random| hogs(random, 24, Shape::Hog)),
    mix("flat", 594.0, |random| hogs(random, 24, Shape::Flat)),
    mix("late-spike", 594.0, |random| {
        hogs(random, 24, Shape::LateSpike)
    }),
    mix("heavy", 1000.0, heavy),
    mix("blend", 1000.0, blend),
    mix("hog-100", 594.0, |random| hogs(random, 100, Shape::Hog)),
    mix("early-spike", 594.0, |random| {
        hogs(random, 24, Shape::EarlySpike)
    }),
    mix("step", 594.0, |random| hogs(random, 24, Shape::Step)),
    mix("sawtooth", 594.0, |random| {
        hogs(random, 24, Shape::Sawtooth)
    }),
    mix("leak", 594.0, |random| hogs(random, 24, Shape::Leak)),
    mix("tight", 384.0, |random| hogs(random, 24, Shape::Hog)),
    mix("wide", 6400.0, |random| hogs(random, 300, Shape::Hog)),
    mix("near-budget", 594.0, near_budget),
    mix("kinds", 594.0, kinds),
    Mix {
        cores: 2,
        ..mix("cpu-bound", 594.0, |random| hogs(random, 24, Shape::Hog))
    },
    mix("hog-1000", 2400.0, |random| hogs(random, 1000, Shape::Hog)),
];

const fn mix(name: &'static str, budget: f64, make: fn(&mut Random) -> Vec<Demand>) -> Mix {
    Mix {
        name,
        budget,
        cores: PLENTY,
        make,
    }
}

/// Tasks of one shape.
pub(crate) fn hogs(random: &mut Random, count: usize, shape: Shape) -> Vec<Demand> {
    (0..count)
        .map(|_| Demand {
            shape,
            peak: random.one_of(&HOG_PEAKS),
            seconds: random.between(0.8, 3.0),
            kind: 0,
        })
        .collect()
}

fn heavy(random: &mut Random) -> Vec<Demand> {
    (0..60)
        .map(|_| Demand {
            shape: Shape::Hog,
            peak: random.lognormal(60.0, 1.1).min(850.0),
            seconds: random.lognormal(1.5, 0.5),
            kind: 0,
        })
        .collect()
}

fn blend(random: &mut Random) -> Vec<Demand> {
    (0..60)
        .map(|_| Demand {
            shape: random.one_of(&Shape::ALL),
            peak: random.lognormal(70.0, 1.0).min(700.0),
            seconds: random.between(0.8, 3.0),
            kind: 0,
        })
        .collect()
}

fn near_budget(random: &mut Random) -> Vec<Demand> {
    let mut tasks = hogs(random, 30, Shape::Hog);
    let place = (random.next() % 30) as usize;
    tasks[place].peak = 560.0;
    tasks
}

fn kinds(random: &mut Random) -> Vec<Demand> {
    let templates = hogs(random, 4, Shape::Hog);
    (0..48)
        .map(|place| {
            let kind = place % 4;
            let template = templates[kind];
            Demand {
                peak: template.peak * (1.0 + 0.05 * random.normal()).max(0.5),
                seconds: template.seconds * (1.0 + 0.08 * random.normal()).max(0.5),
                kind: kind as u64,
                ..template
            }
        })
        .collect()
}
