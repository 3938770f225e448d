//! When to look again: soon where memory could run out soon, seldom where it can't.

use std::sync::OnceLock;
use std::time::Duration;

/// How fast one thread takes memory at worst with ordinary pages of 4 KiB, in bytes per second.
///
/// Measured on a virtual machine with kernel 6.18: 1.3 to 3 MiB per millisecond for a thread
/// that touches fresh pages and does nothing else. Huge pages are ten times as fast (21 to
/// 31 MiB/ms by two threads): no reader that looks every 2 ms can promise anything there, and
/// only a limit of the kernel's helps.
pub const WORST_FILL_PER_THREAD: u64 = 3 * 1024 * 1024 * 1000;

/// How long to wait between two readings.
///
/// The idea is that of earlyoom's adaptive sleep: memory is taken at a rate that is bounded by
/// the machine, so from the headroom follows a time in which it can't run out. Half of it is
/// waited, so that there is time to act; the next reading finds at least half of the headroom
/// still there, and halves again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Never wait less than this. A timer is late by more than a millisecond on a busy machine,
    /// so smaller waits cost CPU and see nothing earlier.
    pub shortest: Duration,
    /// The same while nothing grows: at rest a reading of 60 µs must cost less than 1 % of a
    /// core, however small the headroom is.
    pub shortest_at_rest: Duration,
    /// Never wait longer than this: others use the machine too.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(2),
            shortest_at_rest: Duration::from_millis(8),
            longest: Duration::from_secs(1),
        }
    }
}

impl Pace {
    /// How long to wait until the next reading.
    ///
    /// `headroom_bytes` is what is left until something must be done;
    /// `worst_fill_bytes_per_s` how fast it could be filled, see [`worst_fill`]. `growing` says
    /// that use has grown since the last reading, or that something has just been started; if
    /// not, the whole time is waited instead of half of it.
    pub fn next_delay(
        &self,
        headroom_bytes: u64,
        worst_fill_bytes_per_s: u64,
        growing: bool,
    ) -> Duration {
        let shortest = if growing {
            self.shortest
        } else {
            self.shortest_at_rest
        };
        if worst_fill_bytes_per_s == 0 {
            return self.longest.max(shortest);
        }
        let share = if growing { 2 } else { 1 };
        let nanoseconds = u128::from(headroom_bytes) * 1_000_000_000
            / (u128::from(worst_fill_bytes_per_s) * share);
        let delay = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        delay.min(self.longest).max(shortest)
    }
}

/// How fast memory is filled at worst when so many threads take it at once, in bytes per second.
pub fn worst_fill(threads: usize) -> u64 {
    WORST_FILL_PER_THREAD.saturating_mul(u64::try_from(threads).unwrap_or(u64::MAX))
}

/// [`Pace::next_delay`] with the usual pace while something grows on all cores of this machine.
pub fn next_delay(headroom_bytes: u64) -> Duration {
    // Asking for the number of cores reads files of control groups, so it is asked once.
    static CORES: OnceLock<usize> = OnceLock::new();
    let cores = *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from));
    Pace::default().next_delay(headroom_bytes, worst_fill(cores), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn half_of_the_time_that_filling_takes() {
        let pace = Pace::default();
        // 600 MiB at 3 MiB/ms and two threads: full in 102 ms.
        let growing = pace.next_delay(600 * MIB, worst_fill(2), true);
        assert_eq!(growing.as_millis(), 50);
        let resting = pace.next_delay(600 * MIB, worst_fill(2), false);
        assert_eq!(resting.as_millis(), 100);
    }

    #[test]
    fn bounded_on_both_sides() {
        let pace = Pace::default();
        assert_eq!(pace.next_delay(0, worst_fill(1), true), pace.shortest);
        assert_eq!(
            pace.next_delay(0, worst_fill(1), false),
            pace.shortest_at_rest
        );
        assert_eq!(pace.next_delay(u64::MAX, 1, true), pace.longest);
        assert_eq!(pace.next_delay(0, 0, true), pace.longest);
    }

    proptest! {
        #[test]
        fn less_headroom_is_never_looked_at_later(a in any::<u64>(), b in any::<u64>(), fill in any::<u64>(), growing: bool) {
            let pace = Pace::default();
            let delay = |headroom| pace.next_delay(headroom, fill, growing);
            prop_assert!(delay(a.min(b)) <= delay(a.max(b)));
            prop_assert!(delay(a) >= pace.shortest && delay(a) <= pace.longest);
        }

        #[test]
        fn growth_is_never_looked_at_later_than_rest(headroom in any::<u64>(), fill in any::<u64>()) {
            let pace = Pace::default();
            prop_assert!(pace.next_delay(headroom, fill, true) <= pace.next_delay(headroom, fill, false));
        }
    }
}
