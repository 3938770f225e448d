//! Memory of programs that sleep, sent to swap.

use std::collections::BTreeMap;
use std::time::Duration;

use super::advise::{page_out, probe};
use super::{About, Figure, Outcome, Prospect, Step, Taken};
use crate::bytes::show;
use crate::census::{Census, Process};
use crate::holders::sanitised;
use crate::machine::Machine;
use crate::process::{ProcessId, proportional_bytes};
use crate::roots::Roots;

/// Smaller processes are not worth the stall of waking them.
const WORTH_BYTES: u64 = 64 << 20;
/// Who used no CPU for so long sleeps.
const LOOK: Duration = Duration::from_millis(500);
/// With more than this share of the machine free, nothing needs the room.
const PLENTY_PERCENT: u64 = 50;

/// Sends the memory of our user's idle processes to swap (`process_madvise` with
/// `MADV_PAGEOUT`, Linux 5.10).
///
/// A process is idle if it used no CPU for half a second, and it must not be of our session. It
/// needs swap with room, CAP_SYS_NICE, and permission to look at the process. Afterwards the
/// programs stall on disk reads when they wake; while memory is plentiful that is all there is
/// to it, so then it is not done unless asked for by name.
#[derive(Debug)]
pub struct PageOut {
    roots: Roots,
    even_if_plenty: bool,
}

/// What would be paged out.
struct Idle {
    id: ProcessId,
    name: String,
    bytes: u64,
}

impl PageOut {
    /// Of the system with these files; `even_if_plenty` while memory is not short as well.
    pub fn new(roots: &Roots, even_if_plenty: bool) -> Self {
        Self {
            roots: roots.clone(),
            even_if_plenty,
        }
    }

    /// What stands in the way for all processes, or the room in swap.
    fn room(&self) -> Result<u64, Outcome> {
        let failed = |error: crate::error::ReadError| Outcome::failed(error.to_string());
        let reading = Machine::open(&self.roots)
            .and_then(|mut machine| machine.read())
            .map_err(failed)?;
        if reading.swap_total_bytes == 0 {
            return Err(Outcome::nothing("no swap"));
        }
        if reading.swap_free_bytes < WORTH_BYTES {
            return Err(Outcome::nothing(format!(
                "only {} of swap are free",
                show(reading.swap_free_bytes)
            )));
        }
        let plenty = reading.limit_bytes() / 100 * PLENTY_PERCENT;
        if reading.room_bytes() > plenty && !self.even_if_plenty {
            return Err(Outcome::nothing(format!(
                "{} can be used: programs would only be slower when they wake",
                show(reading.room_bytes())
            )));
        }
        match probe() {
            Ok(()) => Ok(reading.swap_free_bytes),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                Err(Outcome::not_here("the kernel has no process_madvise"))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    /// Processes that sleep, the largest first, as many as fit into swap.
    fn idle(&self, swap_bytes: u64) -> Result<Vec<Idle>, Outcome> {
        let look = || Census::take(&self.roots).map_err(|error| Outcome::failed(error.to_string()));
        let first = look()?;
        std::thread::sleep(LOOK);
        let second = look()?;
        Ok(choose(&first, &second, swap_bytes))
    }
}

fn refused(error: &std::io::Error) -> Outcome {
    Outcome::refused(
        format!("process_madvise is refused: {error}"),
        "run it as root, or give it CAP_SYS_NICE",
    )
}

fn choose(first: &Census, second: &Census, swap_bytes: u64) -> Vec<Idle> {
    let slept = |process: &&Process| {
        first
            .get(process.id.pid)
            .is_some_and(|before| before.id == process.id && before.cpu_ticks == process.cpu_ticks)
    };
    let above: BTreeMap<u32, ()> = second
        .ancestors(second.own_pid())
        .map(|ancestor| (ancestor.id.pid, ()))
        .collect();
    let mut idle: Vec<Idle> = second
        .processes()
        .filter(|process| process.user == second.own_user() && process.rss_bytes >= WORTH_BYTES)
        .filter(|process| !second.is_of_our_session(process.id.pid))
        .filter(|process| process.id.pid != 1 && !above.contains_key(&process.id.pid))
        .filter(slept)
        .map(|process| Idle {
            id: process.id,
            name: sanitised(process.called()),
            bytes: process.rss_bytes,
        })
        .collect();
    idle.sort_by_key(|process| std::cmp::Reverse(process.bytes));
    let mut left = swap_bytes;
    idle.retain(|process| match left.checked_sub(process.bytes) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    });
    idle
}

impl Step for PageOut {
    fn name(&self) -> &'static str {
        "page-out"
    }

    fn about(&self) -> About {
        About {
            does: "sends the memory of idle programs of ours to swap",
            needs: "swap with room, and CAP_SYS_NICE",
            costs: "the programs stall on reads from swap when they wake",
            figure: Figure::Held,
        }
    }

    fn look(&mut self) -> Prospect {
        let idle = match self.room().and_then(|room| self.idle(room)) {
            Ok(idle) if idle.is_empty() => {
                return Prospect::none(Outcome::nothing("no large program of ours is idle"));
            }
            Ok(idle) => idle,
            Err(outcome) => return Prospect::none(outcome),
        };
        Prospect {
            acts: idle
                .iter()
                .map(|process| format!("page out {} ({})", process.name, process.id.pid))
                .collect(),
            at_most_bytes: Some(idle.iter().map(|process| process.bytes).sum()),
            hindrance: None,
        }
    }

    fn take(&mut self) -> Taken {
        let idle = match self.room().and_then(|room| self.idle(room)) {
            Ok(idle) if idle.is_empty() => {
                return Taken::not(Outcome::nothing("no large program of ours is idle"));
            }
            Ok(idle) => idle,
            Err(outcome) => return Taken::not(outcome),
        };
        let held = |id: ProcessId| {
            proportional_bytes(&self.roots.proc, id.pid)
                .ok()
                .flatten()
                .unwrap_or(0)
        };
        let before = idle.iter().map(|process| held(process.id)).sum();
        let mut acts = Vec::new();
        let mut outcome = Outcome::nothing("the idle programs are gone");
        for process in &idle {
            match page_out(process.id, &self.roots) {
                Ok(bytes) => {
                    outcome = Outcome::Done;
                    acts.push(format!(
                        "asked for {} of {} ({}) to be paged out",
                        show(bytes),
                        process.name,
                        process.id.pid
                    ));
                }
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    if acts.is_empty() {
                        outcome = refused(&error);
                    }
                }
                Err(error) => acts.push(format!("{} ({}): {error}", process.name, process.id.pid)),
            }
        }
        Taken {
            outcome,
            acts,
            before_bytes: Some(before),
            after_bytes: Some(idle.iter().map(|process| held(process.id)).sum()),
        }
    }
}
