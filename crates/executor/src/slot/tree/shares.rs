//! What a tree really holds, where its processes share pages since a fork.
//!
//! The readings that are quick enough for the brake count each of those pages once for every
//! process. What is so counted too much is read now and then ([`super::rollup`]) and taken off
//! until the next time. It must never be taken off where it is no longer shared, since growth
//! would go unseen:
//! - A process that writes to a shared page gets a copy of it, which the quick readings don't
//!   show. But it is a fault, and faults are counted: each since the reading is taken for a copy.
//! - When a process ends or becomes another program, the quick readings fall by all that it had,
//!   and nothing may come back. So a fall counts only after the next reading.
//!
//! Thus the figure lies between the truth and the quick reading. Where the two may be far apart,
//! because much of what was taken off no longer is, or because more came than faults explain (a
//! fork), it is said to be in doubt and read anew as soon as possible.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::rollup::{Answer, Pid, Reader, Request};

const MIB: u64 = 1 << 20;

/// Less than this is not worth a reading.
const WORTH: u64 = 8 * MIB;
/// Reading may take this part of the time of one core: of what is in doubt, of what comes near the
/// limit, and of all else.
const SHARE_IN_DOUBT: u32 = 2;
const SHARE_NEAR: u32 = 4;
const SHARE_FAR: u32 = 50;
/// No two readings follow each other more quickly.
const PAUSE: Duration = Duration::from_millis(4);

/// A quick reading of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quick {
    /// All its processes' memory, where what they share counts for each.
    pub(super) bytes: u64,
    /// That of the one that has most.
    pub(super) largest_bytes: u64,
    pub(super) processes: usize,
}

impl Quick {
    /// Whether much of it can be counted twice at all.
    fn is_worth_reading(self) -> bool {
        self.processes >= 2 && self.bytes.saturating_sub(self.largest_bytes) >= WORTH
    }
}

/// What a tree holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) bytes: u64,
    /// Whether it may be much less, which is being found out.
    pub(super) in_doubt: bool,
    /// What it holds at least.
    pub(super) least_bytes: u64,
}

/// What is known of one tree.
#[derive(Debug, Default)]
struct Tree {
    /// The last quick reading, and by how much they have fallen so far, all falls together.
    last: u64,
    fallen: u64,
    /// The last reading of what is counted too much.
    twice: u64,
    /// The quick reading when it was asked for, and what had fallen by then.
    at: (u64, u64),
    /// The faults of each process at that reading.
    faults: BTreeMap<Pid, u64>,
    /// What the faults since then have brought at most: to processes that were there, and to all.
    copied: u64,
    touched: u64,
    asked: Option<Asked>,
    /// Which reading was the last that it was asked for.
    number: u64,
}

/// A reading that is under way, with the quick reading when it began and what had fallen by then.
#[derive(Debug, Clone, Copy)]
struct Asked {
    number: u64,
    at: (u64, u64),
}

impl Tree {
    fn note(&mut self, bytes: u64, faults: &[(Pid, u64)], page_bytes: u64) {
        self.fallen = self.fallen.saturating_add(self.last.saturating_sub(bytes));
        self.last = bytes;
        let (mut known, mut all) = (0u64, 0u64);
        for (pid, now) in faults {
            let before = self.faults.get(pid);
            let more = now.saturating_sub(before.copied().unwrap_or(0));
            all = all.saturating_add(more);
            if before.is_some() {
                known = known.saturating_add(more);
            }
        }
        // Of what has ended only the fall is known; what it had copied before is in that.
        self.copied = known.saturating_mul(page_bytes);
        self.touched = all.saturating_mul(page_bytes);
    }

    /// What may no longer be taken off.
    fn lost(&self) -> u64 {
        let fallen = self.fallen.saturating_sub(self.at.1);
        self.twice.min(fallen.saturating_add(self.copied))
    }

    fn bytes(&self) -> u64 {
        self.last.saturating_sub(self.twice - self.lost())
    }

    /// Whether the truth may be far below.
    fn is_in_doubt(&self) -> bool {
        let fallen = self.fallen.saturating_sub(self.at.1);
        let risen = self
            .last
            .saturating_add(fallen)
            .saturating_sub(self.at.0)
            .saturating_sub(self.touched);
        self.lost().saturating_add(risen) >= WORTH.max(self.last / 16)
    }

    fn take(&mut self, answer: Answer) {
        if let Some(asked) = self.asked.take_if(|asked| asked.number == answer.number) {
            self.twice = answer.twice_bytes;
            self.faults = answer.faults;
            self.at = asked.at;
            (self.copied, self.touched) = (0, 0);
        }
    }
}

