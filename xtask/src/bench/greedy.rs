//! An allocator that takes all it can must not take its neighbours with it.

use std::fs;

use saferun_testbed::cage::Cage;
use saferun_testbed::size;

use super::programs::Programs;
use super::report::{Ratio, Report};
use super::tally::{Tally, lines_in};
use super::trial::Trial;
use crate::Failure;

const NEIGHBOURS: u64 = 3;

/// The exit code that says that a task can't fit even alone.
const DOES_NOT_FIT: i32 = 3;

/// An allocator at full speed beside three small tasks in a cage.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many times
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "600M")]
    limit: u64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "an allocator at full speed beside {NEIGHBOURS} small tasks, cage {} MiB, {} rounds",
        options.limit / size::MIB,
        options.rounds
    ));
    let workload = programs.workload();
    let done = programs.scratch().join("done");
    let input = programs.scratch().join("lines");
    let small = format!(
        "{} hog --peak 40M --seconds 1 --done {}\n",
        workload.display(),
        done.display()
    );
    let greedy = format!("{} greedy\n", workload.display());
    fs::write(&input, greedy + &small.repeat(NEIGHBOURS as usize))?;
    let mut tally = Tally::default();
    for _ in 0..options.rounds {
        fs::write(&done, "")?;
        let cage = Cage::new("bench", options.limit)?;
        let events = programs.scratch().join("events");
        let mut command = cage.command(programs.saferun());
        command
            .args(["run", "--no-history", "-j", "auto", "--json"])
            .current_dir(programs.scratch());
        let outcome = Trial::new("saferun", command)
            .input(&input)?
            .events(&events)?
            .run()?;
        tally.add(&outcome);
        tally.add_peak(cage.peak()?);
        tally.add_ends(NEIGHBOURS, lines_in(&done));
        tally.add_restarts(&events);
    }
    report.ratios = vec![
        Ratio::at_most("small tasks lost or doubled", tally.lost as f64, 0.0),
        Ratio::at_most(
            "runs that did not end with exit code 3",
            tally.unexpected(DOES_NOT_FIT) as f64,
            0.0,
        ),
        Ratio::at_most("kernel kills", tally.kills as f64, 0.0),
        Ratio::at_most("processes and groups left", tally.left as f64, 0.0),
    ];
    report.rows = vec![tally.row("saferun -j auto")];
    Ok(report)
}
