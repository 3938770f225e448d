//! One running attempt: what was observed of it, and what follows for its growth.

use crate::action::EndCause;
use crate::curve::Record;
use crate::event::TaskReading;
use crate::hint::Hint;
use crate::queue::{Past, Waiting};
use crate::task::TaskSpec;
use crate::tuning::{
    ENDING_COST, NOISE_BYTES, NOISE_SHARE, PENALTY, QUIET_SECONDS, QUIET_SHARE, SLOPE_SECONDS,
    TIME_COST,
};

/// What an active attempt is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State {
    /// It runs, or the driver's brake holds it.
    Running,
    /// The scheduler has stopped it in place.
    Frozen,
    /// It was told to end and has not exited yet.
    Ending(EndCause),
}

/// An active attempt. Bytes and seconds are kept as floating point: they feed estimates.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) spec: TaskSpec,
    pub(crate) past: Past,
    pub(crate) arrival: u64,
    pub(crate) alone: bool,
    pub(crate) state: State,
    /// The peak that was expected of it when it started, if anything was known.
    pub(crate) expected: Option<f64>,
    /// When it was last observed, in seconds of the run.
    observed: f64,
    /// Its own run time in seconds; time spent frozen does not count.
    pub(crate) work: f64,
    /// Byte-seconds used so far: what an ending would throw away.
    pub(crate) area: f64,
    pub(crate) use_bytes: f64,
    /// Bytes per second, averaged over [`SLOPE_SECONDS`].
    pub(crate) slope: f64,
    /// The highest use.
    pub(crate) seen: f64,
    /// The use that later growth is measured from.
    mark: f64,
    /// Its own run time when it last grew.
    grown_at: f64,
    pub(crate) at_wall: bool,
    pub(crate) busy_cores: f64,
    pub(crate) record: Record,
    /// What it needs within the horizon, and whether there was room for it, at the last look.
    pub(crate) need: f64,
    pub(crate) stalled: bool,
}

impl Attempt {
    /// A new attempt of a task that waited.
    pub(crate) fn start(waiting: Waiting, expected: Option<f64>, now: f64) -> Self {
        let Waiting {
            spec,
            mut past,
            arrival,
            alone,
            ..
        } = waiting;
        past.attempts = past.attempts.saturating_add(1);
        Self {
            spec,
            past,
            arrival,
            alone,
            state: State::Running,
            expected,
            observed: now,
            work: 0.0,
            area: 0.0,
            use_bytes: 0.0,
            slope: 0.0,
            seen: 0.0,
            mark: 0.0,
            grown_at: 0.0,
            at_wall: false,
            busy_cores: 1.0,
            record: Record::new(),
            need: 0.0,
            stalled: false,
        }
    }

    /// Lets the time since the last observation pass.
    pub(crate) fn pass(&mut self, now: f64) -> f64 {
        let passed = (now - self.observed).max(0.0);
        self.observed = now;
        self.area += self.use_bytes * passed;
        if self.state != State::Frozen {
            self.work += passed;
        }
        passed
    }

    /// Takes in one reading.
    pub(crate) fn observe(&mut self, reading: &TaskReading, now: f64) {
        let passed = self.pass(now);
        let bytes = bytes(reading.use_bytes);
        if passed > 0.0 {
            let slope = (bytes - self.use_bytes) / passed;
            self.slope += (slope - self.slope) * passed / (passed + SLOPE_SECONDS);
        }
        self.use_bytes = bytes;
        self.seen = self.seen.max(bytes);
        if reading.at_wall {
            // What is held back can't show growth.
            self.grown_at = self.work;
        }
        if bytes > self.mark + NOISE_BYTES.max(NOISE_SHARE * self.mark) {
            self.mark = bytes;
            self.grown_at = self.work;
        }
        self.at_wall = reading.at_wall;
        self.busy_cores = if reading.busy_cores.is_finite() {
            reading.busy_cores.clamp(0.0, 1e6)
        } else {
            1.0
        };
        self.record.note(self.work, bytes);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.state == State::Frozen
    }

    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending(_))
    }

    /// Whether it has shown no growth for so long that its peak seems reached. What is held back
    /// can't show growth.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.at_wall
            && !self.is_frozen()
            && self.work - self.grown_at > QUIET_SECONDS.max(QUIET_SHARE * self.work)
    }

    /// Its own run time since it last grew, in seconds.
    pub(crate) fn quiet_seconds(&self) -> f64 {
        self.work - self.grown_at
    }

    /// How dear every earlier ending has made another one.
    pub(crate) fn penalty(&self) -> f64 {
        PENALTY.powi(self.past.endings.min(64) as i32)
    }

    /// The byte-seconds that ending it costs: what it has used, a start, and its time.
    pub(crate) fn cost(&self, budget: f64, mean_peak: f64) -> f64 {
        let lost = self.area + ENDING_COST * budget + TIME_COST * mean_peak * self.work;
        lost * self.penalty()
    }

    /// Its use so far over its own run time, as a hint tells it.
    pub(crate) fn curve(&self) -> Option<[u8; Hint::STEPS]> {
        if self.seen <= 0.0 || self.work <= 0.0 {
            return None;
        }
        let curve = self.record.curve(self.work, self.seen);
        let step = |step: usize| {
            let from = step as f64 / Hint::STEPS as f64;
            curve.most(from, (step + 1) as f64 / Hint::STEPS as f64 - 1e-9)
        };
        Some(std::array::from_fn(|at| (255.0 * step(at)).round() as u8))
    }

    /// Back to the queue.
    pub(crate) fn into_waiting(self, exits: u64, held_until: u64) -> Waiting {
        let mut past = self.past;
        past.reached = past.reached.max(self.seen);
        Waiting {
            spec: self.spec,
            past,
            arrival: self.arrival,
            held_until,
            waiting_since: exits,
            alone: self.alone,
        }
    }
}

/// Bytes for estimates. Above 2^60 nothing is told apart, so that sums stay far from overflow.
pub(crate) fn bytes(value: u64) -> f64 {
    value.min(1 << 60) as f64
}
