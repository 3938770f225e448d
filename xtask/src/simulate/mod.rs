//! `cargo xtask simulate`: the scheduler itself, driven in virtual time.
//!
//! The same core that runs real processes decides here over simulated tasks, so that a change of
//! policy is judged by hundreds of runs in seconds. Makespans are given over a lower bound that
//! no schedule can reach, and over a packer that knows everything beforehand.

mod bound;
mod check;
mod clairvoyant;
mod demand;
mod goals;
mod load;
mod measure;
mod mix;
mod parallel;
mod random;
mod recorded;
mod scale;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod way;
mod world;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::Failure;
use load::Load;
use measure::{Case, Conditions, Line, measure};
use sweep::{Sweep, sweep};
use way::{Admitted, Grade, Scheduled, Tried, Way};

/// How far off hints are where nothing else is asked for, in percent.
const USUALLY_OFF: u32 = 10;

/// Options of `cargo xtask simulate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The mix of tasks to run, or `all`
    #[arg(long, default_value = "all")]
    mix: String,
    /// Run what this file recorded instead: lines of `saferun history export`, or a table with the
    /// columns template, peak_bytes, seconds and, if known, curve
    #[arg(long, value_name = "FILE", conflicts_with_all = ["mix", "check", "scale"])]
    recorded: Option<PathBuf>,
    /// The budget in MiB [default: that of the mix; twice the largest recorded peak]
    #[arg(long, value_name = "MIB")]
    budget: Option<f64>,
    /// The number of cores [default: more than tasks, but where a mix is about cores]
    #[arg(long)]
    cores: Option<NonZeroUsize>,
    /// How many runs of each mix
    #[arg(long, default_value_t = 40)]
    seeds: u64,
    /// The seed of the first run; the others follow
    #[arg(long, default_value_t = 1_000_000)]
    first_seed: u64,
    /// Only so eagerly running work is ended
    #[arg(long)]
    preempt: Option<Grade>,
    /// Only so tasks are admitted
    #[arg(long)]
    strategy: Option<Admitted>,
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
    /// [default: 10; rows that are told nothing stand beside it]
    #[arg(long, value_name = "PERCENT")]
    warm: Vec<u32>,
    /// Change one thing and measure at each value
    #[arg(long)]
    sweep: Option<Sweep>,
    /// Measure whatever has a floor, and fail where it is missed by more than 10 %
    #[arg(long, conflicts_with_all = ["sweep", "budget", "preempt", "strategy", "jobs", "warm"])]
    check: bool,
    /// Run 1,000 tasks, 10,000 and so on up to so many, told nothing and as --warm says, and say
    /// what a decision costs
    #[arg(long, value_name = "TASKS", conflicts_with_all = ["sweep", "check", "budget", "jobs"])]
    scale: Option<usize>,
    /// Print JSON instead of a table
    #[arg(long, conflicts_with_all = ["check", "scale"])]
    json: bool,
}

/// A line of a sweep.
#[derive(Debug, Serialize)]
struct Swept {
    value: f64,
    #[serde(flatten)]
    line: Line,
}

/// Runs what was asked for and prints it.
///
/// # Errors
///
/// A mix that does not exist, a file that can't be read, a budget that is none.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let conditions = arguments.conditions();
    if arguments.check {
        arguments.say_seeds();
        let missed = check::check(&arguments.mix, &conditions)?;
        return Ok(ExitCode::from(u8::from(missed > 0)));
    }
    if let Some(most) = arguments.scale {
        let warm = arguments.warm.iter().copied().map(Some);
        let known = std::iter::once(None).chain(warm);
        let grade = arguments.preempt.unwrap_or(Grade::Last);
        let ways: Vec<_> = known.map(|warm| (grade, warm)).collect();
        println!("seed {}", arguments.first_seed);
        scale::scale(most, &ways, &conditions);
        return Ok(ExitCode::SUCCESS);
    }
    let loads = arguments.loads()?;
    if !arguments.json {
        arguments.say_seeds();
        if let Some(value) = arguments
            .sweep
            .and_then(|sweep| clap::ValueEnum::to_possible_value(&sweep))
        {
            print!("{:>7} ", value.get_name());
        }
        table::print_head();
    }
    for load in &loads {
        arguments.tell(load, &conditions)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn conditions(&self) -> Conditions {
        Conditions {
            first_seed: self.first_seed,
            seeds: self.seeds,
            brake: !self.no_brake,
            order: self.order,
            effort: clairvoyant::EFFORT,
        }
    }

    fn say_seeds(&self) {
        println!(
            "{} runs of each mix, seeds {} to {}; medians of makespan over the lower bound, and \
             over the clairvoyant",
            self.seeds,
            self.first_seed,
            self.first_seed.saturating_add(self.seeds.saturating_sub(1)),
        );
    }

    fn loads(&self) -> Result<Vec<Load>, Failure> {
        let mut loads = match &self.recorded {
            Some(path) => vec![Load::recorded(recorded::read(path)?, mix::PLENTY)],
            None => Load::named(&self.mix)?,
        };
        if self.budget.is_some_and(|mib| !mib.is_finite() || mib < 1.0) {
            return Err("a budget is at least 1 MiB".into());
        }
        for load in &mut loads {
            load.budget = self.budget.unwrap_or(load.budget);
            load.cores = self.cores.map_or(load.cores, usize::from);
        }
        Ok(loads)
    }

    /// Prints all rows of one load.
    fn tell(&self, load: &Load, conditions: &Conditions) -> Result<(), Failure> {
        if let Some(what) = self.sweep {
            let mut written = Ok(());
            sweep(load, what, conditions, |value, line| {
                if self.json {
                    let text = serde_json::to_string(&Swept { value, line });
                    match text {
                        Ok(text) => println!("{text}"),
                        Err(error) => written = Err(error),
                    }
                } else {
                    print!("{value:>7} ");
                    table::print_line(&line);
                }
            });
            return Ok(written?);
        }
        let cases = Case::all(load, conditions);
        for way in self.ways() {
            let line = measure(load, &cases, way, conditions);
            if self.json {
                println!("{}", serde_json::to_string(&line)?);
            } else {
                table::print_line(&line);
            }
        }
        Ok(())
    }

    /// The rows of each mix.
    fn ways(&self) -> Vec<Way> {
        let is_choosy = self.preempt.is_some() || self.strategy.is_some() || self.jobs.is_some();
        if !is_choosy {
            let warm = match self.warm[..] {
                [] => &[USUALLY_OFF],
                ref warm => warm,
            };
            return Way::all(warm);
        }
        let grades = self
            .preempt
            .map_or(Grade::ALL.to_vec(), |grade| vec![grade]);
        let mut known: Vec<Option<u32>> = self.warm.iter().copied().map(Some).collect();
        if known.is_empty() {
            known.push(None);
        }
        let way = |grade, warm| {
            Way::Scheduled(Scheduled {
                admitted: self.strategy.unwrap_or(Admitted::Continuous),
                grade,
                jobs: self.jobs,
                warm,
            })
        };
        let rows = |grade| known.iter().map(move |&warm| way(grade, warm));
        grades.into_iter().flat_map(rows).collect()
    }
}
