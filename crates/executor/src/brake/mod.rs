//! The brake: holding back growth when use comes near the limit, slot by slot.
//!
//! It decides from readings alone (pure); the run carries its decisions out through
//! [`crate::slot::Slots::freeze`] and [`crate::slot::Slots::thaw`]. Its holds last for
//! milliseconds and are not the scheduler's freezes: the scheduler decides who gets the room in
//! the end, the brake only sees to it that nobody runs into the wall until then.
//!
//! What it had to learn on real processes:
//! - What is held can't show that it has finished growing. So only what grew lately is held, and
//!   above the threshold one held task after the other is let go for a moment (a probe) to see
//!   whether it still grows.
//! - A lone task is never held: it would sleep for ever between threshold and limit.
//! - The champion is held last, and let go first.

mod params;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use self::params::BrakeParams;
use crate::slot::SlotId;

/// One active slot in a reading of the brake.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SlotSample {
    /// Which slot.
    pub(crate) slot: SlotId,
    /// Its use in bytes.
    pub(crate) use_bytes: u64,
    /// Whether it holds the champion.
    pub(crate) champion: bool,
    /// Whether it is frozen by somebody else (the scheduler, Ctrl-Z) or being ended: not ours.
    pub(crate) off_limits: bool,
}

/// What is to be done to one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrakeAction {
    /// Stop it.
    Hold(SlotId),
    /// Let it go on.
    Release(SlotId),
}

#[derive(Debug, Clone)]
struct SlotState {
    last_use: u64,
    grew_at: Option<Duration>,
    slope: f64,
    held: bool,
    backoff: Duration,
    probe_after: Duration,
    probe: Option<Probe>,
    seen: bool,
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    since: Duration,
    from_bytes: u64,
}

/// The brake of one run.
#[derive(Debug)]
pub(crate) struct Brake {
    params: BrakeParams,
    slots: BTreeMap<SlotId, SlotState>,
    last_at: Duration,
    last_used: u64,
    burst: bool,
    next_probe: Duration,
    engaged: bool,
}

impl Brake {
    pub(crate) fn new(params: BrakeParams) -> Self {
        Self {
            params,
            slots: BTreeMap::new(),
            last_at: Duration::ZERO,
            last_used: 0,
            burst: false,
            next_probe: Duration::ZERO,
            engaged: false,
        }
    }

    /// How far below the limit the threshold lies now.
    pub(crate) fn margin_bytes(&self) -> u64 {
        if self.burst {
            self.params.burst_margin_bytes
        } else {
            self.params.margin_bytes
        }
    }

    /// Whether the brake holds anything.
    pub(crate) fn is_holding(&self) -> bool {
        self.slots.values().any(|s| s.held)
    }

    /// Whether the brake holds this slot.
    pub(crate) fn holds(&self, slot: SlotId) -> bool {
        self.slots.get(&slot).is_some_and(|s| s.held)
    }

    /// Forgets a slot whose task has ended or is being ended.
    pub(crate) fn forget(&mut self, slot: SlotId) {
        self.slots.remove(&slot);
    }

    /// Whether this reading began an episode of braking.
    pub(crate) fn is_engaged(&self) -> bool {
        self.engaged
    }

    /// Decides from one reading. `full` says that the hard limit is reached and page faults wait.
    pub(crate) fn on_reading(
        &mut self,
        now: Duration,
        used: u64,
        limit: u64,
        full: bool,
        samples: &[SlotSample],
        actions: &mut Vec<BrakeAction>,
    ) {
        let elapsed = now.saturating_sub(self.last_at).as_secs_f64().max(1e-4);
        self.observe(now, elapsed, samples);
        let rising = used > self.last_used;
        let threshold = limit.saturating_sub(self.margin_bytes());
        if full
            || (used > self.last_used
                && used - self.last_used > self.params.margin_bytes
                && used > threshold)
        {
            self.burst = true;
        }
        self.last_at = now;
        self.last_used = used;

        let ours = samples.iter().filter(|s| !s.off_limits).count();
        if samples.len() <= 1 || ours == 0 {
            // Alone it needs no brake: the wall, or the scheduler's verdict, is what it meets.
            self.release_all(samples, actions);
            self.engaged = false;
            return;
        }
        if used >= threshold || full {
            self.engaged = true;
            self.hold(now, used, limit, full, rising, samples, actions);
            if !full && used + self.params.last_bytes < limit {
                self.probe(now, samples, actions);
            }
        } else {
            self.release_what_fits(threshold - used, samples, actions);
            if actions.is_empty() {
                // So little room that nobody's growth fits: whoever has finished growing, or is
                // the champion, must be found all the same.
                self.probe(now, samples, actions);
            }
            if !self.is_holding() {
                self.engaged = false;
            }
        }
    }