/// The trees of a run.
#[derive(Debug)]
pub(super) struct Shares {
    reader: Option<Reader>,
    /// Whether a reader can be had.
    possible: bool,
    trees: BTreeMap<Pid, Tree>,
    page_bytes: u64,
    /// How many readings were asked for.
    number: u64,
    /// How long the last reading took, and when it came in.
    took: Duration,
    came: Option<Instant>,
}

impl Shares {
    pub(super) fn new() -> Self {
        Self {
            reader: None,
            possible: true,
            trees: BTreeMap::new(),
            page_bytes: rustix::param::page_size() as u64,
            number: 0,
            took: Duration::ZERO,
            came: None,
        }
    }

    pub(super) fn forget(&mut self, leader: Pid) {
        self.trees.remove(&leader);
    }

    /// Takes what was read since the last time.
    pub(super) fn settle(&mut self) {
        let Some(reader) = &self.reader else { return };
        for answer in reader.answers() {
            self.took = answer.took;
            self.came = Some(Instant::now());
            if let Some(tree) = self.trees.get_mut(&answer.leader) {
                tree.take(answer);
            }
        }
    }

    /// Whether the faults of the tree's processes are wanted.
    pub(super) fn wants_faults(&self, leader: Pid, quick: Quick) -> bool {
        self.possible
            && (quick.is_worth_reading()
                || self.trees.get(&leader).is_some_and(|tree| tree.twice > 0))
    }

    /// What the tree holds at most by this quick reading and the faults of its processes, and
    /// whether that is in doubt.
    pub(super) fn of(&mut self, leader: Pid, quick: Quick, faults: &[(Pid, u64)]) -> Held {
        let tree = self.trees.entry(leader).or_default();
        tree.note(quick.bytes, faults, self.page_bytes);
        Held {
            bytes: tree.bytes(),
            in_doubt: self.possible && quick.is_worth_reading() && tree.is_in_doubt(),
            least_bytes: quick.largest_bytes,
        }
    }

