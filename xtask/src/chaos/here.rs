//! Runs on this machine, in memory groups of version 1.

use std::fs;
use std::path::Path;

use saferun_chaos::{Played, Player, Tally, Tier};
use saferun_testbed::cage::Cage;

use super::peers::PEERS;
use super::{Arguments, kept, tell};
use crate::Failure;
use crate::bench::Programs;

/// Plays the runs of a tier; `None` where there can be no cage, for which the reason is said.
pub(super) fn play(arguments: &Arguments, tier: Tier) -> Result<Option<Vec<Tally>>, Failure> {
    if let Err(reason) = Cage::new("chaos", arguments.limit) {
        println!("{reason}");
        return Ok(None);
    }
    let programs = Programs::take(arguments.programs.as_deref())?;
    let (saferun, workload) = (programs.saferun(), programs.workload());
    let player = Player {
        saferun: &saferun,
        workload: &workload.display().to_string(),
        scratch: programs.scratch(),
        limit: arguments.limit,
        tier,
        growth: arguments.growth,
    };
    let mut ours = Tally::new(format!("saferun, {}", tier.name()));
    let mut theirs: Vec<Tally> = PEERS.iter().map(|peer| Tally::new(peer.name)).collect();
    for seed in arguments.seeds() {
        let cage = Cage::new("chaos", arguments.limit)?;
        let played = player.play(seed, &cage)?;
        ours.add(&played.record);
        if !played.record.wrong.is_empty() {
            tell(&played.record, tier, arguments.limit);
            keep(&played, seed, tier);
        }
        if arguments.peers && tier == Tier::Best {
            for (peer, tally) in PEERS.iter().zip(&mut theirs) {
                if peer.is_here() {
                    let cage = Cage::new("chaos", arguments.limit)?;
                    let command = |tasks| peer.command(&cage, &saferun, tasks);
                    tally.add(&player.play_peer(seed, &cage, command)?);
                }
            }
        }
    }
    let mut tallies = vec![ours];
    tallies.extend(theirs.into_iter().filter(Tally::has_runs));
    Ok(Some(tallies))
}

/// Keeps what a broken run wrote.
fn keep(played: &Played, seed: u64, tier: Tier) {
    for paper in played.papers() {
        let name = paper.file_name().unwrap_or_default().to_string_lossy();
        let kept = kept(seed, tier, &name);
        if fs::copy(&paper, &kept).is_ok() {
            println!("  kept: {}", Path::new(&kept).display());
        }
    }
}