    /// Takes note of growth; ends probes that have shown something.
    fn observe(&mut self, now: Duration, elapsed: f64, samples: &[SlotSample]) {
        for state in self.slots.values_mut() {
            state.seen = false;
        }
        for sample in samples {
            let first_wait = self.params.backoff.0;
            let state = self.slots.entry(sample.slot).or_insert_with(|| SlotState {
                last_use: sample.use_bytes,
                // What has just started is about to grow.
                grew_at: Some(now),
                slope: 0.0,
                held: false,
                backoff: first_wait,
                probe_after: Duration::ZERO,
                probe: None,
                seen: true,
            });
            state.seen = true;
            let grown = sample.use_bytes.saturating_sub(state.last_use);
            if !state.held {
                if grown > self.params.noise_bytes {
                    state.grew_at = Some(now);
                }
                state.slope = 0.7 * state.slope + 0.3 * (grown as f64 / elapsed);
            }
            state.last_use = sample.use_bytes;
        }
        self.slots.retain(|_, s| s.seen);
    }

    #[expect(clippy::too_many_arguments, reason = "one private step of on_reading")]
    fn hold(
        &mut self,
        now: Duration,
        used: u64,
        limit: u64,
        full: bool,
        rising: bool,
        samples: &[SlotSample],
        actions: &mut Vec<BrakeAction>,
    ) {
        let close = full || (rising && used + self.params.last_bytes >= limit);
        for sample in samples.iter().filter(|s| !s.off_limits) {
            let Some(state) = self.slots.get_mut(&sample.slot) else {
                continue;
            };
            if state.held {
                continue;
            }
            let grows = state
                .grew_at
                .is_some_and(|at| now.saturating_sub(at) <= self.params.growth_memory);
            let hold = match state.probe {
                Some(probe) => {
                    let grown = sample.use_bytes.saturating_sub(probe.from_bytes);
                    if grown >= self.params.probe_bytes || close {
                        state.backoff = (state.backoff * 2).min(self.params.backoff.1);
                        true
                    } else {
                        if now.saturating_sub(probe.since) >= self.params.probe_time {
                            state.probe = None;
                            state.grew_at = None;
                            state.backoff = self.params.backoff.0;
                        }
                        false
                    }
                }
                // The champion is held only where it would meet the wall.
                None if sample.champion => close && used + self.params.last_bytes / 2 >= limit,
                None => grows || close,
            };
            if hold {
                state.held = true;
                state.probe = None;
                state.probe_after = now + state.backoff;
                actions.push(BrakeAction::Hold(sample.slot));
            }
        }
    }

    /// Lets one held task go for a moment to see whether it still grows.
    fn probe(&mut self, now: Duration, samples: &[SlotSample], actions: &mut Vec<BrakeAction>) {
        if now < self.next_probe || self.slots.values().any(|s| s.probe.is_some()) {
            return;
        }
        let candidate = samples
            .iter()
            .filter(|s| !s.off_limits)
            .filter(|s| {
                self.slots
                    .get(&s.slot)
                    .is_some_and(|state| state.held && state.probe_after <= now)
            })
            .min_by_key(|s| (!s.champion, self.slots[&s.slot].probe_after, s.slot));
        if let Some(sample) = candidate
            && let Some(state) = self.slots.get_mut(&sample.slot)
        {
            state.held = false;
            state.probe = Some(Probe {
                since: now,
                from_bytes: sample.use_bytes,
            });
            self.next_probe = now + self.params.probe_every;
            actions.push(BrakeAction::Release(sample.slot));
        }
    }

    /// Below the threshold: lets go as many as fit by their growth, the champion first, then
    /// the one that has held most (it has least still to come).
    fn release_what_fits(
        &mut self,
        mut room: u64,
        samples: &[SlotSample],
        actions: &mut Vec<BrakeAction>,
    ) {
        for state in self.slots.values_mut() {
            state.probe = None;
        }
        let mut held: Vec<&SlotSample> = samples
            .iter()
            .filter(|s| !s.off_limits && self.holds(s.slot))
            .collect();
        held.sort_by_key(|s| (!s.champion, std::cmp::Reverse(s.use_bytes)));
        for sample in held {
            let Some(state) = self.slots.get_mut(&sample.slot) else {
                continue;
            };
            let growth = (state.slope * self.params.horizon.as_secs_f64()) as u64;
            // A slope of long ago mustn't keep it from half of what the brake can catch.
            let need = growth
                .saturating_add(self.params.thaw_bytes)
                .min(self.params.margin_bytes / 2);
            if need > room {
                break;
            }
            room -= need;
            state.held = false;
            state.backoff = self.params.backoff.0;
            actions.push(BrakeAction::Release(sample.slot));
        }
    }

    fn release_all(&mut self, samples: &[SlotSample], actions: &mut Vec<BrakeAction>) {
        for sample in samples.iter().filter(|s| !s.off_limits) {
            if let Some(state) = self.slots.get_mut(&sample.slot)
                && state.held
            {
                state.held = false;
                actions.push(BrakeAction::Release(sample.slot));
            }
        }
    }
}
