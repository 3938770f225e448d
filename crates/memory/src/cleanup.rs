//! Giving memory back between tasks, and saying how much that was.

use crate::error::ReadError;
use crate::reclaim::give_back_free_memory;
use crate::usage::memory_usage;

/// What a cleanup brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanUp {
    /// What was held before.
    pub before_bytes: u64,
    /// What was held afterwards.
    pub after_bytes: u64,
}

/// Calls `release`, which gives back what is no longer needed (drops a cache, asks an allocator
/// to return free pages, ends idle helpers), and says what our session holds before and after.
///
/// What the program can do without only the program knows. What `release` drops goes to the
/// allocator, which may keep the pages: they are given back to the system too, where the
/// allocator can ([`give_back_free_memory`](crate::reclaim::give_back_free_memory)). So
/// `clean_up(|| {})` is a cleanup as well.
///
/// ```no_run
/// use saferun_memory::{clean_up, show};
///
/// let mut cache = vec![1_u8; 64 << 20];
/// let result = clean_up(|| cache = Vec::new())?;
/// println!("freed {}", show(result.freed_bytes()));
/// # Ok::<(), saferun_memory::ReadError>(())
/// ```
///
/// # Errors
/// When memory can't be read. If it can't be read before, nothing is released.
pub fn clean_up(release: impl FnOnce()) -> Result<CleanUp, ReadError> {
    clean_up_measured(|| Ok(memory_usage()?.session_bytes), release)
}

/// [`clean_up`] with a measure of one's own in place of the session's memory.
///
/// # Errors
/// The measure's.
pub fn clean_up_measured<E>(
    mut measure: impl FnMut() -> Result<u64, E>,
    release: impl FnOnce(),
) -> Result<CleanUp, E> {
    let before_bytes = measure()?;
    release();
    give_back_free_memory();
    Ok(CleanUp {
        before_bytes,
        after_bytes: measure()?,
    })
}

impl CleanUp {
    /// How much less is held than before; 0 if others took more meanwhile.
    pub fn freed_bytes(&self) -> u64 {
        self.before_bytes.saturating_sub(self.after_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn cleaned(before: u64, after: u64) -> CleanUp {
        let held = Cell::new(before);
        clean_up_measured(|| Ok::<_, ReadError>(held.get()), || held.set(after)).expect("readable")
    }

    #[test]
    fn what_was_freed_is_the_difference_and_never_less_than_nothing() {
        assert_eq!(cleaned(100, 30).freed_bytes(), 70);
        assert_eq!(cleaned(30, 100).freed_bytes(), 0);
    }

    #[test]
    fn nothing_is_released_on_memory_that_is_unknown() {
        let mut released = false;
        let result = clean_up_measured(|| Err(()), || released = true);
        assert_eq!((result, released), (Err(()), false));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_large_vector_is_seen_to_go() {
        // Large enough to be mapped by itself, so that the allocator returns it at once, and by
        // far larger than what other tests of the session may take meanwhile.
        let mut held = vec![1_u8; 256 << 20];
        let own = || {
            let statm = std::fs::read_to_string("/proc/self/statm")?;
            let pages = statm.split(' ').nth(1).and_then(|text| text.parse().ok());
            Ok::<u64, std::io::Error>(pages.unwrap_or(0) * rustix::param::page_size() as u64)
        };
        let result = clean_up_measured(own, || held = Vec::new()).expect("readable");
        assert!(held.is_empty());
        assert!(result.freed_bytes() > 200 << 20, "{result:?}");
    }
}
