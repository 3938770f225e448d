//! One table for all ways to run the same commands in the same small machine: one by one, the old
//! rules, memory as the only bound, no bound at all, and what else is installed.

mod contender;
mod figures;
mod plot;
mod tasks;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use saferun_testbed::cage::Cage;
use saferun_testbed::size;

use self::contender::{Contender, Kind, Setting, contenders, missing};
use self::figures::{Compared, Figures, Row, Run};
use self::tasks::Workload;
use super::hog::Lines;
use super::kills::{CageKills, INTERVAL};
use super::programs::{Programs, machine};
use super::report::Spread;
use super::tally::restarts;
use super::trial::Trial;
use crate::Failure;

/// `--quick` begins no run after this, so that it ends within a minute; other programs, which
/// come after ours and can be slow on a busy machine, not even after a shorter time.
const QUICK: Duration = Duration::from_secs(45);
const QUICK_PEERS: Duration = Duration::from_secs(35);

/// What the table takes when no other scenario is named.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Fewer and shorter tasks, one seed; ends within a minute and judges no times
    #[arg(long)]
    quick: bool,
    /// How many mixes of each workload; every row runs one before any runs the next. One takes
    /// about four minutes [default: 5]
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// The seed of the first mix [default: 1]
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u64>,
    /// On how many of the mixes those rows take part that run one by one; they take a minute each
    /// and never vary [default: 3]
    #[arg(long, value_name = "N")]
    slow_seeds: Option<u64>,
    /// The cage's limit [default: 600M]
    #[arg(long, value_parser = size::parse, value_name = "SIZE")]
    limit: Option<u64>,
    /// Draw the table as a picture
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Options {
    /// Whether any of them was given, which another scenario has no use for.
    pub(super) fn any(&self) -> bool {
        self.quick
            || self.seeds.is_some()
            || self.first_seed.is_some()
            || self.slow_seeds.is_some()
            || self.limit.is_some()
            || self.svg.is_some()
    }

    /// Where the picture goes.
    pub(super) fn svg(&self) -> Option<&Path> {
        self.svg.as_deref()
    }
}

/// Runs every row on every mix; `begun` is when the minute of `--quick` began.
pub(super) fn run(
    options: &Options,
    programs: &Programs,
    begun: Instant,
) -> Result<Figures, Failure> {
    let seeds = options.seeds.unwrap_or(if options.quick { 1 } else { 5 });
    let first = options.first_seed.unwrap_or(1);
    let limit = options.limit.unwrap_or(600 * size::MIB);
    let mut table = Table {
        programs,
        limit,
        skipped: 0,
        begun: options.quick.then_some(begun),
        workloads: Workload::ALL
            .into_iter()
            .map(|workload| Measured {
                workload,
                rows: contenders(workload)
                    .into_iter()
                    .map(|contender| (contender, Vec::new()))
                    .collect(),
                bounds: Vec::new(),
                longest: Vec::new(),
            })
            .collect(),
    };
    let machine = machine();
    for round in 0..seeds {
        let slow = round < options.slow_seeds.unwrap_or(3);
        table.round(first + round, slow, options.quick)?;
    }
    let skipped = table.skipped;
    let mut notes = missing();
    if skipped > 0 {
        notes.push(format!("{skipped} runs were left out for want of time"));
    }
    Ok(Figures {
        machine,
        limit_mib: limit / size::MIB,
        seeds,
        quick: options.quick,
        compared: table
            .workloads
            .into_iter()
            .map(Measured::compared)
            .collect(),
        notes,
    })
}

/// All that is measured so far.
struct Table<'a> {
    programs: &'a Programs,
    limit: u64,
    /// When the minute of a quick run began.
    begun: Option<Instant>,
    skipped: u64,
    workloads: Vec<Measured>,
}

struct Measured {
    workload: Workload,
    rows: Vec<(Contender, Vec<Run>)>,
    bounds: Vec<f64>,
    longest: Vec<f64>,
}

impl Measured {
    fn compared(self) -> Compared {
        Compared {
            workload: self.workload,
            bound: Spread::of(self.bounds),
            longest: Spread::of(self.longest),
            rows: self
                .rows
                .into_iter()
                .filter(|(_, runs)| !runs.is_empty())
                .map(|(contender, runs)| Row::of(contender.name, contender.kind, runs))
                .collect(),
        }
    }
}

impl Table<'_> {
    /// One mix of each workload, by every row in turn.
    fn round(&mut self, seed: u64, slow: bool, quick: bool) -> Result<(), Failure> {
        for measured in &mut self.workloads {
            let mix = measured.workload.mix(seed, quick);
            let bound = mix.bound(self.limit);
            measured.bounds.push(bound.seconds());
            measured.longest.push(bound.longest);
            let lines = Lines::write(&mix, self.programs)?;
            for (contender, runs) in &mut measured.rows {
                if contender.slow && !slow {
                    continue;
                }
                let most = match contender.kind {
                    Kind::Peer => QUICK_PEERS,
                    _ => QUICK,
                };
                if self.begun.is_some_and(|begun| begun.elapsed() > most) {
                    self.skipped += 1;
                    continue;
                }
                let setting = Setting {
                    programs: self.programs,
                    tasks: mix.tasks.len(),
                };
                let run = once(contender, &setting, &lines, self.limit)?;
                runs.push(Run {
                    seed,
                    over_bound: run.seconds / bound.seconds(),
                    over_longest: run.seconds / bound.longest,
                    ..run
                });
            }
        }
        Ok(())
    }
}

/// One run of one row in a cage of its own; what depends on the mix is not filled in.
fn once(
    contender: &Contender,
    setting: &Setting,
    lines: &Lines,
    limit: u64,
) -> Result<Run, Failure> {
    let cage = Cage::new("bench", limit)?;
    let events = setting.programs.scratch().join("events");
    lines.forget_ends()?;
    let mut kills = CageKills::default();
    let outcome = Trial::new(contender.name, contender.command(&cage, setting)?)
        .input(&lines.input)?
        .events(&events)?
        .every(INTERVAL)
        .watched(|_| kills.look(&cage))?;
    kills.look(&cage);
    let kills = kills.sum(outcome.kills);
    let tasks = setting.tasks as u64;
    Ok(Run {
        seed: 0,
        seconds: outcome.wall.as_secs_f64(),
        over_bound: f64::NAN,
        over_longest: f64::NAN,
        peak_mib: cage.peak()? as f64 / size::MIB as f64,
        kills,
        unfinished: tasks.saturating_sub(lines.ends()),
        restarts: contender.is_ours().then(|| restarts(&events)).flatten(),
        exit: outcome.code(),
        left: outcome.processes_left + outcome.groups_left,
    })
}
