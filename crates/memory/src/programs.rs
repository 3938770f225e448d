//! Who holds memory, by program and by tree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::{Duration, Instant};

use crate::census::{Census, Process};
use crate::process::proportional_bytes;
use crate::program::Program;
use crate::roots::Roots;

/// How long proportional memory is asked for, the largest processes first; of the rest the
/// resident memory is taken.
const PATIENCE: Duration = Duration::from_millis(30);

/// Programs that start others on somebody's behalf: what they start is a tree of its own, not a
/// part of theirs.
const STARTERS: [&str; 14] = [
    "systemd",
    "init",
    "sshd",
    "sshd-session",
    "login",
    "su",
    "sudo",
    "cron",
    "tmux",
    "screen",
    "tini",
    "dumb-init",
    "containerd-shim",
    "conmon",
];

/// Shells, which start others where they are not in the middle of a tree.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "fish", "ksh", "nu"];

/// A program with all trees of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramUse {
    /// What it is called: the topmost process of its trees.
    pub name: OsString,
    /// What its trees hold together.
    pub bytes: u64,
    /// Whether pages shared with others count by their share in all of it; if not, some
    /// processes are in it with all of their resident memory.
    pub exact: bool,
    /// Its trees, the largest first.
    pub trees: Vec<TreeHeld>,
}

impl ProgramUse {
    /// How many processes it has.
    pub fn processes(&self) -> usize {
        self.trees.iter().map(|tree| tree.members.len()).sum()
    }
}

/// A tree of processes: an editor and its language servers, a browser and its tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeHeld {
    /// What it holds.
    pub bytes: u64,
    /// Its processes, each behind its parent.
    pub members: Vec<MemberHeld>,
}

/// A process of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberHeld {
    /// Its number.
    pub pid: u32,
    /// How far below the topmost one it is.
    pub depth: usize,
    /// What it is called.
    pub name: OsString,
    /// What it holds.
    pub bytes: u64,
    /// Whether that counts shared pages by their share.
    pub exact: bool,
}

/// Who holds memory, the program with the most first.
pub fn holders_by_program(census: &Census, roots: &Roots) -> Vec<ProgramUse> {
    let held = proportional(census, roots);
    let children = census.children();
    let tops: BTreeSet<u32> = census
        .processes()
        .filter(|process| is_counted(process) && is_top(census, process))
        .map(|process| process.id.pid)
        .collect();
    let mut programs: BTreeMap<OsString, ProgramUse> = BTreeMap::new();
    for &top in &tops {
        let Some(process) = census.get(top) else {
            continue;
        };
        let tree = tree(census, top, &tops, &children, &held);
        let name = Program::said_by(process).short();
        let program = programs.entry(name.clone()).or_insert(ProgramUse {
            name,
            bytes: 0,
            exact: true,
            trees: Vec::new(),
        });
        program.bytes = program.bytes.saturating_add(tree.bytes);
        program.exact &= tree.members.iter().all(|member| member.exact);
        program.trees.push(tree);
    }
    let mut programs: Vec<ProgramUse> = programs.into_values().collect();
    for program in &mut programs {
        program.trees.sort_by_key(|tree| Reverse(tree.bytes));
    }
    programs.sort_by(|a, b| (b.bytes, &a.name).cmp(&(a.bytes, &b.name)));
    programs
}

fn is_counted(process: &Process) -> bool {
    !process.is_kernels() && !process.zombie
}

/// Whether it is the topmost of its tree: its parent starts others on somebody's behalf, or is
/// not there. A shell does so where it is itself the topmost of its tree (in a terminal, say) but
/// not between an editor and its helpers.
fn is_top(census: &Census, process: &Process) -> bool {
    for parent in census.ancestors(process.id.pid) {
        if parent.id.pid == 1 || !is_counted(parent) || is_named(parent, &STARTERS) {
            return true;
        }
        if !is_named(parent, &SHELLS) {
            return false;
        }
    }
    true
}

fn is_named(process: &Process, names: &[&str]) -> bool {
    // Login shells begin with a dash, and some programs say more behind a colon.
    let called = process.called().to_str().unwrap_or_default();
    let called = called.trim_start_matches('-');
    names.contains(&called.split_once(':').map_or(called, |(name, _)| name))
}

/// Walks down from the topmost, leaving out trees of their own.
fn tree(
    census: &Census,
    top: u32,
    tops: &BTreeSet<u32>,
    children: &BTreeMap<u32, Vec<u32>>,
    held: &BTreeMap<u32, u64>,
) -> TreeHeld {
    let mut members = Vec::new();
    let mut seen = BTreeSet::new();
    let mut next = vec![(top, 0)];
    while let Some((pid, depth)) = next.pop() {
        let Some(process) = census.get(pid).filter(|process| is_counted(process)) else {
            continue;
        };
        if !seen.insert(pid) {
            continue;
        }
        members.push(MemberHeld {
            pid,
            depth,
            name: Program::said_by(process).short(),
            bytes: held.get(&pid).copied().unwrap_or(process.rss_bytes),
            exact: held.contains_key(&pid),
        });
        let below = children.get(&pid).into_iter().flatten().rev();
        next.extend(
            below
                .filter(|child| !tops.contains(child))
                .map(|child| (*child, depth + 1)),
        );
    }
    TreeHeld {
        bytes: members.iter().map(|member| member.bytes).sum(),
        members,
    }
}

/// Proportional memory of the largest, as far as we may see it and time allows.
fn proportional(census: &Census, roots: &Roots) -> BTreeMap<u32, u64> {
    let mut by_size: Vec<&Process> = census.processes().filter(|p| is_counted(p)).collect();
    by_size.sort_by_key(|process| Reverse(process.rss_bytes));
    let deadline = Instant::now() + PATIENCE;
    let mut held = BTreeMap::new();
    for process in by_size {
        if Instant::now() >= deadline {
            break;
        }
        if let Ok(Some(bytes)) = proportional_bytes(&roots.proc, process.id.pid) {
            held.insert(process.id.pid, bytes);
        }
    }
    held
}
