//! The figures of the brake.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// How the brake is tuned. The figures were found by measuring real processes in groups of
/// cgroup v1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BrakeParams {
    /// Distance of the threshold below the limit while growth is smooth.
    pub(crate) margin_bytes: u64,
    /// The same once a burst was seen.
    pub(crate) burst_margin_bytes: u64,
    /// Below this distance to the limit everything is held, not only what grew lately.
    pub(crate) last_bytes: u64,
    /// A task counts as growing for so long after it grew.
    pub(crate) growth_memory: Duration,
    /// Growth of less than this between two readings is noise.
    pub(crate) noise_bytes: u64,
    /// A probe that grew by so much is over.
    pub(crate) probe_bytes: u64,
    /// A probe that didn't grow for so long has shown that the task no longer grows.
    pub(crate) probe_time: Duration,
    /// Time between two probes.
    pub(crate) probe_every: Duration,
    /// First and last wait before the same task is probed again.
    pub(crate) backoff: (Duration, Duration),
    /// How far ahead a task's growth must fit before it is let go.
    pub(crate) horizon: Duration,
    /// What must be free beside that growth.
    pub(crate) thaw_bytes: u64,
}

impl BrakeParams {
    /// The figures for a driver with or without a hard limit.
    pub(crate) fn of_tier(hard_limit: bool) -> Self {
        if hard_limit {
            Self::hard_limit()
        } else {
            Self::sampled()
        }
    }

    /// For groups with a hard limit above the threshold, which catches what the brake misses.
    pub(super) fn hard_limit() -> Self {
        Self {
            margin_bytes: 8 * MIB,
            burst_margin_bytes: 24 * MIB,
            last_bytes: 3 * MIB,
            growth_memory: Duration::from_millis(45),
            noise_bytes: 64 * 1024,
            probe_bytes: MIB / 4,
            probe_time: Duration::from_millis(20),
            probe_every: Duration::from_millis(10),
            backoff: (Duration::from_millis(40), Duration::from_millis(640)),
            horizon: Duration::from_millis(10),
            thaw_bytes: MIB / 2,
        }
    }

    /// For process trees: nothing catches what is missed, and a stop takes up to 12 ms.
    fn sampled() -> Self {
        Self {
            margin_bytes: 24 * MIB,
            burst_margin_bytes: 40 * MIB,
            last_bytes: 12 * MIB,
            ..Self::hard_limit()
        }
    }
}
