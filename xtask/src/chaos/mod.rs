//! `cargo xtask chaos`: random mixes of unruly tasks in a small machine, with random blows to the
//! run itself, each judged by what must hold whatever happens.

mod judge;
mod peers;
mod plan;
mod stage;
mod tally;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use saferun_testbed::cage::Cage;
use saferun_testbed::size;

use crate::Failure;
use crate::bench::Programs;
use judge::judge;
use peers::PEERS;
use plan::{Blow, Plan};
use stage::play;
use tally::Tally;

/// Options of `cargo xtask chaos`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// So many runs in each tier
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// Which containment; both in turn when not given
    #[arg(long)]
    tier: Option<Tier>,
    /// The seed of the first run; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "400M")]
    limit: u64,
    /// Play the same mixes, without blows, under other programs too
    #[arg(long)]
    peers: bool,
    /// Write the figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take `saferun` and `workload` from this directory in place of building them
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
}

/// What holds the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tier {
    /// The best that this machine offers: memory groups of version 1
    Best,
    /// Process trees only
    Tree,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Tier::Best => "best",
            Tier::Tree => "tree",
        }
    }
}

/// Plays the runs and prints a row for each tier; exit code 1 says that a promise was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    // Where there can be no cage there is no small machine, and nothing is shown.
    if let Err(reason) = Cage::new("chaos", arguments.limit) {
        println!("{reason}");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Programs::take(arguments.programs.as_deref())?;
    let tiers = arguments
        .tier
        .map_or_else(|| vec![Tier::Best, Tier::Tree], |tier| vec![tier]);
    let mut tallies = Vec::new();
    for tier in tiers {
        let mut ours = Tally::new(format!("saferun, {}", tier.name()));
        let mut theirs: Vec<Tally> = PEERS.iter().map(|peer| Tally::new(peer.name)).collect();
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.runs) {
            let stage = Stage {
                arguments,
                programs: &programs,
                tier,
                seed,
            };
            stage.ours(&mut ours)?;
            if arguments.peers && tier == Tier::Best {
                for (peer, tally) in PEERS.iter().zip(&mut theirs) {
                    stage.peer(peer, tally)?;
                }
            }
        }
        tallies.push(ours);
        tallies.extend(theirs.into_iter().filter(Tally::has_runs));
    }
    Tally::print(&tallies);
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&tallies)?)?;
    }
    let broken: u64 = tallies.iter().map(|tally| tally.broken).sum();
    Ok(ExitCode::from(u8::from(broken > 0)))
}

/// One seed in one tier.
struct Stage<'a> {
    arguments: &'a Arguments,
    programs: &'a Programs,
    tier: Tier,
    seed: u64,
}

impl Stage<'_> {
    /// A directory for the tasks' records, and the plan with its lines in a file.
    fn set(&self) -> Result<(tempfile::TempDir, Plan, PathBuf), Failure> {
        let directory = tempfile::Builder::new()
            .prefix("saferun-chaos-")
            .tempdir_in(self.programs.scratch())?;
        let plan = Plan::draw(self.seed, self.tier, directory.path());
        let workload = self.programs.workload();
        let lines: String = (0..)
            .zip(&plan.jobs)
            .map(|(number, job)| {
                let done = directory.path().join(format!("done.{number}"));
                let (workload, done) = (workload.display(), done.display());
                format!("{workload} {} && echo done >> {done}\n", job.arguments)
            })
            .collect();
        let input = directory.path().join("lines");
        fs::write(&input, lines)?;
        Ok((directory, plan, input))
    }

    fn ours(&self, tally: &mut Tally) -> Result<(), Failure> {
        let (directory, plan, input) = self.set()?;
        let cage = Cage::new("chaos", self.arguments.limit)?;
        let events = directory.path().join("events");
        let program = self.programs.saferun();
        let mut command = cage.command(&program);
        command
            .args(["run", "--no-history", "-j", "auto", "--progress", "none"])
            .args(["--grace", "300ms", "--preempt", plan.preempt])
            .args(["--containment", self.tier.name()])
            .arg(format!("--json={}", events.display()))
            .current_dir(directory.path())
            .stdin(fs::File::open(&input)?);
        let facts = play(command, &cage, &plan, plan.blow, self.tier, &program)?;
        let verdict = judge(&plan, self.tier, &facts, directory.path(), &events);
        if !verdict.wrong.is_empty() {
            self.tell(&plan, &verdict.wrong, directory);
        }
        let undisturbed = !facts.struck;
        let over_bound = undisturbed
            .then(|| facts.wall.as_secs_f64() / plan.bound(self.arguments.limit).max(0.01));
        tally.add(&facts, &verdict, over_bound);
        Ok(())
    }

    /// Says what was wrong and how to see it again; what the run wrote is kept.
    fn tell(&self, plan: &Plan, wrong: &[String], directory: tempfile::TempDir) {
        let Stage { seed, tier, .. } = self;
        println!("BROKEN: seed {seed}, {:?} at {:?}", plan.blow, plan.moment);
        for line in wrong.iter().take(8) {
            println!("  {line}");
        }
        println!(
            "  again: cargo xtask chaos --runs 1 --tier {} --seed {seed} --limit {}",
            tier.name(),
            self.arguments.limit
        );
        for name in ["events", "lines"] {
            let kept = std::env::temp_dir().join(format!("saferun-chaos-{seed}-{name}"));
            if fs::copy(directory.path().join(name), &kept).is_ok() {
                println!("  kept: {}", kept.display());
            }
        }
    }

    /// The same tasks under another program, which nothing befalls.
    fn peer(&self, peer: &peers::Peer, tally: &mut Tally) -> Result<(), Failure> {
        if !peer.is_here() {
            return Ok(());
        }
        let (directory, plan, input) = self.set()?;
        let cage = Cage::new("chaos", self.arguments.limit)?;
        let program = self.programs.saferun();
        let mut command = peer.command(&cage, &program, plan.jobs.len());
        command
            .current_dir(directory.path())
            .stdin(fs::File::open(&input)?);
        let facts = play(command, &cage, &plan, Blow::Nothing, self.tier, &program)?;
        let verdict = peers::count(&plan, directory.path());
        let over_bound = facts.wall.as_secs_f64() / plan.bound(self.arguments.limit).max(0.01);
        tally.add_peer(&facts, &verdict, over_bound);
        Ok(())
    }
}

/// Whether a program can be found.
fn is_here(name: &str) -> bool {
    crate::bench::installed(name).is_some_and(|path: PathBuf| Path::new(&path).is_file())
}
