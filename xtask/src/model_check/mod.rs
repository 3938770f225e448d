//! `cargo xtask model-check`: every path of the scheduler through small worlds.
//!
//! The real state machine is driven through every order of growth, readings, exits, kills and
//! failures that a few tasks can go through, and every promise is checked after every event. A
//! path that breaks one is printed as the list of what happened.

mod digest;
mod report;
mod rules;
mod search;
mod setting;
mod step;
mod task;
mod world;

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use crate::Failure;
use report::Report;
use search::explore;
use setting::{Bounds, Setting};

/// Options of `cargo xtask model-check`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// Only worlds of 1 to so many tasks [default: several searches, one after the other]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=4))]
    tasks: Option<u8>,
    /// So many mishaps in one run: a failure, a kill by the kernel, a reading that fails, memory
    /// that others take, a stop, a suspension
    #[arg(long, default_value_t = 1, requires = "tasks")]
    mishaps: u8,
    /// For so many readings a task may pause in its life, at any moments
    #[arg(long, default_value_t = 0, requires = "tasks")]
    pauses: u8,
    /// A path with more events than this counts as endless
    #[arg(long, default_value_t = 5000)]
    depth: u32,
    /// So many worlds at once; by default as many as there are cores
    #[arg(long)]
    jobs: Option<usize>,
}

/// Tasks, mishaps and pauses of the searches that end within minutes.
const SEARCHES: [(u8, u8, u8); 3] = [(3, 1, 0), (3, 0, 1), (4, 0, 0)];

/// Explores every world, prints what there was, and fails with the first broken promise.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let jobs = arguments
        .jobs
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let own = arguments
        .tasks
        .map(|tasks| (tasks, arguments.mishaps, arguments.pauses));
    let searches = own.as_ref().map_or(&SEARCHES[..], std::slice::from_ref);
    let mut violations = 0;
    for &(tasks, mishaps, pauses) in searches {
        println!("1 to {tasks} tasks, mishaps {mishaps}, pauses {pauses}");
        let bounds = Bounds {
            mishaps,
            pauses,
            depth: arguments.depth,
        };
        let settings = (1..=tasks).flat_map(|tasks| Setting::all(usize::from(tasks), bounds));
        let start = Instant::now();
        let report = explore_all(settings.collect(), jobs.max(1))?;
        report.print(start.elapsed());
        violations += report.violations();
    }
    Ok(if violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Explores the worlds on several threads. A world in which a promise is broken ends there; the
/// others are explored all the same.
fn explore_all(settings: Vec<Setting>, jobs: usize) -> Result<Report, Failure> {
    let waiting = Mutex::new(VecDeque::from(settings));
    let report = Mutex::new(Report::default());
    let poisoned = || "a thread of the search has panicked";
    let work = || -> Result<(), String> {
        loop {
            let next = waiting.lock().map_err(|_| poisoned())?.pop_front();
            let Some(setting) = next else {
                return Ok(());
            };
            let found = explore(&setting);
            report.lock().map_err(|_| poisoned())?.add(&setting, found);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| poisoned())??;
        }
        Ok::<(), Failure>(())
    })?;
    report.into_inner().map_err(|_| poisoned().into())
}

#[cfg(test)]
mod tests {
    use super::setting::Telling;
    use super::*;

    /// Two tasks with one mishap, or with hints and pauses: small enough for every change, large
    /// enough for orders of exits, endings, freezing and batches.
    #[test]
    fn every_path_of_two_tasks_keeps_every_promise() -> Result<(), Failure> {
        let worlds = |mishaps, pauses| {
            let bounds = Bounds {
                mishaps,
                pauses,
                depth: 5000,
            };
            (1..=2).flat_map(move |tasks| Setting::all(tasks, bounds))
        };
        let untold =
            |setting: &Setting| matches!(setting.telling, Telling::Nothing | Telling::OnceOnly);
        let hinted = |setting: &Setting| setting.telling.is_hint();
        let settings = worlds(1, 0)
            .filter(untold)
            .chain(worlds(0, 1).filter(hinted));
        let report = explore_all(settings.collect(), 2)?;
        report.print_violations();
        assert_eq!(report.violations(), 0);
        assert!(report.states() > 1_000, "{} states", report.states());
        assert!(report.endings() > 0, "no path ends a task to make room");
        Ok(())
    }
}
