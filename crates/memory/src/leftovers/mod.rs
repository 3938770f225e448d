//! Processes that a dead run, agent or editor has left behind.
//!
//! A process is a leftover only on proof, and what is in doubt is kept, with the reason. It must
//! be an orphan: adopted by PID 1 or by the user's service manager. That alone proves nothing,
//! since whatever a service manager starts looks the same. The proof is one of two:
//!
//! - It carries `SAFERUN_RUN` of a run that is over: no living process vouches for that run.
//! - A [`Rule`] names its program, the leader of its session is gone, it has no terminal, it
//!   doesn't ignore hang-ups, nobody is connected to it by a socket or a pipe, and it is older than the rule asks for.
//!
//! With it go its descendants, unless there is a reason to keep one of them: then all are kept.
//! Never another user's, never one of our own session or above us.

mod ending;
mod mark;
mod rule;
mod sockets;
mod ties;
mod unix_peers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::census::{Census, Process};
use crate::process::{ProcessId, Status, proportional_bytes};
use crate::program::Program;
use crate::roots::Roots;

pub use ending::{Ended, end_leftover};
pub use rule::{Glob, Rule};

#[cfg(feature = "runtimes")]
pub(crate) use ties::listening_ports;

use mark::Runs;
use ties::Ties;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Left behind, with the proof.
    pub found: Vec<Leftover>,
    /// Orphans that carry a run's mark or that a rule names, and that are kept all the same.
    pub kept: Vec<Kept>,
}

/// A tree of processes that was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its topmost process.
    pub root: ProcessId,
    /// All of it, the topmost first.
    pub members: Vec<ProcessId>,
    /// Which program the topmost is.
    pub program: Program,
    /// What they hold, what they share with others included.
    pub rss_bytes: u64,
    /// Since when the topmost has run.
    pub age: Duration,
    /// The run that is over, where its mark is the proof.
    pub run: Option<String>,
    /// All processes there were when this was listed: who is not among them has been started
    /// since. Start times alone can't tell, as many share a tick.
    pub listed: Arc<BTreeSet<ProcessId>>,
    /// What proves it, each piece in words.
    pub evidence: Vec<String>,
}

impl Leftover {
    /// What its living members hold now, where shared pages count by their share; of those that
    /// can't be asked nothing.
    pub fn held_bytes(&self, roots: &Roots) -> u64 {
        let living = self
            .members
            .iter()
            .filter(|id| ProcessId::read(roots, id.pid).ok().flatten() == Some(**id));
        let bytes = living.filter_map(|id| proportional_bytes(&roots.proc, id.pid).ok().flatten());
        bytes.fold(0, u64::saturating_add)
    }
}

/// An orphan that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub id: ProcessId,
    /// Its program.
    pub program: Program,
    /// What it holds.
    pub rss_bytes: u64,
    /// Why it is kept.
    pub why: String,
}

/// Looks for leftovers.
pub fn find_leftovers(census: &Census, rules: &[Rule], roots: &Roots) -> Leftovers {
    let mut leftovers = Leftovers::default();
    let listed = Arc::new(census.processes().map(|process| process.id).collect());
    let children = census.children();
    let mut search = Search {
        census,
        rules,
        roots,
        children: &children,
        uptime_ticks: uptime_ticks(roots),
        runs: Runs::new(census, roots),
        ties: None,
    };
    for process in census.processes() {
        if process.user != census.own_user() || process.is_kernels() || process.zombie {
            continue;
        }
        if !search.is_orphan(process) {
            continue;
        }
        let program = Program::of(process, roots);
        match search.judge(process, &program) {
            Verdict::NoneOfOurs => {}
            Verdict::Keep(why) => leftovers.kept.push(Kept {
                id: process.id,
                program,
                rss_bytes: process.rss_bytes,
                why,
            }),
            Verdict::Leftover { run, evidence } => {
                let members = census.tree(process.id.pid, &children);
                let members = members.iter().filter_map(|pid| census.get(*pid));
                leftovers.found.push(Leftover {
                    root: process.id,
                    rss_bytes: members.clone().map(|member| member.rss_bytes).sum(),
                    members: members.map(|member| member.id).collect(),
                    age: search.age(process),
                    program,
                    run,
                    listed: Arc::clone(&listed),
                    evidence,
                });
            }
        }
    }
    leftovers
}

/// The bit of SIGHUP, which is signal 1.
const HANG_UP: u64 = 1;

struct Search<'a> {
    census: &'a Census,
    rules: &'a [Rule],
    roots: &'a Roots,
    children: &'a BTreeMap<u32, Vec<u32>>,
    uptime_ticks: u64,
    runs: Runs<'a>,
    /// Read when the first is wanted: most systems have no candidate at all.
    ties: Option<Ties>,
}

enum Verdict {
    NoneOfOurs,
    Keep(String),
    Leftover {
        run: Option<String>,
        evidence: Vec<String>,
    },
}

