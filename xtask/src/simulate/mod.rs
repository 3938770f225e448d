//! `cargo xtask simulate`: the scheduler itself, driven in virtual time.
//!
//! The same core that runs real processes decides here over simulated tasks, so that a change of
//! policy is judged by hundreds of runs in seconds. Makespans are given over a lower bound that
//! no schedule can reach.

mod demand;
mod mix;
mod random;
mod world;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use saferun_scheduler::{Order, Preempt, Strategy};
use serde::Serialize;

use crate::Failure;
use mix::{MIXES, Mix, lower_bound};
use random::Random;
use world::{Setting, simulate};

/// Options of `cargo xtask simulate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The mix of tasks to run, or `all`
    #[arg(long, default_value = "all")]
    mix: String,
    /// How many runs of each mix
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The seed of the first run; the others follow
    #[arg(long, default_value_t = 1_000_000)]
    first_seed: u64,
    /// How eagerly running work is ended; all grades if not given
    #[arg(long)]
    preempt: Option<Grade>,
    /// How tasks are admitted
    #[arg(long, default_value = "continuous")]
    strategy: Admitted,
    /// At most so many tasks at once; by default as many as memory and cores allow
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Simulate a driver without a brake
    #[arg(long)]
    no_brake: bool,
    /// Which waiting tasks are tried first
    #[arg(long, default_value = "longest")]
    order: Tried,
    /// Tell the scheduler of each task what it needs, off by so many percent; may be repeated
    /// [default: nothing, and with all grades 0, 10, 30 and 50 as well]
    #[arg(long, value_name = "PERCENT")]
    warm: Vec<u32>,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// [`Preempt`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Grade {
    Last,
    Eager,
    Never,
}

/// The strategies that keep within a budget, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Admitted {
    Continuous,
    Batch,
    Sequential,
}

/// [`Order`] as an argument.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Tried {
    Longest,
    Fifo,
}

/// One line of the table: medians over all runs of one mix.
#[derive(Debug, Serialize)]
struct Line {
    mix: &'static str,
    preempt: Grade,
    strategy: Admitted,
    order: Tried,
    /// By how many percent the hints are off; none were given without.
    warm: Option<u32>,
    jobs: Option<NonZeroUsize>,
    brake: bool,
    runs: u64,
    first_seed: u64,
    makespan_over_bound: f64,
    worst: f64,
    floor: Option<f64>,
    restarts: f64,
    given_up: u64,
    runs_over_budget: u64,
    highest_use_over_budget: f64,
    nanoseconds_per_event: f64,
}