    /// Has that tree read whose figure may be most wrong, if one is worth it now. `near` says
    /// that what all hold comes near the limit; `pids_of` tells the processes of a tree.
    pub(super) fn ask(
        &mut self,
        quick: &[(Pid, Quick)],
        near: bool,
        pids_of: impl FnOnce(Pid) -> Vec<Pid>,
    ) {
        if !self.possible || self.trees.values().any(|tree| tree.asked.is_some()) {
            return;
        }
        let most = quick
            .iter()
            .filter(|(_, quick)| quick.is_worth_reading())
            .filter_map(|(leader, _)| {
                let tree = self.trees.get(leader)?;
                // Each has its turn.
                Some((tree.is_in_doubt(), Reverse(tree.number), *leader))
            })
            .max();
        let Some((in_doubt, _, leader)) = most else {
            return;
        };
        let share = match (in_doubt, near) {
            (true, _) => SHARE_IN_DOUBT,
            (false, true) => SHARE_NEAR,
            (false, false) => SHARE_FAR,
        };
        let pause = PAUSE.max(self.took * (share - 1));
        if self.came.is_some_and(|came| came.elapsed() < pause) {
            return;
        }
        if self.reader.is_none() {
            self.reader = Reader::start();
        }
        let (Some(reader), Some(tree)) = (&self.reader, self.trees.get_mut(&leader)) else {
            self.possible = false;
            return;
        };
        self.number += 1;
        tree.number = self.number;
        tree.asked = Some(Asked {
            number: self.number,
            at: (tree.last, tree.fallen),
        });
        self.possible = reader.ask(Request {
            leader,
            number: self.number,
            pids: pids_of(leader),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn read(tree: &mut Tree, twice_bytes: u64, faults: &[(Pid, u64)]) {
        tree.number += 1;
        tree.asked = Some(Asked {
            number: tree.number,
            at: (tree.last, tree.fallen),
        });
        tree.take(Answer {
            number: tree.number,
            twice_bytes,
            faults: faults.iter().copied().collect(),
            ..Answer::default()
        });
    }

    /// A parent of 100 MiB and five children that share all of it.
    fn family() -> Tree {
        let mut tree = Tree::default();
        let faults: Vec<_> = (1..=6).map(|pid| (pid, 100)).collect();
        tree.note(600 * MIB, &faults, PAGE);
        assert!(tree.is_in_doubt() && tree.bytes() == 600 * MIB);
        read(&mut tree, 500 * MIB, &faults);
        tree.note(600 * MIB, &faults, PAGE);
        assert!(!tree.is_in_doubt() && tree.bytes() == 100 * MIB);
        tree
    }

    #[test]
    fn copies_come_back_into_the_sum() {
        let mut tree = family();
        tree.note(600 * MIB, &[(1, 100), (2, 100 + 20 * 256)], PAGE);
        assert_eq!(tree.bytes(), 120 * MIB);
        assert!(!tree.is_in_doubt());
        tree.note(600 * MIB, &[(1, 100), (2, 100 + 100 * 256)], PAGE);
        assert_eq!(tree.bytes(), 200 * MIB);
        assert!(tree.is_in_doubt());
    }

    #[test]
    fn the_end_of_one_that_shares_gives_nothing_back_by_itself() {
        let mut tree = family();
        for left in (1..=5).rev() {
            tree.note(left * 100 * MIB, &[(1, 100)], PAGE);
            assert_eq!(tree.bytes(), 100 * MIB);
        }
    }

    #[test]
    fn another_fork_is_in_doubt_until_it_is_read() {
        let mut tree = family();
        tree.note(700 * MIB, &[(1, 100), (7, 80)], PAGE);
        assert_eq!(tree.bytes(), 200 * MIB);
        assert!(tree.is_in_doubt());
        read(&mut tree, 600 * MIB, &[(1, 100), (7, 80)]);
        assert_eq!(tree.bytes(), 100 * MIB);
    }

    #[test]
    fn growth_that_faults_explain_is_not_in_doubt() {
        let mut tree = Tree::default();
        tree.note(100 * MIB, &[(1, 50 * 256), (2, 50 * 256)], PAGE);
        assert!(!tree.is_in_doubt());
        assert_eq!(tree.bytes(), 100 * MIB);
    }

    #[test]
    fn what_happens_while_it_is_read_is_not_lost() {
        let mut tree = family();
        let asked = Asked {
            number: 9,
            at: (tree.last, tree.fallen),
        };
        tree.asked = Some(asked);
        tree.note(500 * MIB, &[(1, 100)], PAGE);
        tree.take(Answer {
            number: 9,
            twice_bytes: 500 * MIB,
            ..Answer::default()
        });
        assert_eq!(tree.bytes(), 100 * MIB);
    }

    #[test]
    fn an_answer_of_another_tree_is_not_taken() {
        let mut tree = family();
        tree.take(Answer {
            number: 77,
            twice_bytes: 600 * MIB,
            ..Answer::default()
        });
        assert_eq!(tree.bytes(), 100 * MIB);
    }

    proptest! {
        /// Processes that map pages, fork, copy, unmap and end; the figure is never below what
        /// they really hold, and never above the quick reading.
        #[test]
        fn never_below_the_truth(steps in prop::collection::vec((0u8..6, 0usize..8, 0u64..100), 1..60)) {
            // Of each process: its pages by number, and its faults.
            let mut processes: BTreeMap<Pid, (Vec<u64>, u64)> = BTreeMap::new();
            processes.insert(1, (Vec::new(), 0));
            let (mut page, mut pid) = (0u64, 1);
            let mut tree = Tree::default();
            for (what, whom, many) in steps {
                let pids: Vec<Pid> = processes.keys().copied().collect();
                let Some(&whom) = pids.get(whom % pids.len().max(1)) else { break };
                let Some((pages, faults)) = processes.get_mut(&whom) else { break };
                match what {
                    0 => {
                        pages.extend(page..page + many);
                        page += many;
                        *faults += many;
                    }
                    1 => {
                        pid += 1;
                        let copy = (pages.clone(), 0);
                        processes.insert(pid, copy);
                    }
                    2 => {
                        for one in pages.iter_mut().take(many as usize) {
                            *one = page;
                            page += 1;
                            *faults += 1;
                        }
                    }
                    3 => pages.truncate(many as usize),
                    4 => drop(processes.remove(&whom)),
                    _ => {}
                }
                let all: Vec<u64> = processes.values().flat_map(|(pages, _)| pages.clone()).collect();
                let sum = all.len() as u64 * PAGE;
                let truth = all.iter().collect::<std::collections::BTreeSet<_>>().len() as u64 * PAGE;
                let faults: Vec<_> = processes.iter().map(|(pid, (_, faults))| (*pid, *faults)).collect();
                tree.note(sum, &faults, PAGE);
                if what == 5 {
                    read(&mut tree, sum - truth, &faults);
                    prop_assert_eq!(tree.bytes(), truth);
                }
                prop_assert!(tree.bytes() >= truth && tree.bytes() <= sum, "{} of {truth} to {sum}", tree.bytes());
            }
        }
    }
}
