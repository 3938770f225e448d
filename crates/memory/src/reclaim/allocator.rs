//! Free memory that our own allocator keeps.

use super::malloc::{HeapUse, own_heap, trim};
use super::{About, Figure, Outcome, Prospect, Step, Taken};

/// Gives pages that our own allocator keeps for later back to the system.
///
/// It concerns the process that calls it, and no other: nobody can make another program's
/// allocator do this. It needs no permission and takes about a millisecond for each GiB of heap.
/// Afterwards memory that is wanted again costs page faults.
#[derive(Debug, Default)]
pub struct Allocator;

impl Step for Allocator {
    fn name(&self) -> &'static str {
        "allocator"
    }

    fn about(&self) -> About {
        About {
            does: "gives back what our own allocator keeps unused",
            needs: "nothing",
            costs: "page faults when we want the memory again",
            figure: Figure::Held,
        }
    }

    fn look(&mut self) -> Prospect {
        match own_heap() {
            None => Prospect::none(missing()),
            Some(heap) => Prospect {
                acts: vec!["return free pages of our own heap (malloc_trim)".to_owned()],
                at_most_bytes: Some(unused(heap)),
                hindrance: None,
            },
        }
    }

    fn take(&mut self) -> Taken {
        let before = resident();
        match give_back_free_memory() {
            None => Taken::not(missing()),
            Some(any) => {
                let after = resident();
                let outcome = if any {
                    Outcome::Done
                } else {
                    Outcome::nothing("our own heap has no free pages")
                };
                Taken {
                    outcome,
                    acts: vec!["returned free pages of our own heap".to_owned()],
                    before_bytes: before,
                    after_bytes: after,
                }
            }
        }
    }
}

/// Gives the free pages that this process's allocator keeps back to the system. Whether there
/// were any; `None` where the allocator can't (only glibc can).
///
/// Values that were dropped go to the allocator, which may keep their pages: call this after
/// dropping much. It takes no permission, about a millisecond for each GiB of heap, and may be
/// called from any thread.
pub fn give_back_free_memory() -> Option<bool> {
    trim()
}

fn missing() -> Outcome {
    Outcome::not_here("the allocator of this build can't be asked to give memory back")
}

fn unused(heap: HeapUse) -> u64 {
    heap.total_bytes.saturating_sub(heap.used_bytes)
}

/// What this process holds; `None` where it can't be read.
#[cfg(unix)]
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(not(unix))]
fn resident() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn small_pieces_that_were_dropped_are_given_back() {
        // Too small to be mapped each by itself; the last one, kept, pins the heap's end.
        let mut pieces: Vec<Box<[u8]>> = (0..16_000)
            .map(|_| vec![1_u8; 4000].into_boxed_slice())
            .collect();
        let pin = vec![1_u8; 4000].into_boxed_slice();
        pieces.clear();
        let heap = own_heap().expect("glibc tells");
        assert!(unused(heap) > 32 << 20, "{heap:?}");
        let taken = Allocator.take();
        assert_eq!(taken.outcome, Outcome::Done);
        assert!(taken.gained_bytes() > 32 << 20, "{taken:?}");
        assert_eq!(pin.len(), 4000);
    }
}
