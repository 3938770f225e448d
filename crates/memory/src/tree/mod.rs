//! What trees of processes hold, where there are no groups to ask.

mod children;
mod member;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::error::ReadError;
use crate::process::{Environment, ProcessId, Stat, proportional_bytes};
use crate::roots::Roots;

use children::Children;
use member::{Member, Seen};

/// Trees of processes: each a root, all that descend from it, and what has got away from it by
/// a double fork but still carries its marks.
///
/// [`find`](Self::find) is the slow part, which learns who belongs to which tree: about 10 µs a
/// process. [`use_of`](Self::use_of) is the fast one, which reads those that are known on kept
/// descriptors: under 1 µs a process.
///
/// Once known, a process stays a member until it ends, whoever becomes its parent. A process
/// whose parent ended before it was ever seen is found by its marks among the children of the
/// reaper, if one is given.
#[derive(Debug)]
pub struct ProcessTable {
    roots: Roots,
    children: Children,
    reaper: Option<u32>,
    page_bytes: u64,
    trees: BTreeMap<u32, Tree>,
    /// In which tree each known process is.
    owners: BTreeMap<u32, u32>,
    /// The reaper's children that have ended and wait for it to take their status. There may be
    /// hundreds, and they say nothing more; a number is not given anew before it is taken, and
    /// then only after all others.
    dead: BTreeSet<u32>,
}

#[derive(Debug, Default)]
struct Tree {
    marks: Vec<Vec<u8>>,
    members: BTreeMap<u32, Member>,
    cpu: Duration,
}

/// What a tree holds at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreeUse {
    /// Memory that would come back if the tree ended: its processes' anonymous memory, and the
    /// shared memory of the one that has mapped most of it.
    ///
    /// Too much by what processes still share since a fork, too little where they have mapped
    /// different shared memory or files in tmpfs that none has mapped;
    /// [`ProcessTable::proportional_use_of`] is exact in the first. Pages of ordinary files,
    /// programs and libraries included, are not counted: they can be reclaimed.
    pub bytes: u64,
    /// The anonymous memory of the process that has most of it. Only what the others have beyond
    /// it can be counted more than once.
    pub largest_bytes: u64,
    /// How many processes it has that have not ended.
    pub processes: usize,
    /// How many have ended and have not been waited for. They hold nothing.
    pub zombies: usize,
}

/// What a tree holds, where each page counts by its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TreePss {
    /// The memory, pages of files included.
    pub bytes: u64,
    /// How many processes are in the sum with anonymous and shared memory in full instead,
    /// because they belong to another user, are just ending, or the kernel doesn't tell.
    pub estimated: usize,
}

impl ProcessTable {
    /// An empty table. `reaper` is the process that orphans of the trees fall to, if it is
    /// known: the nearest ancestor that is a subreaper, else PID 1.
    ///
    /// # Errors
    /// When there is no `/proc`.
    pub fn open(roots: &Roots, reaper: Option<u32>) -> Result<Self, ReadError> {
        Ok(Self {
            children: Children::open(&roots.proc)?,
            roots: roots.clone(),
            reaper,
            page_bytes: rustix::param::page_size() as u64,
            trees: BTreeMap::new(),
            owners: BTreeMap::new(),
            dead: BTreeSet::new(),
        })
    }

    /// Orphans of the trees fall to this process from here on.
    pub fn set_reaper(&mut self, reaper: u32) {
        self.reaper = Some(reaper);
    }

