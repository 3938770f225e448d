//! `cargo xtask simulate`: the scheduler itself, driven in virtual time.
//!
//! The same core that runs real processes decides here over simulated tasks, so that a change of
//! policy is judged by hundreds of runs in seconds. Makespans are given over a lower bound that
//! no schedule can reach.

mod demand;
mod mix;
mod random;
mod world;

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use saferun_scheduler::Preempt;
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
    /// Simulate a driver without a brake
    #[arg(long)]
    no_brake: bool,
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

/// One line of the table: medians over all runs of one mix.
#[derive(Debug, Serialize)]
struct Line {
    mix: &'static str,
    preempt: Grade,
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
    let grades = match arguments.preempt {
        Some(grade) => vec![grade],
        None => vec![Grade::Eager, Grade::Last, Grade::Never],
    };
    if !arguments.json {
        println!(
            "{} runs of each mix from seed {}; makespan over the lower bound",
            arguments.seeds, arguments.first_seed
        );
        println!(
            "{:12} {:6} {:>7} {:>7} {:>7} {:>9} {:>8} {:>10} {:>9} {:>9}",
            "mix",
            "grade",
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
        for &grade in &grades {
            let line = measure(
                mix,
                grade,
                !arguments.no_brake,
                arguments.first_seed,
                arguments.seeds,
            );
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
        "{:12} {:6} {:>7.3} {:>7.3} {:>7} {:>9.1} {:>8} {:>6}/{:<3} {:>9.3} {:>9.0}",
        line.mix,
        format!("{:?}", line.preempt).to_lowercase(),
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

fn measure(mix: &Mix, grade: Grade, brake: bool, first_seed: u64, seeds: u64) -> Line {
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
    };
    let (mut ratios, mut restarts, mut highest) = (Vec::new(), Vec::new(), 0.0f64);
    let (mut given_up, mut over) = (0, 0);
    let (mut events, began) = (0, std::time::Instant::now());
    for seed in first_seed..first_seed.saturating_add(seeds) {
        let tasks = (mix.make)(&mut Random::new(seed));
        let result = simulate(&tasks, setting);
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
        brake,
        runs: seeds,
        first_seed,
        worst: ratios.iter().copied().fold(0.0, f64::max),
        makespan_over_bound: median(&mut ratios),
        floor: match grade {
            Grade::Eager => mix.floor_eager,
            Grade::Last => mix.floor_last,
            Grade::Never => None,
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