impl Search<'_> {
    /// Whether its parent is PID 1 or a user's service manager: whoever started it is gone, or
    /// has handed it over.
    fn is_orphan(&self, process: &Process) -> bool {
        process.id.pid != 1
            && match self.census.get(process.parent) {
                Some(parent) => parent.id.pid == 1 || is_user_manager(parent),
                None => false,
            }
    }

    fn judge(&mut self, process: &Process, program: &Program) -> Verdict {
        let marked = self.runs.mark_of(process);
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.matches(program, &process.arguments));
        if marked.is_none() && rule.is_none() {
            return Verdict::NoneOfOurs;
        }
        let mut evidence = Vec::new();
        let parent = self.census.get(process.parent);
        let by = parent.map_or_else(String::new, |parent| {
            crate::holders::sanitised(parent.called())
        });
        evidence.push(format!("orphaned: its parent is {} ({by})", process.parent));
        if let Some(why) = self.reason_to_keep(process) {
            return Verdict::Keep(why);
        }
        if let Some(run) = &marked {
            match self.runs.vouched(run, process) {
                Some(why) => return Verdict::Keep(why),
                None => evidence.push(format!("carries SAFERUN_RUN={run}, a run that is over")),
            }
        } else if let Some(rule) = rule {
            match self.by_rule(process, rule) {
                Err(why) => return Verdict::Keep(why),
                Ok(more) => evidence.extend(more),
            }
        }
        let may_listen = rule.is_none_or(|rule| rule.may_listen);
        match self.untied(process, may_listen) {
            Err(why) => Verdict::Keep(why),
            Ok(more) => {
                evidence.push(more);
                Verdict::Leftover {
                    run: marked,
                    evidence,
                }
            }
        }
    }

    /// What speaks against ending it or one of its descendants, whatever the proof.
    fn reason_to_keep(&self, root: &Process) -> Option<String> {
        for pid in self.census.tree(root.id.pid, self.children) {
            let Some(process) = self.census.get(pid) else {
                continue;
            };
            let who = if pid == root.id.pid {
                String::from("it")
            } else {
                format!("its descendant {pid}")
            };
            if self.census.is_of_our_session(pid) {
                return Some(format!("{who} belongs to this session"));
            }
            if pid == self.census.own_pid() {
                return Some(format!("{who} is this very process"));
            }
            match Status::read(&self.roots.proc, pid) {
                Ok(Some(status)) if status.is_all(self.census.own_user()) => {}
                // It has ended meanwhile.
                Ok(None) => continue,
                Ok(Some(_)) => return Some(format!("{who} belongs to another user")),
                Err(error) => return Some(format!("{who} can't be looked at: {error}")),
            }
            if process.has_terminal {
                return Some(format!("{who} has a terminal"));
            }
            if process.session == 0 {
                return Some(format!("{who} was started from outside of this container"));
            }
        }
        if self.census.is_partial() {
            return Some("other users' processes can't be seen, one of them may need it".into());
        }
        None
    }

    fn by_rule(&self, process: &Process, rule: &Rule) -> Result<Vec<String>, String> {
        if process.session == process.id.pid {
            return Err("leads its own session, as services do".into());
        }
        if let Some(leader) = self.census.get(process.session)
            && !leader.zombie
        {
            return Err(format!("the leader of its session {} lives", leader.id.pid));
        }
        let status = Status::read(&self.roots.proc, process.id.pid)
            .ok()
            .flatten();
        if status.is_none_or(|status| status.ignored & HANG_UP != 0) {
            return Err("ignores hang-ups: it was meant to outlive its session (nohup)".into());
        }
        let age = self.age(process);
        if age < rule.older_than {
            return Err(format!(
                "is younger than {} s, the age in the rule \"{}\"",
                rule.older_than.as_secs(),
                rule.name
            ));
        }
        Ok(vec![
            format!("the rule \"{}\" names it", rule.name),
            format!("the leader of its session {} is gone", process.session),
            String::from("has no terminal"),
            format!("has run for {} s", age.as_secs()),
        ])
    }

    /// That nobody talks to it or to a descendant.
    fn untied(&mut self, root: &Process, may_listen: bool) -> Result<String, String> {
        let tree = self.census.tree(root.id.pid, self.children);
        let ties = self
            .ties
            .get_or_insert_with(|| Ties::read(self.census, self.roots));
        ties.untied(&tree, may_listen)
    }

    fn age(&self, process: &Process) -> Duration {
        let ticks = self.uptime_ticks.saturating_sub(process.id.start_ticks);
        Duration::from_secs(ticks / rustix::param::clock_ticks_per_second().max(1))
    }
}

/// `systemd --user`, whose own parent is PID 1.
fn is_user_manager(process: &Process) -> bool {
    process.parent == 1
        && process.called() == "systemd"
        && process.arguments.iter().any(|arg| arg == "--user")
}

/// Now, in the unit of start times. 0 where it can't be read: then everything is young.
fn uptime_ticks(roots: &Roots) -> u64 {
    let text = std::fs::read_to_string(roots.proc.join("uptime")).unwrap_or_default();
    let seconds: f64 = text
        .split_ascii_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0);
    // A cast from float saturates.
    (seconds * rustix::param::clock_ticks_per_second() as f64) as u64
}
