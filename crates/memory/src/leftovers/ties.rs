//! Who talks to a process: clients of its sockets, and the other ends of its standard streams.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::sockets::{Listens, Sockets};
use super::unix_peers;
use crate::census::Census;
use crate::roots::Roots;

/// The open pipes and sockets of all processes that we may look at.
pub(super) struct Ties {
    roots: Roots,
    open: BTreeMap<u32, Vec<Open>>,
    /// The inode at the other end of each local socket, 0 where that is closed or there is none;
    /// empty where the kernel doesn't tell.
    peers: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    number: u32,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Pipe(u64),
    Socket(u64),
}

impl Ties {
    pub(super) fn read(census: &Census, roots: &Roots) -> Self {
        let open = census
            .processes()
            .filter(|process| !process.zombie && !process.is_kernels())
            .map(|process| (process.id.pid, opened(&roots.proc, process.id.pid)))
            .collect();
        Self {
            roots: roots.clone(),
            open,
            peers: unix_peers::read().unwrap_or_default(),
        }
    }

    /// That nobody outside of the tree talks to it, in words; or who does.
    pub(super) fn untied(&self, tree: &[u32], may_listen: bool) -> Result<String, String> {
        let own: BTreeSet<u32> = tree.iter().copied().collect();
        let own_sockets: BTreeSet<u64> = tree
            .iter()
            .flat_map(|pid| self.of(*pid))
            .filter_map(|open| match open.what {
                What::Socket(inode) => Some(inode),
                What::Pipe(_) => None,
            })
            .collect();
        let root = tree.first().copied().unwrap_or_default();
        let sockets = Sockets::of(&self.roots, root);
        match sockets.listens(&own_sockets) {
            Listens::WithClient => return Err("a client is connected to it".to_owned()),
            Listens::WithNobody if !may_listen => {
                return Err("it listens for clients, as a service does".to_owned());
            }
            Listens::WithNobody | Listens::No => {}
        }
        for &pid in tree {
            for open in self.of(pid).iter().filter(|open| open.number <= 2) {
                self.stream(open.what, &own, &own_sockets)?;
            }
        }
        Ok("nobody is connected to it".to_owned())
    }

    /// One of the standard streams, by which helpers are talked to.
    fn stream(
        &self,
        what: What,
        own: &BTreeSet<u32>,
        own_sockets: &BTreeSet<u64>,
    ) -> Result<(), String> {
        match what {
            What::Pipe(_) => {
                let other = self.open.iter().find(|(pid, opened)| {
                    !own.contains(pid) && opened.iter().any(|open| open.what == what)
                });
                match other {
                    Some((pid, _)) => Err(format!("{pid} holds the other end of a pipe to it")),
                    None => Ok(()),
                }
            }
            What::Socket(inode) => match self.peers.get(&inode) {
                // No local socket, or one of another network namespace.
                None => Err("who its streams are connected to can't be told".to_owned()),
                Some(0) => Ok(()),
                Some(peer) if own_sockets.contains(peer) => Ok(()),
                Some(_) => Err("somebody holds the other end of a socket to it".to_owned()),
            },
        }
    }

    fn of(&self, pid: u32) -> &[Open] {
        self.open.get(&pid).map_or(&[], Vec::as_slice)
    }
}

/// The sockets that a process has open.
#[cfg(feature = "runtimes")]
pub(crate) fn listening_ports(roots: &Roots, pid: u32) -> Vec<u16> {
    let inodes = opened(&roots.proc, pid)
        .into_iter()
        .filter_map(|open| match open.what {
            What::Socket(inode) => Some(inode),
            What::Pipe(_) => None,
        })
        .collect();
    Sockets::of(roots, pid).ports(&inodes)
}

/// Pipes and sockets of a process; none where we may not look.
fn opened(proc: &Path, pid: u32) -> Vec<Open> {
    let Ok(entries) = fs::read_dir(proc.join(format!("{pid}/fd"))) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let what = parse(target.to_str()?)?;
            Some(Open { number, what })
        })
        .collect()
}

/// `pipe:[123]` or `socket:[123]`.
fn parse(target: &str) -> Option<What> {
    let (kind, inode) = target.strip_suffix(']')?.split_once(":[")?;
    let inode = inode.parse().ok()?;
    match kind {
        "pipe" => Some(What::Pipe(inode)),
        "socket" => Some(What::Socket(inode)),
        _ => None,
    }
}