    /// Adds a tree by its root. Processes that got away from it are known by having all of
    /// `marks` in their environment, each as `NAME=value`; with no marks none is.
    ///
    /// A root that has ended already is no error: the tree is then what its marks find.
    ///
    /// # Errors
    /// When the root is there and can't be read.
    pub fn add(&mut self, root: u32, marks: &[&[u8]]) -> Result<(), ReadError> {
        self.remove(root);
        let mut tree = Tree {
            marks: marks.iter().map(|mark| mark.to_vec()).collect(),
            ..Tree::default()
        };
        // A root that is a member of another tree was given its number anew: that member ended.
        if let Some(former) = self.owners.remove(&root)
            && let Some(former) = self.trees.get_mut(&former)
        {
            former.members.remove(&root);
        }
        if let Some((member, _)) = Member::open(&self.roots.proc, root, self.kept())? {
            tree.members.insert(root, member);
            self.owners.insert(root, root);
        }
        self.trees.insert(root, tree);
        Ok(())
    }

    /// Forgets a tree.
    pub fn remove(&mut self, root: u32) {
        if let Some(tree) = self.trees.remove(&root) {
            for pid in tree.members.keys() {
                self.owners.remove(pid);
            }
        }
    }

    /// Learns who belongs to the trees now, and says how many processes are new. To be sure of
    /// having all of a tree that keeps forking, stop what is known and find again until nothing
    /// is new.
    ///
    /// # Errors
    /// When `/proc` can't be read. Processes that end meanwhile are no error.
    pub fn find(&mut self) -> Result<usize, ReadError> {
        self.children.begin();
        let mut new = 0;
        let mut queue = Vec::new();
        for (&root, tree) in &mut self.trees {
            let owners = &mut self.owners;
            let mut failure = None;
            tree.members.retain(|pid, member| {
                let alive = match member.is_alive(&self.roots.proc) {
                    Ok(alive) => alive,
                    Err(error) => {
                        failure = Some(error);
                        true
                    }
                };
                if alive {
                    queue.push((*pid, root));
                } else {
                    owners.remove(pid);
                }
                alive
            });
            if let Some(error) = failure {
                return Err(error);
            }
        }
        new += self.descend(queue)?;
        let strays = self.strays()?;
        new += strays.len();
        new += self.descend(strays)?;
        Ok(new)
    }

    /// Takes in all descendants of the processes in the queue.
    fn descend(&mut self, mut queue: Vec<(u32, u32)>) -> Result<usize, ReadError> {
        let mut new = 0;
        while let Some((parent, root)) = queue.pop() {
            for pid in self.children.of(parent)? {
                if !self.owners.contains_key(&pid) && self.take_in(pid, parent, root)? {
                    queue.push((pid, root));
                    new += 1;
                }
            }
        }
        Ok(new)
    }

    /// Takes in the reaper's children that carry the marks of a tree.
    fn strays(&mut self) -> Result<Vec<(u32, u32)>, ReadError> {
        let Some(reaper) = self.reaper else {
            return Ok(Vec::new());
        };
        if self.trees.values().all(|tree| tree.marks.is_empty()) {
            return Ok(Vec::new());
        }
        let children = self.children.of(reaper)?;
        self.dead.retain(|pid| children.contains(pid));
        let mut taken = Vec::new();
        for pid in children {
            if self.owners.contains_key(&pid) || self.dead.contains(&pid) {
                continue;
            }
            let Some(environment) = Environment::read(&self.roots.proc, pid)? else {
                continue;
            };
            if environment.is_empty() {
                if Stat::read(&self.roots.proc, pid)?.is_none_or(|stat| stat.zombie) {
                    self.dead.insert(pid);
                }
                continue;
            }
            let owner = self
                .trees
                .iter()
                .find(|(_, tree)| environment.has_marks(&tree.marks))
                .map(|(&root, _)| root);
            if let Some(root) = owner
                && self.take_in(pid, reaper, root)?
            {
                taken.push((pid, root));
            }
        }
        Ok(taken)
    }

