//! Waiting until memory has dropped, without blocking a thread meanwhile.

use std::time::Duration;

use saferun_memory::{Look, WaitError, Watch, memory_usage};
use tokio::time::{Instant, sleep};

/// Waits until our session holds no more than the threshold, and says what it holds then; at
/// most for so long. Each look takes some milliseconds, in which other tasks of the same thread
/// stand still; pauses between looks grow from 25 to 500 ms.
///
/// Needs a tokio runtime with time enabled; [`saferun_memory::wait_until_memory_below`] is the
/// same for programs without.
///
/// # Errors
/// When the time is up first, or when memory can't be read.
///
/// # Cancel safety
/// Dropped, it has done nothing.
pub async fn wait_until_memory_below(
    threshold_bytes: u64,
    at_most: Duration,
) -> Result<u64, WaitError> {
    let begin = Instant::now();
    let mut watch = Watch::new(threshold_bytes, at_most);
    loop {
        let used_bytes = memory_usage().map_err(WaitError::Read)?.session_bytes;
        match watch.look(used_bytes, begin.elapsed())? {
            Look::Low => return Ok(used_bytes),
            Look::Again(pause) => sleep(pause).await,
        }
    }
}
