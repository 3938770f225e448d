//! The mixes of tasks, and the bound that no schedule can beat.

use super::demand::{Demand, Shape};
use super::random::Random;

/// The peaks of a hog in MiB.
const HOG_PEAKS: [f64; 8] = [30.0, 40.0, 60.0, 80.0, 120.0, 160.0, 240.0, 320.0];

/// A named way to make a list of tasks.
#[derive(Debug)]
pub(crate) struct Mix {
    pub(crate) name: &'static str,
    /// In MiB.
    pub(crate) budget: f64,
    /// Where cores are not the point there are more than tasks.
    pub(crate) cores: usize,
    pub(crate) make: fn(&mut Random) -> Vec<Demand>,
    /// The median makespan over the bound that an earlier simulation of the same policy reached,
    /// with `eager` and with `last`; the floor for this one.
    pub(crate) floor_eager: Option<f64>,
    pub(crate) floor_last: Option<f64>,
}

/// What the earlier simulation reached with hints that are off by 0, 10, 30 and 50 percent.
const WARM_FLOORS: [(&str, [f64; 4]); 10] = [
    ("hog", [1.31, 1.39, 1.46, 1.51]),
    ("hog-100", [1.27, 1.33, 1.38, 1.42]),
    ("cpu-bound", [1.01, 1.01, 1.02, 1.02]),
    ("flat", [1.19, 1.23, 1.29, 1.32]),
    ("heavy", [1.22, 1.29, 1.36, 1.39]),
    ("blend", [1.25, 1.38, 1.43, 1.49]),
    ("early-spike", [1.54, 1.62, 1.71, 1.83]),
    ("late-spike", [1.16, 1.56, 1.59, 1.68]),
    ("sawtooth", [1.44, 1.67, 1.70, 1.73]),
    ("leak", [1.50, 1.78, 1.82, 1.86]),
];

impl Mix {
    /// The floor with hints that are off by so many percent, if there is one.
    pub(crate) fn warm_floor(&self, percent: u32) -> Option<f64> {
        let place = [0, 10, 30, 50].iter().position(|&off| off == percent)?;
        let (_, floors) = WARM_FLOORS.iter().find(|(name, _)| *name == self.name)?;
        floors.get(place).copied()
    }
}

const PLENTY: usize = 100_000;

/// Every mix.
pub(crate) const MIXES: [Mix; 16] = [
    mix(
        "hog",
        594.0,
        |random| hogs(random, 24, Shape::Hog),
        1.46,
        1.60,
    ),
    mix(
        "flat",
        594.0,
        |random| hogs(random, 24, Shape::Flat),
        1.30,
        1.38,
    ),
    mix(
        "late-spike",
        594.0,
        |random| hogs(random, 24, Shape::LateSpike),
        1.80,
        1.92,
    ),
    mix("heavy", 1000.0, heavy, 1.39, 1.65),
    mix("blend", 1000.0, blend, 1.54, 1.82),
    mix(
        "hog-100",
        594.0,
        |random| hogs(random, 100, Shape::Hog),
        1.40,
        0.0,
    ),
    mix(
        "early-spike",
        594.0,
        |random| hogs(random, 24, Shape::EarlySpike),
        1.69,
        0.0,
    ),
    mix(
        "step",
        594.0,
        |random| hogs(random, 24, Shape::Step),
        0.0,
        0.0,
    ),
    mix(
        "sawtooth",
        594.0,
        |random| hogs(random, 24, Shape::Sawtooth),
        1.78,
        0.0,
    ),
    mix(
        "leak",
        594.0,
        |random| hogs(random, 24, Shape::Leak),
        1.83,
        0.0,
    ),
    mix(
        "tight",
        384.0,
        |random| hogs(random, 24, Shape::Hog),
        0.0,
        0.0,
    ),
    mix(
        "wide",
        6400.0,
        |random| hogs(random, 300, Shape::Hog),
        0.0,
        0.0,
    ),
    mix("near-budget", 594.0, near_budget, 0.0, 0.0),
    mix("kinds", 594.0, kinds, 0.0, 0.0),
    Mix {
        cores: 2,
        ..mix(
            "cpu-bound",
            594.0,
            |random| hogs(random, 24, Shape::Hog),
            1.03,
            0.0,
        )
    },
    mix(
        "hog-1000",
        2400.0,
        |random| hogs(random, 1000, Shape::Hog),
        1.21,
        0.0,
    ),
];

const fn mix(
    name: &'static str,
    budget: f64,
    make: fn(&mut Random) -> Vec<Demand>,
    eager: f64,
    last: f64,
) -> Mix {
    Mix {
        name,
        budget,
        cores: PLENTY,
        make,
        floor_eager: if eager > 0.0 { Some(eager) } else { None },
        floor_last: if last > 0.0 { Some(last) } else { None },
    }
}

fn hogs(random: &mut Random, count: usize, shape: Shape) -> Vec<Demand> {
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

/// No schedule is faster than this many seconds: the area over the budget, the longest task, the
/// time of processors, and, for every k, the time that tasks spend above a (k+1)th of the budget
/// over the k that can do so at once.
pub(crate) fn lower_bound(tasks: &[Demand], budget: f64, cores: usize) -> f64 {
    const SAMPLES: usize = 400;
    const MOST: usize = 64;
    let mut area = 0.0;
    let mut above = [0.0; MOST];
    for task in tasks {
        let slice = task.seconds / SAMPLES as f64;
        for sample in 0..SAMPLES {
            let used = task.at((sample as f64 + 0.5) * slice);
            area += used * slice;
            for (k, time) in above.iter_mut().enumerate().skip(1) {
                if used <= budget / (k + 1) as f64 {
                    continue;
                }
                *time += slice;
            }
        }
    }
    let longest = tasks.iter().map(|task| task.seconds).fold(0.0, f64::max);
    let work: f64 = tasks.iter().map(|task| task.seconds).sum();
    let crowded = (1..MOST).map(|k| above[k] / k as f64).fold(0.0, f64::max);
    (area / budget)
        .max(longest)
        .max(work / cores as f64)
        .max(crowded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_knows_each_of_its_reasons() {
        let task = |peak, seconds| Demand {
            shape: Shape::Flat,
            peak,
            seconds,
            kind: 0,
        };
        let near = |bound: f64, expected: f64| assert!((bound - expected).abs() < 1e-6, "{bound}");
        near(lower_bound(&[task(10.0, 5.0); 20], 100.0, PLENTY), 10.0);
        near(
            lower_bound(&[task(10.0, 5.0), task(1.0, 50.0)], 100.0, PLENTY),
            50.0,
        );
        near(lower_bound(&[task(1.0, 5.0); 20], 100.0, 2), 50.0);
        near(lower_bound(&[task(51.0, 5.0); 20], 100.0, PLENTY), 100.0);
    }
}
