//! Nothing of a run outlives its runner.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use saferun_testbed::random::SplitMix64;
use saferun_testbed::survivors::Marker;

use super::programs::Programs;
use super::report::{Ratio, Report, Row, Spread};
use super::trial::Groups;
use crate::Failure;

/// How long the guard has.
const PATIENCE: Duration = Duration::from_secs(1);

/// Kill the runner at random moments and count what survives.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many runners to kill
    #[arg(long, default_value_t = 50)]
    rounds: u64,
    /// The seed of the random moments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The latest moment, in milliseconds after the start
    #[arg(long, default_value_t = 800)]
    latest: u64,
    /// As an ordinary user without any group to write to
    #[arg(long)]
    user: bool,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new(format!(
        "{} runners killed with plain, setsid, double-forked and storming tasks{}",
        options.rounds,
        if options.user { ", as user 65534" } else { "" }
    ));
    let input = programs.scratch().join("lines");
    let work = programs.workload();
    let work = work.display();
    fs::write(
        &input,
        format!(
            "{work} stay\n{work} setsid\n{work} daemon && {work} stay\n{work} storm 20\n\
             {work} escape\n"
        ),
    )?;
    let groups = Groups::now();
    let mut random = SplitMix64::new(options.seed);
    let mut gone_after = Vec::new();
    let (mut survivors, mut reached) = (0, Vec::new());
    for _ in 0..options.rounds {
        let moment = random.uniform(1.0, options.latest as f64) / 1e3;
        let marker = Marker::unique();
        let mut command = saferun(programs, options.user);
        command
            .args(["run", "--no-history", "-j8", "--progress", "none"])
            .stdin(fs::File::open(&input)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        marker.mark(&mut command);
        let mut runner = command.spawn()?;
        thread::sleep(Duration::from_secs_f64(moment));
        reached.push(marker.alive().len() as f64);
        runner.kill()?;
        runner.wait()?;
        let killed = Instant::now();
        let left = marker.wait_gone(PATIENCE);
        gone_after.push(killed.elapsed().as_secs_f64() * 1e3);
        survivors += left.len() as u64;
        for survivor in left.iter().take(5) {
            eprintln!("alive after 1 s: {} {}", survivor.pid, survivor.command);
        }
        marker.kill_all();
    }
    let next = saferun(programs, options.user)
        .args(["run", "--no-history", "-j2", "--", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let groups_left = groups.added(|_| true);
    report.ratios = vec![
        Ratio::at_most("survivors after 1 s", survivors as f64, 0.0),
        Ratio::at_most("groups left after the next start", groups_left as f64, 0.0),
        Ratio::at_most(
            "next start failed",
            f64::from(u8::from(!next.success())),
            0.0,
        ),
        Ratio::at_most(
            "ms until all were gone, worst",
            Spread::of(gone_after.clone()).greatest,
            1000.0,
        ),
    ];
    report.rows = vec![
        Row::new("kill -9 of the runner")
            .count("rounds", options.rounds)
            .spread("alive when killed", reached)
            .spread("gone after ms", gone_after)
            .count("survivors", survivors)
            .count("groups left", groups_left),
    ];
    Ok(report)
}

fn saferun(programs: &Programs, user: bool) -> Command {
    let mut command = if user {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(programs.saferun());
        command
    } else {
        Command::new(programs.saferun())
    };
    command.current_dir(programs.scratch());
    command
}
