//! What containment and captured output cost the smallest of tasks.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::programs::Programs;
use super::report::{Ratio, Report, Spread};
use super::tally::Tally;
use super::trial::Trial;
use crate::Failure;

/// 2,000 times `true`, contained and captured, against xargs.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many tasks
    #[arg(long, default_value_t = 2000)]
    tasks: u64,
    /// How many interleaved pairs
    #[arg(long, default_value_t = 7)]
    pairs: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tasks: 2000,
            pairs: 7,
        }
    }
}

/// Two ways to run the same tasks.
struct Pair {
    what: &'static str,
    /// What each line of the input is.
    line: fn(u64) -> String,
    ours: &'static [&'static str],
    theirs: &'static [&'static str],
}

const PAIRS: [Pair; 2] = [
    Pair {
        what: "lines as commands",
        line: |_| "true\n".to_owned(),
        ours: &["run", "-j2", "--progress", "none"],
        theirs: &["-P2", "-I{}", "sh", "-c", "{}"],
    },
    Pair {
        what: "a template",
        line: |number| format!("{number}\n"),
        ours: &["run", "-j2", "--progress", "none", "true", "{}"],
        theirs: &["-P2", "-I{}", "true", "{}"],
    },
];

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "{} x true, two at once, {} interleaved pairs",
        options.tasks, options.pairs
    ));
    for pair in &PAIRS {
        let input = programs.scratch().join("lines");
        let lines: String = (0..options.tasks).map(pair.line).collect();
        fs::write(&input, lines)?;
        let (mut ours, mut theirs) = (Tally::default(), Tally::default());
        let mut ratios = Vec::new();
        for _ in 0..options.pairs {
            let peer = once("xargs".as_ref(), pair.theirs, &input, programs, &mut theirs)?;
            let own = once(&programs.saferun(), pair.ours, &input, programs, &mut ours)?;
            ratios.push(own / peer);
        }
        let spread = Spread::of(ratios);
        // Only the shell form has a bound; xargs without a shell spares the shell.
        if pair.ours.contains(&"{}") {
            report.notes.push(format!(
                "{}: saferun over xargs {:.2} ({:.2}..{:.2})",
                pair.what, spread.median, spread.least, spread.greatest
            ));
        } else {
            let what = format!("{}: saferun over xargs", pair.what);
            report.ratios.push(Ratio::at_most(what, spread.median, 1.0));
        }
        let failed = ours.unexpected(0) as f64;
        let what = format!("{}: runs that failed", pair.what);
        report.ratios.push(Ratio::at_most(what, failed, 0.0));
        for (name, tally) in [("xargs", &theirs), ("saferun", &ours)] {
            let each = tally
                .walls
                .iter()
                .map(|wall| wall * 1e6 / options.tasks as f64);
            let row = tally.row(format!("{}: {name}", pair.what));
            report.rows.push(row.spread("µs a task", each.collect()));
        }
    }
    Ok(report)
}

fn once(
    program: &Path,
    arguments: &[&str],
    input: &Path,
    programs: &Programs,
    tally: &mut Tally,
) -> Result<f64, Failure> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(programs.scratch())
        // A history is kept, as it is by default, but not the user's own.
        .env("XDG_STATE_HOME", programs.scratch().join("state"));
    let output = programs.scratch().join("output");
    let outcome = Trial::new(program.to_string_lossy(), command)
        .input(input)?
        .output(&output)?
        .run()?;
    tally.add(&outcome);
    Ok(outcome.wall.as_secs_f64())
}
