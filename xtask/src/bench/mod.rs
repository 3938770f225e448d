//! Measuring the real program on real processes, both sides of each comparison in one run.

mod greedy;
mod hog;
mod million;
mod overhead;
mod peers;
mod programs;
mod report;
mod survivors;
mod tally;
mod trial;
mod writers;
mod xz;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::Failure;
pub(crate) use programs::{Programs, installed};

/// Measure the real program against other ways to run the same commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
    /// Print the figures as JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Measure `saferun` and `workload` of this directory in place of building them
    #[arg(long, global = true, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// 24 unknown commands of 30 to 320 MiB in a small cage
    Hog(hog::Options),
    /// Two tasks that write much to disk beside eight hogs in a cage
    Writers(writers::Options),
    /// Eight compressors of 674 MiB each in a cage of 2.2 GiB
    Xz(xz::Options),
    /// 2,000 times `true`, contained and captured, against xargs
    Overhead(overhead::Options),
    /// Very many items from stdin: what runner and guard hold together
    Million(million::Options),
    /// An allocator at full speed beside three small tasks in a cage
    Greedy(greedy::Options),
    /// Kill the runner at random moments and count what survives
    Survivors(survivors::Options),
}

/// Builds the program, runs one scenario and prints what it showed. Exit code 1 says that a bound
/// that the scenario states was missed.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let programs = Programs::take(arguments.programs.as_deref())?;
    let report = match &arguments.scenario {
        Scenario::Hog(options) => hog::run(options, &programs)?,
        Scenario::Writers(options) => writers::run(options, &programs)?,
        Scenario::Xz(options) => xz::run(options, &programs)?,
        Scenario::Overhead(options) => overhead::run(options, &programs)?,
        Scenario::Million(options) => million::run(options, &programs)?,
        Scenario::Greedy(options) => greedy::run(options, &programs)?,
        Scenario::Survivors(options) => survivors::run(options, &programs)?,
    };
    if arguments.json {
        serde_json::to_writer_pretty(io::stdout(), &report)?;
        println!();
    } else {
        report.print();
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
