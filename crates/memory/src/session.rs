//! What the session that we were called from holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ReadError;
use crate::process::{Stat, Statm, all_pids, proportional_bytes};
use crate::roots::Roots;

/// Up to so many processes each is asked for its proportional memory, about 0.1 to 1 ms apiece;
/// beyond it their resident memory is summed.
pub(crate) const PROPORTIONAL_UP_TO: usize = 256;

/// What the processes of a session hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionUse {
    /// The memory that they hold. Pages that several of them share count once, except for
    /// [`by_resident`](Self::by_resident) of them.
    pub bytes: u64,
    /// How many they are.
    pub processes: usize,
    /// How many of them are in the sum with all of their resident memory, what they share
    /// included: because they belong to another user, or because there are too many.
    pub by_resident: usize,
}

/// What the processes of our session, and all of their descendants in whatever session, hold
/// together.
///
/// It looks at every process of the system: 1 ms for every 100 of them, and a tenth to a whole
/// millisecond for each that belongs to the session.
///
/// # Errors
/// When processes can't be read. One that ends meanwhile is simply not counted.
pub fn session_use(roots: &Roots) -> Result<SessionUse, ReadError> {
    let mut relations = BTreeMap::new();
    for pid in all_pids(&roots.proc)? {
        if let Some(stat) = Stat::read(&roots.proc, pid)? {
            relations.insert(pid, (stat.parent, stat.session));
        }
    }
    use_of(roots, &members(&relations, own_session(roots)?))
}

/// What these processes hold together.
pub(crate) fn use_of(roots: &Roots, members: &BTreeSet<u32>) -> Result<SessionUse, ReadError> {
    let proportional = members.len() <= PROPORTIONAL_UP_TO;
    let page = rustix::param::page_size() as u64;
    let mut sum = SessionUse::default();
    for &pid in members {
        let share = match proportional.then(|| proportional_bytes(&roots.proc, pid)) {
            Some(Ok(share)) => share,
            // Another user's process: resident memory is for everybody to see.
            Some(Err(error)) if error.is_refused() => None,
            Some(Err(error)) => return Err(error),
            None => None,
        };
        if let Some(bytes) = share {
            sum.bytes = sum.bytes.saturating_add(bytes);
            sum.processes += 1;
        } else if let Some(statm) = Statm::read(&roots.proc, pid)? {
            sum.bytes = sum
                .bytes
                .saturating_add(statm.resident.saturating_mul(page));
            sum.processes += 1;
            // What is ending has no memory left, and nothing that could be counted twice.
            sum.by_resident += usize::from(statm.resident > 0);
        }
    }
    Ok(sum)
}

/// [`session_use`] in bytes.
///
/// # Errors
/// As there.
pub fn session_use_bytes(roots: &Roots) -> Result<u64, ReadError> {
    session_use(roots).map(|sum| sum.bytes)
}

/// Those of a session and all of their descendants, by each one's parent and session.
///
/// Where the session is 0, which nobody leads, PID 1 is in it as well as all that it has started
/// without a session of their own. It is left out: all orphans of the system are its children,
/// and they are nobody's descendants in truth.
pub(crate) fn members(relations: &BTreeMap<u32, (u32, u32)>, own: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (&pid, &(parent, _)) in relations {
        children.entry(parent).or_default().push(pid);
    }
    let mut members = BTreeSet::new();
    let mut queue: Vec<u32> = relations
        .iter()
        .filter(|&(&pid, &(_, session))| session == own && !(own == 0 && pid == 1))
        .map(|(&pid, _)| pid)
        .collect();
    while let Some(pid) = queue.pop() {
        if members.insert(pid) {
            queue.extend(children.get(&pid).into_iter().flatten());
        }
    }
    members
}

/// Read as all others are. In a PID namespace a session that began outside of it is 0; then all
/// that came in the same way count as ours.
pub(crate) fn own_session(roots: &Roots) -> Result<u32, ReadError> {
    let link = roots.proc.join("self");
    let own = std::fs::read_link(&link).map_err(|cause| ReadError::Io {
        path: link.clone(),
        cause,
    })?;
    let pid = own.to_str().and_then(|pid| pid.parse().ok());
    let stat = match pid {
        Some(pid) => Stat::read(&roots.proc, pid)?,
        None => None,
    };
    stat.map(|stat| stat.session).ok_or(ReadError::Missing {
        path: link,
        field: "process of our own",
    })
}

#[cfg(test)]
mod tests {
    use super::members;

    #[test]
    fn orphans_are_of_no_session_that_nobody_leads() {
        // By process: its parent and its session.
        let relations = [
            (1, (0, 0)),
            (20, (1, 0)),
            (21, (20, 21)),
            // Orphans, of whom one never had a session of its own.
            (30, (1, 29)),
            (31, (1, 0)),
        ]
        .into();
        assert!(members(&relations, 0).into_iter().eq([20, 21, 31]));
        // Where PID 1 leads a session, as in most containers, all descend from it.
        let relations = [(1, (0, 1)), (20, (1, 1)), (30, (1, 29))].into();
        assert!(members(&relations, 1).into_iter().eq([1, 20, 30]));
    }
}
