//! Two tasks that write much to disk beside eight hogs: what they leave in the file cache is no
//! reason to hold anything back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saferun_testbed::cage::Cage;
use saferun_testbed::mix::Mix;
use saferun_testbed::size;

use super::hog::Lines;
use super::programs::Programs;
use super::report::{Ratio, Report, Spread};
use super::tally::Tally;
use super::trial::Trial;
use crate::Failure;

const HOGS: usize = 8;
const WRITERS: usize = 2;

/// Two tasks that write much to disk beside eight hogs in a cage.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many times
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// The seed of the first mix
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// What each writer writes
    #[arg(long, value_parser = size::parse, default_value = "450M")]
    size: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "600M")]
    limit: u64,
    /// Where to write: a directory on a real disk
    #[arg(long, default_value = "/var/tmp")]
    directory: PathBuf,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let directory = tempfile::Builder::new()
        .prefix("saferun-bench-")
        .tempdir_in(&options.directory)?;
    let mut report = Report::new(format!(
        "{WRITERS} writers of {} MiB beside {HOGS} hogs, cage {} MiB, {} rounds",
        options.size / size::MIB,
        options.limit / size::MIB,
        options.rounds
    ));
    let writers = writer_lines(options, directory.path(), programs)?;
    let (mut alone, mut writing, mut both) = (Tally::default(), Tally::default(), Tally::default());
    let mut ratios = Vec::new();
    for round in 0..options.rounds {
        let mut mix = Mix::hogs(options.first_seed + round);
        mix.tasks.truncate(HOGS);
        let lines = Lines::write(&mix, programs)?;
        let mixed = programs.scratch().join("mixed");
        // The writers come first, as the worst case for whoever counts their cache.
        let text = fs::read_to_string(&writers)? + &fs::read_to_string(&lines.input)?;
        fs::write(&mixed, text)?;
        let cage = || Cage::new("bench", options.limit);

        let hogs = once(&cage()?, &lines.input, programs, saferun, &mut alone)?;
        let write = once(&cage()?, &writers, programs, xargs, &mut writing)?;
        lines.forget_ends()?;
        let together = once(&cage()?, &mixed, programs, saferun, &mut both)?;
        both.add_ends(HOGS as u64, lines.ends());
        ratios.push(together / (hogs + write));
    }
    let restarts = both.restarts.iter().copied().fold(f64::NAN, f64::max);
    report.ratios = vec![
        Ratio::at_most(
            "together over hogs alone plus writers alone",
            Spread::of(ratios).median,
            1.3,
        ),
        Ratio::at_most("restarts, most in a run", restarts, 2.0),
        Ratio::at_most("kernel kills", both.kills as f64, 0.0),
        Ratio::at_most("runs that failed", both.unexpected(0) as f64, 0.0),
    ];
    report.rows = vec![
        alone.row("saferun, hogs alone"),
        writing.row("xargs -P2, writers alone"),
        both.row("saferun, hogs and writers"),
    ];
    Ok(report)
}

fn writer_lines(
    options: &Options,
    directory: &Path,
    programs: &Programs,
) -> Result<PathBuf, Failure> {
    let path = programs.scratch().join("writers");
    let lines: String = (0..WRITERS)
        .map(|writer| {
            format!(
                "{} write --file {} --size {}\n",
                programs.workload().display(),
                directory.join(format!("written-{writer}")).display(),
                options.size
            )
        })
        .collect();
    fs::write(&path, lines)?;
    Ok(path)
}

/// One run; its seconds.
fn once(
    cage: &Cage,
    input: &Path,
    programs: &Programs,
    build: fn(&Cage, &Programs) -> Command,
    tally: &mut Tally,
) -> Result<f64, Failure> {
    let events = programs.scratch().join("events");
    let name = input.file_name().unwrap_or_default();
    let outcome = Trial::new(name.to_string_lossy(), build(cage, programs))
        .input(input)?
        .events(&events)?
        .run()?;
    tally.add(&outcome);
    tally.add_peak(cage.peak()?);
    tally.add_restarts(&events);
    Ok(outcome.wall.as_secs_f64())
}

fn saferun(cage: &Cage, programs: &Programs) -> Command {
    let mut command = cage.command(programs.saferun());
    command
        .args(["run", "--no-history", "-j", "auto", "--json"])
        .current_dir(programs.scratch());
    command
}

fn xargs(cage: &Cage, programs: &Programs) -> Command {
    let mut command = cage.command("xargs");
    command
        .args(["-P2", "-I{}", "sh", "-c", "{}"])
        .current_dir(programs.scratch());
    command
}
