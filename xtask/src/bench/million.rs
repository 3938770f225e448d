//! Very many items from stdin: they must stream, not pile up.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use saferun_testbed::size::MIB;

use super::programs::Programs;
use super::report::{Ratio, Report, Row};
use super::tally::Tally;
use super::trial::Trial;
use crate::Failure;

/// How often the processes are looked at.
const INTERVAL: Duration = Duration::from_millis(50);

/// A child that is about to become its command is a copy of the runner for an instant; a guard is
/// one that was seen so many times.
const GUARD_LOOKS: u32 = 5;

/// Very many items from stdin: what runner and guard hold together.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many items (a million take about five minutes)
    #[arg(long, default_value_t = 1_000_000)]
    items: u64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    measure(options.items, programs)
}

/// What a list of this length costs.
pub(super) fn measure(items: u64, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!("{items} items from stdin, -j2 true {{}}"));
    let mut command = Command::new(programs.saferun());
    command
        .args(["run", "-j2", "--progress", "none", "true", "{}"])
        .current_dir(programs.scratch())
        // A history is kept, as it is by default, but not the user's own.
        .env("XDG_STATE_HOME", programs.scratch().join("state"));
    let mut watched = Watched::new(programs.saferun());
    let outcome = Trial::new("saferun", command)
        .piped_input()
        .every(INTERVAL)
        .within(Duration::from_secs(3600))
        .watched(|child| {
            if let Some(stdin) = child.stdin.take() {
                // A reader that goes early shows in the exit code.
                thread::spawn(move || feed(stdin, items));
            }
            watched.look(child);
        })?;
    let mut tally = Tally::default();
    tally.add(&outcome);
    let (runner, guard) = watched.peaks();
    report.rows = vec![
        Row::new("saferun -j2")
            .spread("wall s", vec![outcome.wall.as_secs_f64()])
            .spread("runner MiB", vec![runner])
            .spread("guard MiB", vec![guard])
            .count("kills", outcome.kills)
            .text(
                "left p/g",
                format!("{}/{}", outcome.processes_left, outcome.groups_left),
            )
            .text("exit", outcome.code().to_string()),
    ];
    report.ratios = vec![
        Ratio::at_most("peaks of runner and guard in MiB", runner + guard, 20.0),
        Ratio::at_most("runs that failed", tally.unexpected(0) as f64, 0.0),
    ];
    if guard == 0.0 {
        report
            .notes
            .push("no guard was seen among the runner's children".to_owned());
    }
    Ok(report)
}

/// Lines of 29 bytes, as file names have.
fn feed(stdin: impl Write, items: u64) -> io::Result<()> {
    let mut lines = BufWriter::new(stdin);
    for item in 0..items {
        writeln!(lines, "some/path/to/item-{item:010}")?;
    }
    lines.flush()
}

/// The highest resident sizes seen of a runner and of what it started of its own kind.
struct Watched {
    program: std::path::PathBuf,
    runner: u64,
    others: BTreeMap<u32, (u32, u64)>,
}

impl Watched {
    fn new(program: std::path::PathBuf) -> Self {
        Self {
            program,
            runner: 0,
            others: BTreeMap::new(),
        }
    }

    fn look(&mut self, runner: &Child) {
        if let Some(peak) = high_water(runner.id()) {
            self.runner = self.runner.max(peak);
        }
        let path = format!("/proc/{0}/task/{0}/children", runner.id());
        let children = fs::read_to_string(path).unwrap_or_default();
        for pid in children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
        {
            if is_running(pid, &self.program)
                && let Some(peak) = high_water(pid)
            {
                let (looks, most) = self.others.entry(pid).or_default();
                *looks += 1;
                *most = peak.max(*most);
            }
        }
    }

    /// Of the runner and of the guard, in MiB.
    fn peaks(&self) -> (f64, f64) {
        // The guard is there from the start to the end. On a busy machine a child on its way to
        // its command can be seen some times as well, but never as often.
        let steady = self.others.values().max_by_key(|(looks, _)| *looks);
        let guard = steady
            .filter(|(looks, _)| *looks >= GUARD_LOOKS)
            .map_or(0, |(_, most)| *most);
        let mib = |bytes: u64| bytes as f64 / MIB as f64;
        (mib(self.runner), mib(guard))
    }
}

fn is_running(pid: u32, program: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
}

/// The most bytes that a process ever had resident.
fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
