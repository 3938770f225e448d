//! `cargo xtask breach`: how long an allocator at full speed goes on growing past the brake's
//! threshold, and how far. On cgroup v2 `cargo xtask vm-test --test breach` measures the same.

use std::path::PathBuf;
use std::process::ExitCode;

use saferun_chaos::breach::summary;
use saferun_chaos::{Player, Tier};
use saferun_testbed::cage::Cage;
use saferun_testbed::size;

use crate::Failure;
use crate::bench::Programs;

/// Options of `cargo xtask breach`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How often in each tier
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "600M")]
    limit: u64,
    /// Take `saferun` and `workload` from this directory in place of building them
    #[arg(long, value_name = "DIRECTORY")]
    programs: Option<PathBuf>,
}

/// Measures both tiers of this machine and prints a line for each.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Err(reason) = Cage::new("breach", arguments.limit) {
        println!("{reason}");
        return Ok(ExitCode::SUCCESS);
    }
    let programs = Programs::take(arguments.programs.as_deref())?;
    let (saferun, workload) = (programs.saferun(), programs.workload());
    for tier in [Tier::Best, Tier::Tree] {
        let player = Player {
            saferun: &saferun,
            workload: &workload.display().to_string(),
            scratch: programs.scratch(),
            limit: arguments.limit,
            tier,
            growth: saferun_chaos::UNBRAKED_GROWTH,
        };
        let rounds: Vec<_> = (0..arguments.rounds)
            .map(|_| player.breach(&Cage::new("breach", arguments.limit)?))
            .collect::<Result<_, Failure>>()?;
        println!("{}: {}", tier.name(), summary(&rounds)?);
    }
    Ok(ExitCode::SUCCESS)
}