    /// Whether the process was there to be taken in.
    fn take_in(&mut self, pid: u32, parent: u32, root: u32) -> Result<bool, ReadError> {
        let kept = self.kept();
        let Some(tree) = self.trees.get_mut(&root) else {
            return Ok(false);
        };
        match Member::open(&self.roots.proc, pid, kept)? {
            // With another parent than it was found under, it is a later process of that number
            // or has just become an orphan; in the latter case its marks will find it.
            Some((member, stat)) if stat.parent == parent => {
                tree.members.insert(pid, member);
                self.owners.insert(pid, root);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// What the tree holds now, as far as it is known since the last [`find`](Self::find).
    ///
    /// # Errors
    /// When there is no such tree, or a process can't be read; one that has ended is no error.
    pub fn use_of(&mut self, root: u32) -> Result<TreeUse, ReadError> {
        let tree = self.trees.get_mut(&root).ok_or(NO_TREE)?;
        let mut pages = 0u64;
        let mut largest = 0;
        let mut shared_memory = 0;
        let mut zombies = 0;
        let mut gone = Vec::new();
        for (&pid, member) in &mut tree.members {
            match member.look(&self.roots.proc)? {
                Seen::Here(statm) => {
                    pages = pages.saturating_add(statm.anonymous());
                    largest = largest.max(statm.anonymous());
                    shared_memory = shared_memory.max(member.shared_memory_bytes());
                }
                Seen::Ended => zombies += 1,
                Seen::Gone => gone.push(pid),
            }
        }
        for pid in gone {
            tree.members.remove(&pid);
            self.owners.remove(&pid);
        }
        Ok(TreeUse {
            bytes: pages
                .saturating_mul(self.page_bytes)
                .saturating_add(shared_memory),
            largest_bytes: largest.saturating_mul(self.page_bytes),
            processes: tree.members.len() - zombies,
            zombies,
        })
    }

    /// What the tree holds where each page counts by its share. Slow: 0.1 to 1 ms a process.
    ///
    /// # Errors
    /// As [`use_of`](Self::use_of).
    pub fn proportional_use_of(&mut self, root: u32) -> Result<TreePss, ReadError> {
        let tree = self.trees.get_mut(&root).ok_or(NO_TREE)?;
        let mut sum = TreePss::default();
        for (&pid, member) in &mut tree.members {
            let Seen::Here(statm) = member.look(&self.roots.proc)? else {
                continue;
            };
            let share = match proportional_bytes(&self.roots.proc, pid) {
                Err(error) if error.is_refused() => None,
                other => other?,
            };
            let bytes = share.unwrap_or_else(|| {
                sum.estimated += usize::from(statm.resident > 0);
                statm
                    .anonymous()
                    .saturating_mul(self.page_bytes)
                    .saturating_add(member.shared_memory_bytes())
            });
            sum.bytes = sum.bytes.saturating_add(bytes);
        }
        Ok(sum)
    }

    /// CPU time that the tree has used: that of its processes and of the children that they have
    /// waited for. It never goes back; what an orphan had used is missing from its end on, until
    /// the others have used as much. About 5 µs a process.
    ///
    /// # Errors
    /// As [`use_of`](Self::use_of).
    pub fn cpu_of(&mut self, root: u32) -> Result<Duration, ReadError> {
        let tree = self.trees.get_mut(&root).ok_or(NO_TREE)?;
        let mut ticks = 0u64;
        for member in tree.members.values() {
            ticks = ticks.saturating_add(member.cpu_ticks(&self.roots.proc)?.unwrap_or(0));
        }
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let now = Duration::from_millis(ticks.saturating_mul(1000) / per_second);
        tree.cpu = tree.cpu.max(now);
        Ok(tree.cpu)
    }

    /// The processes of the tree that were known at the last look, zombies included. Some may
    /// have ended since: compare the time of start, or use a pidfd, before doing anything to one.
    pub fn processes_of(&self, root: u32) -> impl Iterator<Item = ProcessId> {
        self.trees
            .get(&root)
            .into_iter()
            .flat_map(|tree| tree.members.values().map(Member::id))
    }

    fn kept(&self) -> usize {
        self.owners.len()
    }
}

const NO_TREE: ReadError = ReadError::Unknown {
    what: "the memory of a tree that was never added",
};
