//! One run on real processes, with what befalls it and what is left after it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use saferun_testbed::kills::kernel_kills;
use saferun_testbed::survivors::Marker;

use crate::plan::{Blow, Plan};
use crate::{Cage, Failure, Tier};

/// No run of these sizes takes so long, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(90);
/// After the end of the run, and after the loss of its runner, everything is gone in so long.
const GONE: Duration = Duration::from_secs(5);
/// How long a suspended run rests.
const REST: Duration = Duration::from_millis(200);
/// How often the groups are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What a run left to be judged.
#[derive(Debug)]
pub(super) struct Facts {
    /// The exit code as a shell would say it.
    pub(super) code: i32,
    pub(super) hung: bool,
    pub(super) wall: Duration,
    /// The blow fell before the end.
    pub(super) struck: bool,
    /// Kills by the kernel in the cage.
    pub(super) kills: u64,
    pub(super) survivors: Vec<String>,
    /// Groups and other traces in the cage.
    pub(super) left: Vec<String>,
}

/// Runs a command in the cage and lets the plan's blow fall on it.
pub(super) fn play(
    mut command: Command,
    cage: &dyn Cage,
    plan: &Plan,
    blow: Blow,
    tier: Tier,
    program: &Path,
) -> Result<Facts, Failure> {
    let marker = Marker::unique();
    marker.mark(&mut command);
    // A group of its own, as a shell gives to a job: what the keyboard sends goes to all of it.
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let on_machine = kernel_kills()?;
    let start = Instant::now();
    let mut child = command.spawn()?;
    let root = pid_of(child.id())?;
    let mut kills = KernelKills::default();
    let (mut struck, mut hung) = (false, false);
    let mut waits_for_runner = false;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        kills.look(cage);
        if !struck && blow != Blow::Nothing && start.elapsed() >= plan.moment {
            struck = strike(blow, tier, root, &marker, program)?;
            waits_for_runner = struck && blow == Blow::KillGuard;
        }
        if start.elapsed() > PATIENCE {
            hung = true;
            marker.kill_all();
        }
        thread::sleep(LOOK);
    };
    if waits_for_runner {
        // Without its guard above it the runner ends the run by itself.
        while start.elapsed() < PATIENCE && !others(&marker, root, program).is_empty() {
            kills.look(cage);
            thread::sleep(LOOK);
        }
    }
    let wall = start.elapsed();
    let survivors = marker
        .wait_gone(GONE)
        .iter()
        .map(|survivor| format!("{} {}", survivor.pid, survivor.command))
        .collect();
    let left = cage.left(GONE);
    kills.look(cage);
    marker.kill_all();
    let machine = kernel_kills()?.saturating_sub(on_machine);
    Ok(Facts {
        code: status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
        hung,
        wall,
        struck,
        // The machine's count holds ours and others'.
        kills: kills.sum().min(machine),
        survivors,
        left,
    })
}

/// Lets the blow fall; false if there was nothing yet for it to fall on.
fn strike(
    blow: Blow,
    tier: Tier,
    root: Pid,
    marker: &Marker,
    program: &Path,
) -> Result<bool, Failure> {
    // The group may be gone just now; then the run has ended by itself.
    let group = |signal| kill_process_group(root, signal).is_ok();
    Ok(match blow {
        Blow::Nothing => false,
        Blow::Interrupt => group(Signal::INT),
        Blow::InterruptTwice => {
            let first = group(Signal::INT);
            thread::sleep(REST);
            // It may have ended by the first.
            let _second = group(Signal::INT);
            first
        }
        Blow::Suspend => {
            let stopped = group(Signal::TSTP);
            thread::sleep(REST);
            stopped && group(Signal::CONT)
        }
        Blow::KillRunner | Blow::KillGuard => {
            // With groups the runner is the guard's parent, without it is its child.
            let is_root = (blow == Blow::KillRunner) == tier.has_brake();
            let others = others(marker, root, program);
            let victim = match others.first() {
                // Both are there only once the second is.
                None => return Ok(false),
                Some(_) if is_root => root,
                Some(&other) => other,
            };
            kill_process(victim, Signal::KILL).is_ok()
        }
    })
}

/// The processes of the program but the first.
fn others(marker: &Marker, root: Pid, program: &Path) -> Vec<Pid> {
    marker
        .alive()
        .iter()
        .filter(|one| {
            fs::read_link(format!("/proc/{}/exe", one.pid)).is_ok_and(|exe| exe == program)
        })
        .filter_map(|one| pid_of(one.pid).ok())
        .filter(|pid| *pid != root)
        .collect()
}

fn pid_of(number: u32) -> Result<Pid, Failure> {
    let number = i32::try_from(number)?;
    Pid::from_raw(number).ok_or_else(|| "no process".into())
}

/// Counts kills in groups that take their counts along when they go.
#[derive(Debug, Default)]
struct KernelKills(BTreeMap<PathBuf, u64>);

impl KernelKills {
    fn look(&mut self, cage: &dyn Cage) {
        for (group, kills) in cage.kills() {
            let seen = self.0.entry(group).or_default();
            *seen = (*seen).max(kills);
        }
    }

    fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}
