//! Waiting until memory has dropped.

use std::thread;
use std::time::{Duration, Instant};

use crate::bytes::show;
use crate::error::ReadError;
use crate::usage::memory_usage;

/// The first pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// Looking costs a millisecond or more, and what waits for memory can wait half a second for the
/// news.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Why waiting ended without memory having dropped.
#[derive(Debug, thiserror::Error)]
pub enum WaitError<E = ReadError> {
    /// The time was up.
    #[error(
        "{} are still in use after {waited:?}, more than {}",
        show(*used_bytes),
        show(*threshold_bytes)
    )]
    Late {
        /// What was in use at the last look.
        used_bytes: u64,
        /// What it was to drop to.
        threshold_bytes: u64,
        /// How long it was waited.
        waited: Duration,
    },
    /// Memory could not be read, so nobody can say whether it has dropped.
    #[error(transparent)]
    Read(E),
}

/// Blocks until our session holds no more than the threshold, and says what it holds then; at
/// most for so long.
///
/// ```no_run
/// use std::time::Duration;
/// use saferun_memory::wait_until_memory_below;
///
/// wait_until_memory_below(4 << 30, Duration::from_secs(30))?;
/// # Ok::<(), saferun_memory::WaitError>(())
/// ```
///
/// # Errors
/// When the time is up first, or when memory can't be read.
pub fn wait_until_memory_below(threshold_bytes: u64, at_most: Duration) -> Result<u64, WaitError> {
    let begin = Instant::now();
    let mut watch = Watch::new(threshold_bytes, at_most);
    loop {
        let used_bytes = memory_usage().map_err(WaitError::Read)?.session_bytes;
        match watch.look(used_bytes, begin.elapsed())? {
            Look::Low => return Ok(used_bytes),
            Look::Again(pause) => thread::sleep(pause),
        }
    }
}

/// What to do after a look at memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It has dropped.
    Low,
    /// Look again after so long.
    Again(Duration),
}

/// Decides when to look again and when to end waiting. It reads nothing and never sleeps, so
/// that any runtime and any test can drive it.
///
/// ```
/// use std::time::Duration;
/// use saferun_memory::{Look, Watch};
///
/// let mut watch = Watch::new(100, Duration::from_secs(1));
/// assert!(matches!(watch.look::<()>(101, Duration::ZERO), Ok(Look::Again(_))));
/// assert!(matches!(watch.look::<()>(100, Duration::from_millis(25)), Ok(Look::Low)));
/// ```
#[derive(Debug, Clone)]
pub struct Watch {
    threshold_bytes: u64,
    at_most: Duration,
    pause: Duration,
}

impl Watch {
    /// Waits until no more than the threshold is in use, at most for so long.
    pub fn new(threshold_bytes: u64, at_most: Duration) -> Self {
        Self {
            threshold_bytes,
            at_most,
            pause: FIRST_PAUSE,
        }
    }

    /// What follows from a look at memory, so long after the start. Pauses grow, and the last one
    /// ends with the time, so that there is a look at its very end.
    ///
    /// # Errors
    /// The time is up.
    pub fn look<E>(&mut self, used_bytes: u64, waited: Duration) -> Result<Look, WaitError<E>> {
        if used_bytes <= self.threshold_bytes {
            return Ok(Look::Low);
        }
        let left = self.at_most.saturating_sub(waited);
        if left.is_zero() {
            return Err(WaitError::Late {
                used_bytes,
                threshold_bytes: self.threshold_bytes,
                waited,
            });
        }
        let pause = self.pause.min(left);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(Look::Again(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_the_last_ends_with_the_time() {
        let mut watch = Watch::new(10, Duration::from_secs(2));
        let mut now = Duration::ZERO;
        let mut pauses = Vec::new();
        let end = loop {
            match watch.look::<ReadError>(11, now) {
                Ok(Look::Again(pause)) => {
                    pauses.push(pause.as_millis());
                    now += pause;
                }
                Ok(Look::Low) => unreachable!("11 is more than 10"),
                Err(error) => break error,
            }
        };
        assert_eq!(pauses, [25, 50, 100, 200, 400, 500, 500, 225]);
        assert_eq!(
            end.to_string(),
            "11 B are still in use after 2s, more than 10 B"
        );
    }

    #[test]
    fn without_time_there_is_one_look() {
        let mut watch = Watch::new(10, Duration::ZERO);
        assert!(matches!(
            watch.look::<()>(10, Duration::ZERO),
            Ok(Look::Low)
        ));
        assert!(watch.look::<()>(11, Duration::ZERO).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn on_the_real_session() {
        let short = Duration::from_millis(30);
        assert!(wait_until_memory_below(u64::MAX, short).is_ok());
        assert!(matches!(
            wait_until_memory_below(0, short),
            Err(WaitError::Late { .. })
        ));
    }
}
