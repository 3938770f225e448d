//! `cargo xtask chaos`: random mixes of unruly tasks in a small machine, with random blows to the
//! run itself, each judged by what must hold whatever happens.

mod emulated;
mod here;
mod peers;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use saferun_chaos::{Record, Tally, Tier};
use saferun_testbed::size;

use crate::Failure;
use crate::vm::Hardware;

/// Options of `cargo xtask chaos`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// So many runs in each tier
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// Which containment; best and tree in turn when not given
    #[arg(long, value_enum)]
    tier: Option<Tier>,
    /// The seed of the first run; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "400M")]
    limit: u64,
    /// In the tier `tree` no task grows faster in a second; nothing is promised above the default
    #[arg(long, value_parser = size::parse, default_value = "256M")]
    growth: u64,
    /// Play the same mixes, without blows, under other programs too
    #[arg(long)]
    peers: bool,
    /// Write the figures to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Take `saferun` and `workload` from this directory in place of building them
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
    #[command(flatten)]
    hardware: Hardware,
}

impl Arguments {
    fn seeds(&self) -> std::ops::Range<u64> {
        self.seed..self.seed.saturating_add(self.runs)
    }
}

/// Plays the runs and prints a row for each tier; exit code 1 says that a promise was broken.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let tiers = arguments
        .tier
        .map_or_else(|| vec![Tier::Best, Tier::Tree], |tier| vec![tier]);
    let mut tallies = Vec::new();
    for tier in tiers {
        let played = match tier {
            Tier::Best | Tier::Tree => here::play(arguments, tier)?,
            Tier::V2 | Tier::V2User => emulated::play(arguments, tier)?,
        };
        // Where there can be no small machine the reason was said, and nothing is shown.
        let Some(played) = played else { continue };
        tallies.extend(played);
    }
    if tallies.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    Tally::print(&tallies);
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&tallies)?)?;
    }
    let broken: u64 = tallies.iter().map(|tally| tally.broken).sum();
    Ok(ExitCode::from(u8::from(broken > 0)))
}

/// Says what was wrong with a run, and how to see it again.
fn tell(record: &Record, tier: Tier, limit: u64) {
    let Record { seed, blow, .. } = record;
    println!("BROKEN: seed {seed}, {blow}");
    for line in record.wrong.iter().take(8) {
        println!("  {line}");
    }
    println!(
        "  again: cargo xtask chaos --runs 1 --tier {} --seed {seed} --limit {limit}",
        tier.name()
    );
}

/// Where a paper of a broken run is kept.
fn kept(seed: u64, tier: Tier, name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("saferun-chaos-{}-{seed}-{name}", tier.name()))
}
