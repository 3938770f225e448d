//! Measuring the real program on real processes, both sides of each comparison in one run.

mod builds;
mod cost;
mod greedy;
mod hog;
mod kills;
mod million;
mod neighbour;
mod overhead;
mod peers;
mod processes;
mod programs;
mod queue;
mod report;
mod survivors;
mod table;
mod tally;
mod trial;
mod writers;
mod xz;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Subcommand;

use self::report::Report;
use crate::Failure;

pub(crate) use programs::{Programs, installed};

/// Measure the real program against other ways to run the same commands; without a scenario all
/// of them in one table.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    scenario: Option<Scenario>,
    #[command(flatten)]
    table: table::Options,
    /// Write the figures as JSON to a file, or print them in place of the table
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
    /// Write the figures as Markdown too, ready to be put into a document
    #[arg(long, global = true, value_name = "FILE")]
    markdown: Option<PathBuf>,
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
    /// A neighbour takes memory of a run's machine, and gives it back
    Neighbour(neighbour::Options),
    /// Six builds of crates of the registry in a machine too small for all at once
    Builds(builds::Options),
    /// What saferun itself costs: a task, a queue, a reading, a limiter
    Cost(cost::Options),
    /// Kill the runner at random moments and count what survives
    Survivors(survivors::Options),
}

/// Builds the program, runs one scenario or the table, and tells what was seen. Exit code 1 says
/// that a bound that is stated was missed.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let begun = Instant::now();
    let Some(scenario) = &arguments.scenario else {
        let programs = Programs::take(arguments.programs.as_deref())?;
        let figures = table::run(&arguments.table, &programs, begun)?;
        if let Some(path) = arguments.table.svg() {
            write(path, &figures.svg())?;
        }
        let json = serde_json::to_string_pretty(&figures)?;
        return arguments.tell(&figures.reports(), &json);
    };
    if arguments.table.any() {
        return Err("options of the table stand before a scenario that has no use for them".into());
    }
    let programs = Programs::take(arguments.programs.as_deref())?;
    let report = match scenario {
        Scenario::Cost(options) => {
            let reports = cost::run(options, &programs)?;
            let json = serde_json::to_string_pretty(&reports)?;
            return arguments.tell(&reports, &json);
        }
        Scenario::Neighbour(options) => neighbour::run(options, &programs)?,
        Scenario::Builds(options) => builds::run(options, &programs)?,
        Scenario::Hog(options) => hog::run(options, &programs)?,
        Scenario::Writers(options) => writers::run(options, &programs)?,
        Scenario::Xz(options) => xz::run(options, &programs)?,
        Scenario::Overhead(options) => overhead::run(options, &programs)?,
        Scenario::Million(options) => million::run(options, &programs)?,
        Scenario::Greedy(options) => greedy::run(options, &programs)?,
        Scenario::Survivors(options) => survivors::run(options, &programs)?,
    };
    let json = serde_json::to_string_pretty(&report)?;
    arguments.tell(&[report], &json)
}

impl Arguments {
    /// Prints and writes in the forms that were asked for.
    fn tell(&self, reports: &[Report], json: &str) -> Result<ExitCode, Failure> {
        let printed = self.json.as_deref() == Some(Path::new("-"));
        match &self.json {
            Some(_) if printed => println!("{json}"),
            Some(path) => write(path, json)?,
            None => {}
        }
        if let Some(path) = &self.markdown {
            let parts: Vec<String> = reports.iter().map(Report::markdown).collect();
            write(path, &parts.join("\n"))?;
        }
        if !printed {
            for report in reports {
                print!("{}", report.text());
            }
        }
        Ok(if reports.iter().all(Report::holds) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}
