//! What earlier runs say of a task before it is started.

use std::time::Duration;

/// The need that is expected of one task. It may be wrong: what runs is watched, and an attempt
/// that outgrows its hint is treated as one of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// The peak in bytes.
    pub peak_bytes: u64,
    /// How long it runs.
    pub duration: Duration,
    /// The highest use in each sixteenth of its duration, in 255ths of the peak.
    pub curve: [u8; Hint::STEPS],
}

impl Hint {
    /// Steps of a curve.
    pub const STEPS: usize = 16;
    /// The peak all the time: the curve of a task whose course is not known.
    pub const FLAT: [u8; Self::STEPS] = [u8::MAX; Self::STEPS];
}
