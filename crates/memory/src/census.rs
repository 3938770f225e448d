//! One look at all processes, from which everything else about them is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;

use crate::error::ReadError;
use crate::kept::slurp_if_there;
use crate::process::{ProcessId, Stat, all_pids};
use crate::roots::Roots;
use crate::session::{PROPORTIONAL_UP_TO, SessionUse, members, own_session, use_of};

/// All processes at one moment.
///
/// It costs about 30 µs a process. One that ends while it is read is left out.
#[derive(Debug, Clone)]
pub struct Census {
    pub(crate) processes: BTreeMap<u32, Process>,
    pub(crate) own: u32,
    members: BTreeSet<u32>,
    hidden: bool,
}

/// A process as it was at that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Which one.
    pub id: ProcessId,
    /// Its parent's number; 0 where that lies outside of what can be seen.
    pub parent: u32,
    /// Its session's number.
    pub session: u32,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Whether it has ended and only waits for its parent to take note.
    pub zombie: bool,
    /// The user whose it is.
    pub user: u32,
    /// The name that it gives itself, as it is: show it through
    /// [`sanitised`](crate::sanitised).
    pub name: OsString,
    /// Its arguments, the program first; empty for a kernel thread and for one that has ended.
    pub arguments: Vec<OsString>,
    /// Memory that it holds, what it shares with others included.
    pub rss_bytes: u64,
    /// CPU time so far, in ticks.
    pub(crate) cpu_ticks: u64,
}

impl Census {
    /// Looks.
    ///
    /// # Errors
    /// When `/proc` isn't there or is no `/proc`.
    pub fn take(roots: &Roots) -> Result<Self, ReadError> {
        let page = rustix::param::page_size() as u64;
        let own_session = own_session(roots)?;
        let mut processes = BTreeMap::new();
        for pid in all_pids(&roots.proc)? {
            let read = Stat::read_with_name(&roots.proc, pid);
            let (stat, name) = match read {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                // Some systems list what they don't let everybody read.
                Err(error) if error.is_refused() => continue,
                Err(error) => return Err(error),
            };
            let dir = roots.proc.join(pid.to_string());
            let Ok(metadata) = std::fs::metadata(&dir) else {
                continue;
            };
            let has_memory = !stat.zombie && stat.resident > 0;
            let arguments = if has_memory {
                arguments(&dir)
            } else {
                Vec::new()
            };
            let process = Process {
                id: ProcessId {
                    pid,
                    start_ticks: stat.start_ticks,
                },
                parent: stat.parent,
                session: stat.session,
                has_terminal: stat.has_terminal,
                zombie: stat.zombie && stat.threads <= 1,
                user: metadata.uid(),
                name,
                arguments,
                rss_bytes: stat.resident.saturating_mul(page),
                cpu_ticks: stat.cpu_ticks,
            };
            processes.insert(pid, process);
        }
        let relations = processes
            .iter()
            .map(|(&pid, process)| (pid, (process.parent, process.session)))
            .collect();
        let own = own_pid(roots);
        Ok(Self {
            members: members(&relations, own_session),
            hidden: !processes.contains_key(&1),
            processes,
            own,
        })
    }

    /// All of them, by number.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// One of them.
    pub fn get(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Whether other users' processes are hidden from us (`hidepid`): then what is told about
    /// them is not all there is.
    pub fn is_partial(&self) -> bool {
        self.hidden
    }

    /// Whether a process belongs to our session or descends from one that does.
    pub fn is_of_our_session(&self, pid: u32) -> bool {
        self.members.contains(&pid)
    }

    /// The processes of our session and their descendants.
    pub fn session(&self) -> impl Iterator<Item = &Process> {
        self.members.iter().filter_map(|pid| self.get(*pid))
    }

    /// What our session holds; see [`session_use`](crate::session_use).
    ///
    /// # Errors
    /// As there.
    pub fn session_use(&self, roots: &Roots) -> Result<SessionUse, ReadError> {
        if self.members.len() <= PROPORTIONAL_UP_TO {
            return use_of(roots, &self.members);
        }
        // Their resident memory is known already.
        let held = self.session().map(|process| process.rss_bytes);
        Ok(SessionUse {
            bytes: held.fold(0, u64::saturating_add),
            processes: self.session().count(),
            by_resident: self.session().filter(|one| one.rss_bytes > 0).count(),
        })
    }

    /// Our own number.
    pub fn own_pid(&self) -> u32 {
        self.own
    }

    /// The user that we are.
    pub fn own_user(&self) -> u32 {
        rustix::process::getuid().as_raw()
    }

    /// A process's parent, grandparent and so on, as far as they can be seen.
    pub fn ancestors(&self, pid: u32) -> impl Iterator<Item = &Process> {
        let mut next = self.get(pid).map(|process| process.parent);
        // Parents are read one after another: one that was replaced meanwhile could close a ring.
        let mut left = self.processes.len();
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let process = self.get(next?)?;
            next = Some(process.parent);
            Some(process)
        })
    }

    /// The children of every process that has any.
    pub fn children(&self) -> BTreeMap<u32, Vec<u32>> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (&pid, process) in &self.processes {
            children.entry(process.parent).or_default().push(pid);
        }
        children
    }

    /// A process and all of its descendants, itself first.
    pub fn tree(&self, root: u32, children: &BTreeMap<u32, Vec<u32>>) -> Vec<u32> {
        let mut seen = BTreeSet::from([root]);
        let mut tree = vec![root];
        let mut place = 0;
        while let Some(&pid) = tree.get(place) {
            place += 1;
            for &child in children.get(&pid).into_iter().flatten() {
                if seen.insert(child) {
                    tree.push(child);
                }
            }
        }
        tree
    }

    /// Those that have ended and whose parents have not taken note.
    pub fn zombies(&self) -> impl Iterator<Item = &Process> {
        self.processes().filter(|process| process.zombie)
    }
}

impl Process {
    /// Whether it is a thread of the kernel: all of these descend from number 2 and have neither
    /// memory of their own nor arguments. In a PID namespace number 2 is a process like others.
    pub(crate) fn is_kernels(&self) -> bool {
        (self.id.pid == 2 || self.parent == 2) && self.rss_bytes == 0 && self.arguments.is_empty()
    }

    /// The last part of the path by which it was called, without the dash of a login shell; its
    /// name where it has no arguments.
    pub fn called(&self) -> &OsStr {
        let first = self.arguments.first().filter(|first| !first.is_empty());
        first.map_or(&*self.name, |first| {
            let path = std::path::Path::new(first);
            path.file_name().unwrap_or(first)
        })
    }
}

fn own_pid(roots: &Roots) -> u32 {
    let link = std::fs::read_link(roots.proc.join("self")).ok();
    link.and_then(|link| link.to_str()?.parse().ok())
        .unwrap_or_else(std::process::id)
}

/// Nothing where they can't be read: then nothing is known of them.
fn arguments(dir: &std::path::Path) -> Vec<OsString> {
    let bytes = slurp_if_there(&dir.join("cmdline"))
        .ok()
        .flatten()
        .unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes
        .split(|&b| b == 0)
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect()
}