/// Runs what was asked for and prints it.
///
/// # Errors
///
/// A mix that does not exist.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let chosen: Vec<&Mix> = MIXES
        .iter()
        .filter(|mix| arguments.mix == "all" || arguments.mix == mix.name)
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = MIXES.iter().map(|mix| mix.name).collect();
        return Err(format!(
            "no mix is called {:?}; there are all, {}",
            arguments.mix,
            names.join(", ")
        )
        .into());
    }
    if !arguments.json {
        println!(
            "{} runs of each mix from seed {}, {}; makespan over the lower bound",
            arguments.seeds,
            arguments.first_seed,
            arguments.admission()
        );
        println!(
            "{:12} {:6} {:>5} {:>7} {:>7} {:>7} {:>9} {:>8} {:>10} {:>9} {:>9}",
            "mix",
            "grade",
            "warm",
            "median",
            "worst",
            "floor",
            "restarts",
            "given up",
            "over",
            "highest",
            "ns/event"
        );
    }
    for mix in chosen {
        for (grade, warm) in arguments.rows() {
            let line = measure(mix, grade, warm, arguments);
            if arguments.json {
                println!("{}", serde_json::to_string(&line)?);
            } else {
                print_line(&line);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_line(line: &Line) {
    let floor = line
        .floor
        .map_or_else(|| "-".to_owned(), |floor| format!("{floor:.2}"));
    println!(
        "{:12} {:6} {:>5} {:>7.3} {:>7.3} {:>7} {:>9.1} {:>8} {:>6}/{:<3} {:>9.3} {:>9.0}",
        line.mix,
        format!("{:?}", line.preempt).to_lowercase(),
        (line.warm).map_or_else(|| "-".to_owned(), |off| format!("{off} %")),
        line.makespan_over_bound,
        line.worst,
        floor,
        line.restarts,
        line.given_up,
        line.runs_over_budget,
        line.runs,
        line.highest_use_over_budget,
        line.nanoseconds_per_event,
    );
}

impl Arguments {
    /// The rows of each mix: the grades, each cold or with hints.
    fn rows(&self) -> Vec<(Grade, Option<u32>)> {
        let warm: Vec<Option<u32>> = self.warm.iter().copied().map(Some).collect();
        let (grades, warm) = match (self.preempt, warm.is_empty()) {
            (Some(grade), true) => (vec![grade], vec![None]),
            (Some(grade), false) => (vec![grade], warm),
            (None, true) => {
                let every = [None, Some(0), Some(10), Some(30), Some(50)];
                (
                    vec![Grade::Eager, Grade::Last, Grade::Never],
                    every.to_vec(),
                )
            }
            (None, false) => (vec![Grade::Eager, Grade::Last, Grade::Never], warm),
        };
        let with = |grade| warm.iter().map(move |&warm| (grade, warm));
        grades.into_iter().flat_map(with).collect()
    }

    /// How tasks are admitted, in words.
    fn admission(&self) -> String {
        let how = match self.strategy {
            Admitted::Continuous => "continuous",
            Admitted::Batch => "by batches",
            Admitted::Sequential => "one by one",
        };
        match self.jobs {
            Some(jobs) => format!("{how}, {jobs} at once at most"),
            None => how.to_owned(),
        }
    }
}

fn measure(mix: &Mix, grade: Grade, warm: Option<u32>, arguments: &Arguments) -> Line {
    let Arguments {
        first_seed,
        seeds,
        strategy,
        jobs,
        ..
    } = *arguments;
    let brake = !arguments.no_brake;
    let preempt = match grade {
        Grade::Last => Preempt::Last,
        Grade::Eager => Preempt::Eager,
        Grade::Never => Preempt::Never,
    };
    let setting = Setting {
        budget: mix.budget,
        cores: mix.cores,
        preempt,
        brake,
        strategy: match strategy {
            Admitted::Continuous => Strategy::Continuous,
            Admitted::Batch => Strategy::Batch,
            Admitted::Sequential => Strategy::Sequential,
        },
        jobs,
        order: match arguments.order {
            Tried::Longest => Order::Longest,
            Tried::Fifo => Order::Fifo,
        },
        warm: warm.map(|percent| f64::from(percent) / 100.0),
        seed: 0,
    };
    let (mut ratios, mut restarts, mut highest) = (Vec::new(), Vec::new(), 0.0f64);
    let (mut given_up, mut over) = (0, 0);
    let (mut events, began) = (0, std::time::Instant::now());
    for seed in first_seed..first_seed.saturating_add(seeds) {
        let tasks = (mix.make)(&mut Random::new(seed));
        let result = simulate(&tasks, Setting { seed, ..setting });
        ratios.push(result.makespan / lower_bound(&tasks, mix.budget, mix.cores));
        restarts.push(result.restarts as f64);
        given_up += result.given_up;
        highest = highest.max(result.peak);
        over += u64::from(result.peak > 1.0 + 1e-9);
        events += result.events;
        assert_eq!(
            result.done + result.given_up,
            tasks.len() as u64,
            "a task was lost"
        );
    }
    Line {
        mix: mix.name,
        preempt: grade,
        strategy,
        order: arguments.order,
        warm,
        jobs,
        brake,
        runs: seeds,
        first_seed,
        worst: ratios.iter().copied().fold(0.0, f64::max),
        makespan_over_bound: median(&mut ratios),
        floor: match (grade, warm) {
            (Grade::Eager, None) => mix.floor_eager,
            (Grade::Last, None) => mix.floor_last,
            (Grade::Eager, Some(off)) => mix.warm_floor(off),
            _ => None,
        },
        restarts: median(&mut restarts),
        given_up,
        runs_over_budget: over,
        highest_use_over_budget: highest,
        nanoseconds_per_event: began.elapsed().as_nanos() as f64 / events.max(1) as f64,
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

/// The policy's figures, in virtual time and so the same on every machine. The seeds are none of
/// those with which the numbers of the policy were chosen.
#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_SEED: u64 = 5_000_000;
    const RUNS: u64 = 15;
    /// The median of so few runs is off by some percent.
    const TOLERANCE: f64 = 1.10;

    fn arguments(seeds: u64) -> Arguments {
        Arguments {
            mix: "all".into(),
            seeds,
            first_seed: FIRST_SEED,
            preempt: None,
            strategy: Admitted::Continuous,
            jobs: None,
            no_brake: false,
            order: Tried::Longest,
            warm: Vec::new(),
            json: false,
        }
    }

    fn line(name: &str, grade: Grade, brake: bool) -> Line {
        let mix = MIXES
            .iter()
            .find(|mix| mix.name == name)
            .expect("the mix exists");
        // The tail of one late spike decides a whole run.
        let runs = if name == "late-spike" { 4 * RUNS } else { RUNS };
        let no_brake = !brake;
        let arguments = Arguments {
            no_brake,
            ..arguments(runs)
        };
        measure(mix, grade, None, &arguments)
    }

    fn reaches_its_floor(name: &str, grade: Grade, most_restarts: f64) {
        let line = line(name, grade, true);
        let floor = line.floor.expect("the mix has a floor");
        assert!(line.makespan_over_bound <= TOLERANCE * floor, "{line:?}");
        assert!(line.restarts <= most_restarts, "{line:?}");
        assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
    }

    #[test]
    fn eager_reaches_its_floors() {
        reaches_its_floor("hog", Grade::Eager, 30.0);
        reaches_its_floor("flat", Grade::Eager, 65.0);
        reaches_its_floor("late-spike", Grade::Eager, 10.0);
        reaches_its_floor("heavy", Grade::Eager, 27.0);
    }

    #[test]
    fn last_reaches_its_floors_with_few_restarts() {
        reaches_its_floor("hog", Grade::Last, 8.0);
        reaches_its_floor("flat", Grade::Last, 9.0);
        reaches_its_floor("late-spike", Grade::Last, 10.0);
        reaches_its_floor("heavy", Grade::Last, 4.0);
    }

    #[test]
    fn cores_bound_what_is_busy() {
        reaches_its_floor("cpu-bound", Grade::Eager, 5.0);
    }

    #[test]
    fn without_a_brake_ramps_stay_within_the_budget() {
        for grade in [Grade::Eager, Grade::Last] {
            for mix in ["hog", "heavy"] {
                let line = line(mix, grade, false);
                assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
                assert!(line.makespan_over_bound < 2.3, "{line:?}");
            }
        }
    }

    /// What batches of old do on the same tasks, for comparison: everything, but later.
    #[test]
    fn batches_do_everything_and_are_slower() {
        let mix = MIXES.iter().find(|mix| mix.name == "hog");
        let mix = mix.expect("the mix exists");
        let continuous = measure(mix, Grade::Last, None, &arguments(RUNS));
        for jobs in [2, 3] {
            let by_batches = Arguments {
                strategy: Admitted::Batch,
                jobs: NonZeroUsize::new(jobs),
                ..arguments(RUNS)
            };
            let line = measure(mix, Grade::Last, None, &by_batches);
            assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
            assert!(
                line.makespan_over_bound > continuous.makespan_over_bound,
                "{line:?}"
            );
        }
    }

    #[test]
    fn never_restarts_nothing_and_loses_little() {
        let line = line("hog", Grade::Never, true);
        assert_eq!(line.restarts, 0.0);
        assert!(line.given_up <= 2 * 24 * RUNS / 100, "{line:?}");
    }
}
