//! Who belongs to a slot, and signals to all of them.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use rustix::process::{Signal, kill_process, kill_process_group};

use super::{NEWCOMER, ROUNDS, SEARCH_EVERY, SEARCH_SHARE, Tree, into_io, orphans};

impl Tree {
    /// Looks for newcomers if that is due.
    pub(super) fn search_if_due(&mut self) -> io::Result<()> {
        let begin = Instant::now();
        if begin >= self.next_search {
            self.search()?;
            let end = Instant::now();
            self.next_search = end + SEARCH_EVERY.max((end - begin) * SEARCH_SHARE);
        }
        Ok(())
    }

    pub(super) fn search(&mut self) -> io::Result<usize> {
        self.table.find().map_err(into_io)
    }

    /// The living processes of a slot as of the last search.
    pub(super) fn members(&self, leader: u32) -> BTreeSet<u32> {
        let known = self.table.processes_of(leader).map(|process| process.pid);
        let orphans = self
            .living_children()
            .into_iter()
            .filter(|pid| self.owns_orphan(leader, *pid));
        known.chain(orphans).collect()
    }

    /// The children of whoever orphans fall to: us, or the first process of the namespace.
    pub(super) fn children(&self) -> Vec<u32> {
        match self.init {
            Some(init) => orphans::children_of(init),
            None => orphans::children_of_ours(),
        }
    }

    /// [`Self::children`] without those that have ended.
    pub(super) fn living_children(&self) -> Vec<u32> {
        match self.init {
            // That one takes all statuses at once.
            Some(init) => orphans::children_of(init),
            None => orphans::living_children_of_ours(),
        }
    }

    /// Whether a child of ours that carries no marks belongs to this slot: because it is in the
    /// task's session, or because there is nothing else that it could belong to.
    pub(super) fn owns_orphan(&self, leader: u32, pid: u32) -> bool {
        if self.leaders().any(|leader| leader == pid) {
            return false;
        }
        match orphans::session(pid) {
            Some(session) if session == leader => true,
            Some(session) => {
                let ours = orphans::own_session();
                self.exclusive
                    && session != ours
                    && self.leaders().count() == 1
                    && !self.leaders().any(|leader| leader == session)
            }
            None => false,
        }
    }

    /// Children of ours that fell to us from tasks; those that have ended are gone afterwards.
    pub(super) fn strays(&self) -> Vec<u32> {
        if !self.exclusive {
            return Vec::new();
        }
        let mut children = self.children();
        children.retain(|pid| {
            !self.leaders().any(|leader| leader == *pid) && orphans::is_living(*pid, true)
        });
        children
    }

    /// Whether something has fallen to us that may be a task's and isn't known yet: the search
    /// was over before its parent ended, or it is becoming another program and shows no
    /// environment for a moment. The next search knows it; what stays unknown is none of ours.
    pub(super) fn has_newcomers(&mut self) -> bool {
        let mut unknown = self.living_children();
        unknown.retain(|pid| !self.leaders().any(|leader| leader == *pid));
        if !unknown.is_empty() {
            let known: BTreeSet<u32> = self
                .leaders()
                .flat_map(|leader| self.table.processes_of(leader))
                .map(|process| process.pid)
                .collect();
            unknown.retain(|pid| !known.contains(pid) && orphans::may_be_a_tasks(*pid));
        }
        let now = Instant::now();
        let before = std::mem::take(&mut self.unknown);
        self.unknown = unknown
            .into_iter()
            .map(|pid| (pid, before.get(&pid).copied().unwrap_or(now)))
            .collect();
        self.unknown.values().any(|since| now - *since < NEWCOMER)
    }

    /// Signals all of a slot until no newcomers are found.
    pub(super) fn signal_all(&mut self, leader: u32, signal: Signal) -> io::Result<()> {
        // First the group that most tasks never leave: a storm changes faster than it can be
        // searched. As long as the leader is our child, its number is nobody else's.
        if orphans::is_child(leader) {
            signal_each(&[leader], signal);
        }
        let mut seen = BTreeSet::new();
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let members = self.members(leader);
            let new: Vec<u32> = members.difference(&seen).copied().collect();
            // Twice, as a process that is just being born or becoming another program isn't
            // known by its parent or its marks for a moment.
            quiet = if new.is_empty() { quiet + 1 } else { 0 };
            if quiet == 2 {
                break;
            }
            signal_each(&new, signal);
            seen.extend(new);
            self.search()?;
        }
        Ok(())
    }
}

/// Signals processes and the process groups that they are in: a group gets it in one moment, so
/// that nothing in it can fork away meanwhile.
///
/// Every task leads a session of its own, so that a group which one of its descendants is in
/// holds nothing else; except for our own, should somebody have moved us.
pub(super) fn signal_each(pids: &[u32], signal: Signal) {
    let own = orphans::Membership::of("self").map(|own| own.group);
    let mut groups = BTreeSet::new();
    for &pid in pids {
        let group = orphans::Membership::of(&pid.to_string()).map(|of| of.group);
        if let Some(group) = group
            && Some(group) != own
            && group > 1
            && groups.insert(group)
            && let Some(group) = orphans::to_pid(group)
        {
            let _ = kill_process_group(group, signal);
        }
        // That it is gone is no failure.
        if let Some(pid) = orphans::to_pid(pid) {
            let _ = kill_process(pid, signal);
        }
    }
}
