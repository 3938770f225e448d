//! What is said and done after an agent has ended, by what the session holds by then.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use saferun_memory::leftovers::{end_leftover, find_leftovers};
use saferun_memory::{Census, Roots, clean_up, show};

use crate::artifacts::VARIABLE;

/// Memory is looked at after so many agents,
const CHECKED_EVERY: u64 = 5;
/// and after so many a restart is advised.
const MANY_AGENTS: u64 = 10;
/// Above so much a restart soon is better.
const SOON_BYTES: u64 = 4 << 30;
/// Above so much it is better now.
const NOW_BYTES: u64 = 6 << 30;
/// How long what is ended may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// What follows from how much the session holds and how many agents have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nothing to say.
    Silent,
    /// All is well, and it is time to say so.
    Fine,
    /// Restart what stays alive at the next occasion: it holds so much.
    SoonForMemory,
    /// The same: so many agents have ended.
    SoonForAgents,
    /// Restart it now.
    Now,
}

/// The advice after this many agents; `told` is the last one that was given for memory, so that
/// it isn't repeated after each agent.
pub(crate) fn advice(agents: u64, session_bytes: u64, told: Option<Advice>) -> Advice {
    let is_due = agents.is_multiple_of(CHECKED_EVERY);
    let of_memory = if session_bytes > NOW_BYTES {
        Some(Advice::Now)
    } else if session_bytes > SOON_BYTES {
        Some(Advice::SoonForMemory)
    } else {
        None
    };
    match of_memory {
        Some(advice) if is_due || told != Some(advice) => advice,
        Some(_) => Advice::Silent,
        None if agents > 0 && agents.is_multiple_of(MANY_AGENTS) => Advice::SoonForAgents,
        None if agents > 0 && is_due => Advice::Fine,
        None => Advice::Silent,
    }
}

impl Advice {
    /// In a line.
    fn text(self, agents: u64, session_bytes: u64) -> Option<String> {
        let held = show(session_bytes);
        Some(match self {
            Self::Silent => return None,
            Self::Fine => format!("after {agents} agents this session holds {held}: fine"),
            Self::SoonForMemory => {
                format!("restart this session soon: it holds {held}, more than 4 GiB")
            }
            Self::SoonForAgents => {
                format!(
                    "restart this session soon: {agents} agents have worked in it; it holds {held}"
                )
            }
            Self::Now => format!("restart this session now: it holds {held}, more than 6 GiB"),
        })
    }

    fn asks_for_restart(self) -> bool {
        matches!(self, Self::SoonForMemory | Self::SoonForAgents | Self::Now)
    }
}

/// Counts agents, cleans up after each, and gives advice.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// Whose leftovers are ended: those of agents with a folder below this one.
    recycle: Option<PathBuf>,
    agents: u64,
    told: Option<Advice>,
}

impl Checkpoints {
    /// With `recycle`, what agents whose folders lie there have left alive is ended where a
    /// restart is advised.
    pub(crate) fn new(recycle: Option<PathBuf>) -> Self {
        Self {
            recycle,
            agents: 0,
            told: None,
        }
    }

    /// An agent has ended: what is to be said about it.
    pub(crate) fn after_agent(&mut self) -> Vec<String> {
        self.agents += 1;
        let Ok(cleaned) = clean_up(|| {}) else {
            return vec![
                "what this session holds can't be read; see saferun status --why".to_owned(),
            ];
        };
        let given = advice(self.agents, cleaned.after_bytes, self.told);
        if matches!(given, Advice::SoonForMemory | Advice::Now) {
            self.told = Some(given);
        }
        let mut said: Vec<String> = given
            .text(self.agents, cleaned.after_bytes)
            .into_iter()
            .collect();
        if given.asks_for_restart() {
            if let Some(store) = &self.recycle {
                said.push(recycle(store));
            } else {
                said.push(
                    "--recycle ends what earlier agents have left alive; memory-cleanup shows it"
                        .to_owned(),
                );
            }
        }
        said
    }
}

/// Ends what agents of this store have left, whose work is over. What others have left is theirs
/// to end.
fn recycle(store: &Path) -> String {
    let roots = Roots::default();
    let Ok(census) = Census::take(&roots) else {
        return "nothing was recycled: processes can't be read".to_owned();
    };
    let mut found = find_leftovers(&census, &[], &roots).found;
    found.retain(|leftover| {
        leftover
            .members
            .iter()
            .any(|member| is_of(member.pid, store))
    });
    if found.is_empty() {
        return "nothing is left alive of work that is over".to_owned();
    }
    let mut bytes = 0_u64;
    for leftover in &found {
        bytes = bytes.saturating_add(leftover.held_bytes(&roots));
        end_leftover(leftover, &[], GRACE, &roots);
    }
    format!(
        "recycled {} that earlier work left alive, with {}",
        processes(found.len()),
        show(bytes)
    )
}

/// Whether a process has the folder of an agent of this store in its environment.
fn is_of(pid: u32, store: &Path) -> bool {
    // Who can't be read is not ours.
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let folder = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(VARIABLE.as_bytes())?.strip_prefix(b"="));
    folder.is_some_and(|folder| Path::new(OsStr::from_bytes(folder)).starts_with(store))
}

fn processes(count: usize) -> String {
    match count {
        1 => "a process".to_owned(),
        count => format!("{count} processes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn every_five_agents_at_ten_above_four_and_never_past_six() {
        let mut told = None;
        let said: Vec<Advice> = (1..=10).map(|agents| advice(agents, GIB, None)).collect();
        let expected = |place: u64| match place {
            5 => Advice::Fine,
            10 => Advice::SoonForAgents,
            _ => Advice::Silent,
        };
        assert_eq!(said, (1..=10).map(expected).collect::<Vec<_>>());
        let mut give = |agents, bytes| {
            let given = advice(agents, bytes, told);
            told = Some(given)
                .filter(|given| *given != Advice::Silent)
                .or(told);
            given
        };
        assert_eq!(give(1, 4 * GIB), Advice::Silent);
        assert_eq!(give(2, 4 * GIB + 1), Advice::SoonForMemory);
        // Said once, and again when memory is looked at.
        assert_eq!(give(3, 5 * GIB), Advice::Silent);
        assert_eq!(give(5, 5 * GIB), Advice::SoonForMemory);
        assert_eq!(give(6, 6 * GIB + 1), Advice::Now);
        assert_eq!(give(7, 7 * GIB), Advice::Silent);
    }
}
