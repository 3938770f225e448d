//! Who runs the commands, and how each is called.

use std::fs;
use std::process::Command;

use saferun_testbed::cage::Cage;
use serde::Serialize;

use super::super::peers::{PEERS, Peer};
use super::super::programs::{Programs, installed};
use super::tasks::Workload;
use crate::Failure;

/// What kind of row it is, which is how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    /// saferun with memory as its bound.
    Ours,
    /// saferun by the rules of the system that it succeeds.
    Old,
    /// saferun without a bound.
    Unbounded,
    /// Another program.
    Peer,
}

/// One row of the table.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One task after another: a minute for each mix.
    pub(super) slow: bool,
    how: How,
}

enum How {
    Saferun(&'static [&'static str], History),
    Peer(&'static Peer),
}

/// What is known of the tasks before the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum History {
    /// Nothing, and nothing is kept.
    None,
    /// Nothing, and what the run shows is kept.
    Fresh,
    /// What the fresh run before it showed.
    Kept,
}

/// What a row is run with.
pub(super) struct Setting<'a> {
    pub(super) programs: &'a Programs,
    pub(super) tasks: usize,
}

const OWN: [(&str, Kind, &[&str], History); 7] = [
    (
        "sequential",
        Kind::Old,
        &["--strategy", "sequential"],
        History::None,
    ),
    (
        "batch, N=2",
        Kind::Old,
        &["--strategy", "batch", "-j2"],
        History::None,
    ),
    (
        "batch, N=3",
        Kind::Old,
        &["--strategy", "batch", "-j3"],
        History::None,
    ),
    (
        "continuous, cold",
        Kind::Ours,
        &["-j", "auto"],
        History::Fresh,
    ),
    (
        "continuous, warm",
        Kind::Ours,
        &["-j", "auto"],
        History::Kept,
    ),
    (
        "continuous, eager",
        Kind::Ours,
        &["-j", "auto", "--preempt", "eager"],
        History::None,
    ),
    // As many at once as there are tasks.
    (
        UNLIMITED,
        Kind::Unbounded,
        &["--strategy", "unlimited", "-j"],
        History::None,
    ),
];

pub(super) const UNLIMITED: &str = "unlimited";
pub(super) const OLD_TWO: &str = "batch, N=2";
pub(super) const COLD: &str = "continuous, cold";
pub(super) const WARM: &str = "continuous, warm";

/// The rows of a workload, in the order in which they run and are shown.
pub(super) fn contenders(workload: Workload) -> Vec<Contender> {
    let own = OWN
        .iter()
        .map(|(name, kind, arguments, history)| Contender {
            name,
            kind: *kind,
            slow: *name == "sequential" && workload == Workload::Hogs,
            how: How::Saferun(arguments, *history),
        });
    let peers = PEERS
        .iter()
        .filter(|peer| peer.is_here())
        // Three at once are all there are.
        .filter(|peer| workload == Workload::Hogs || peer.name != "xargs -P24")
        .map(|peer| Contender {
            name: peer.name,
            kind: Kind::Peer,
            slow: peer.name == "xargs -P1" && workload == Workload::Hogs,
            how: How::Peer(peer),
        });
    own.chain(peers).collect()
}

/// What there is to say of other programs that take no part.
pub(super) fn missing() -> Vec<String> {
    let mut said: Vec<String> = PEERS
        .iter()
        .filter(|peer| !peer.is_here())
        .map(|peer| format!("missing: {}", peer.name))
        .collect();
    said.push(match installed("earlyoom") {
        Some(_) => "earlyoom takes no part: it reads the host's memory and sees no cage".to_owned(),
        None => "missing: earlyoom (it would take no part: it sees no cage)".to_owned(),
    });
    said
}

impl Contender {
    /// Whether it is saferun, whose events say how often it restarted tasks.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.how, How::Saferun(..))
    }

    /// The command that takes the lines from its input, inside the cage.
    pub(super) fn command(&self, cage: &Cage, setting: &Setting) -> Result<Command, Failure> {
        let scratch = setting.programs.scratch();
        let (arguments, history) = match &self.how {
            How::Peer(peer) => return Ok(peer.command(cage, scratch)),
            How::Saferun(arguments, history) => (*arguments, *history),
        };
        let state = scratch.join("state").join("table");
        if history == History::Fresh && state.exists() {
            fs::remove_dir_all(&state)?;
        }
        // In a session of its own, since the old rules count what the whole session holds.
        let mut command = cage.command("setsid");
        command
            .arg("--wait")
            .arg(setting.programs.saferun())
            .args(["run", "--ignore-config", "--json"])
            .args(arguments)
            .env("XDG_STATE_HOME", state)
            .current_dir(scratch);
        if self.name == UNLIMITED {
            command.arg(setting.tasks.to_string());
        }
        if history == History::None {
            command.arg("--no-history");
        }
        Ok(command)
    }
}
