//! What saferun itself costs, where a figure can be had in a minute or two.

use std::process::Command;

use super::programs::Programs;
use super::report::Report;
use super::{overhead, processes, queue};
use crate::Failure;
use crate::workspace::{cargo, root};

/// What saferun itself costs: a task, a queue, a reading, a limiter.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only this, where not everything is wanted
    what: Option<What>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// 2,000 times `true`, contained and captured, against xargs
    Task,
    /// What runner and guard hold, by the length of the list
    Queue,
    /// What a reading costs, by the number of processes
    Processes,
    /// The limiter against a bare semaphore and `buffer_unordered` (prints a table of its own)
    Limiter,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Vec<Report>, Failure> {
    let wanted = |what| options.what.is_none_or(|only| only == what);
    let mut reports = Vec::new();
    if wanted(What::Task) {
        reports.push(overhead::run(&overhead::Options::default(), programs)?);
    }
    if wanted(What::Queue) {
        reports.push(queue::run(programs)?);
    }
    if wanted(What::Processes) {
        reports.push(processes::run(programs)?);
    }
    if wanted(What::Limiter) {
        let mut command: Command = cargo();
        let status = command
            .args(["bench", "--quiet", "--package", "saferun-executor"])
            .args(["--bench", "limiter", "--", "quick"])
            .current_dir(root())
            .status()?;
        if !status.success() {
            return Err("the limiter costs more than it may".into());
        }
    }
    Ok(reports)
}
