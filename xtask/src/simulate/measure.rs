//! Many runs of one load in one way, and their medians.

use serde::Serialize;

use super::bound::lower_bound;
use super::clairvoyant::pack;
use super::demand::Demand;
use super::load::Load;
use super::parallel::in_parallel;
use super::way::{Tried, Way};
use super::world::{Setting, simulate};

/// What holds for all runs of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) first_seed: u64,
    pub(crate) seeds: u64,
    pub(crate) brake: bool,
    pub(crate) order: Tried,
    /// How hard the clairvoyant tries.
    pub(crate) effort: usize,
}

/// One list of tasks, and what it is measured by.
#[derive(Debug)]
pub(crate) struct Case {
    seed: u64,
    tasks: Vec<Demand>,
    /// In seconds; of the tasks that fit the budget at all, as the next one.
    bound: f64,
    clairvoyant: f64,
    /// MiB-seconds of all tasks.
    area: f64,
}

impl Case {
    fn of(load: &Load, seed: u64, effort: usize) -> Self {
        const SAMPLES: usize = 200;
        let tasks = load.tasks(seed);
        let fitting: Vec<Demand> = tasks
            .iter()
            .copied()
            .filter(|task| task.peak <= load.budget)
            .collect();
        let area = |task: &Demand| {
            let slice = task.seconds / SAMPLES as f64;
            let uses = (0..SAMPLES).map(|sample| task.at((sample as f64 + 0.5) * slice));
            uses.sum::<f64>() * slice
        };
        Self {
            seed,
            bound: lower_bound(&fitting, load.budget, load.cores),
            clairvoyant: pack(&fitting, load.budget, load.cores, seed, effort),
            area: tasks.iter().map(area).sum(),
            tasks,
        }
    }

    /// One for each seed.
    pub(crate) fn all(load: &Load, conditions: &Conditions) -> Vec<Self> {
        let last = conditions.first_seed.saturating_add(conditions.seeds);
        let seeds: Vec<u64> = (conditions.first_seed..last).collect();
        in_parallel(&seeds, |&seed| Self::of(load, seed, conditions.effort))
    }
}

/// One row of a table: medians over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Line {
    pub(crate) mix: String,
    pub(crate) way: String,
    pub(crate) budget_mib: f64,
    pub(crate) brake: bool,
    pub(crate) order: Tried,
    pub(crate) runs: u64,
    pub(crate) first_seed: u64,
    pub(crate) makespan_over_bound: f64,
    pub(crate) worst_over_bound: f64,
    pub(crate) makespan_over_clairvoyant: f64,
    pub(crate) restarts: f64,
    /// Byte-seconds of attempts that were ended, over those that all tasks need.
    pub(crate) wasted: f64,
    /// In all runs together.
    pub(crate) given_up: u64,
    pub(crate) runs_over_budget: u64,
    pub(crate) highest_use_over_budget: f64,
}

/// Runs all cases in one way.
pub(crate) fn measure(load: &Load, cases: &[Case], way: Way, conditions: &Conditions) -> Line {
    let runs = in_parallel(cases, |case| Run::of(load, case, way, conditions));
    let over = |beside: fn(&Case) -> f64| {
        let ratio = |(run, case): (&Run, &Case)| run.makespan / beside(case).max(f64::MIN_POSITIVE);
        runs.iter().zip(cases).map(ratio).collect::<Vec<f64>>()
    };
    let over_bound = over(|case| case.bound);
    Line {
        mix: load.name.clone(),
        way: way.name(),
        budget_mib: load.budget,
        brake: conditions.brake,
        order: conditions.order,
        runs: conditions.seeds,
        first_seed: conditions.first_seed,
        worst_over_bound: over_bound.iter().copied().fold(0.0, f64::max),
        makespan_over_bound: median(over_bound),
        makespan_over_clairvoyant: median(over(|case| case.clairvoyant)),
        restarts: median(runs.iter().map(|run| run.restarts as f64).collect()),
        wasted: median(runs.iter().map(|run| run.wasted).collect()),
        given_up: runs.iter().map(|run| run.given_up).sum(),
        runs_over_budget: runs.iter().filter(|run| run.peak > 1.0 + 1e-9).count() as u64,
        highest_use_over_budget: runs.iter().map(|run| run.peak).fold(0.0, f64::max),
    }
}

#[derive(Debug, Default)]
struct Run {
    makespan: f64,
    restarts: u64,
    wasted: f64,
    given_up: u64,
    peak: f64,
}

impl Run {
    fn of(load: &Load, case: &Case, way: Way, conditions: &Conditions) -> Self {
        let Way::Scheduled(scheduled) = way else {
            return Self {
                makespan: case.clairvoyant,
                ..Self::default()
            };
        };
        let setting = Setting {
            budget: load.budget,
            cores: load.cores,
            preempt: scheduled.grade.preempt(),
            brake: conditions.brake,
            strategy: scheduled.admitted.strategy(),
            jobs: scheduled.jobs,
            order: conditions.order.order(),
            warm: scheduled.warm.map(|percent| f64::from(percent) / 100.0),
            seed: case.seed,
        };
        let result = simulate(&case.tasks, setting);
        assert_eq!(
            result.done + result.given_up,
            case.tasks.len() as u64,
            "a task was lost"
        );
        Self {
            makespan: result.makespan,
            restarts: result.restarts,
            wasted: result.wasted / case.area.max(f64::MIN_POSITIVE),
            given_up: result.given_up,
            peak: result.peak,
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}
