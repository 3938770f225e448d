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

use std::collections::BTreeMap;
use std::time::Duration;

use crate::slot::SlotId;

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
    fn hard_limit() -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 600 * MIB;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sample(slot: usize, mib: u64, champion: bool) -> SlotSample {
        SlotSample {
            slot: SlotId(slot),
            use_bytes: mib * MIB,
            champion,
            off_limits: false,
        }
    }

    fn read(brake: &mut Brake, ms: u64, samples: &[SlotSample], full: bool) -> Vec<BrakeAction> {
        let used = samples.iter().map(|s| s.use_bytes).sum();
        let mut actions = Vec::new();
        brake.on_reading(at(ms), used, LIMIT, full, samples, &mut actions);
        actions
    }

    #[test]
    fn what_grew_lately_is_held_and_what_rests_is_not() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        read(
            &mut brake,
            0,
            &[
                sample(0, 100, true),
                sample(1, 200, false),
                sample(2, 200, false),
            ],
            false,
        );
        read(
            &mut brake,
            60,
            &[
                sample(0, 110, true),
                sample(1, 240, false),
                sample(2, 200, false),
            ],
            false,
        );
        let actions = read(
            &mut brake,
            70,
            &[
                sample(0, 112, true),
                sample(1, 281, false),
                sample(2, 200, false),
            ],
            false,
        );
        assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
        assert!(brake.is_engaged());
    }

    #[test]
    fn the_champion_is_held_last_and_let_go_first() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        read(
            &mut brake,
            0,
            &[sample(0, 300, true), sample(1, 290, false)],
            false,
        );
        let actions = read(
            &mut brake,
            5,
            &[sample(0, 301, true), sample(1, 292, false)],
            false,
        );
        assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
        // Still rising and the wall is near: now the champion too.
        let actions = read(
            &mut brake,
            10,
            &[sample(0, 307, true), sample(1, 292, false)],
            false,
        );
        assert_eq!(actions, [BrakeAction::Hold(SlotId(0))]);
        // A little room: the champion goes first, and alone when it takes what there is.
        let actions = read(
            &mut brake,
            20,
            &[sample(0, 307, true), sample(1, 280, false)],
            false,
        );
        assert_eq!(actions[0], BrakeAction::Release(SlotId(0)));
    }

    #[test]
    fn a_lone_task_is_never_held() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        for (ms, mib) in [(0, 100), (5, 400), (10, 595), (15, 600)] {
            assert_eq!(read(&mut brake, ms, &[sample(3, mib, true)], ms == 15), []);
        }
    }

    #[test]
    fn what_was_held_is_let_go_when_it_is_left_alone() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        read(
            &mut brake,
            0,
            &[sample(0, 300, true), sample(1, 280, false)],
            false,
        );
        read(
            &mut brake,
            5,
            &[sample(0, 305, true), sample(1, 290, false)],
            false,
        );
        assert!(brake.holds(SlotId(1)));
        assert_eq!(
            read(&mut brake, 10, &[sample(1, 590, true)], false),
            [BrakeAction::Release(SlotId(1))]
        );
    }

    #[test]
    fn a_probe_that_grows_is_held_again_and_waits_longer() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        read(
            &mut brake,
            0,
            &[sample(0, 300, true), sample(1, 290, false)],
            false,
        );
        read(
            &mut brake,
            5,
            &[sample(0, 300, true), sample(1, 293, false)],
            false,
        );
        assert!(brake.holds(SlotId(1)));
        // After its first wait it is probed.
        let actions = read(
            &mut brake,
            50,
            &[sample(0, 300, true), sample(1, 293, false)],
            false,
        );
        assert_eq!(actions, [BrakeAction::Release(SlotId(1))]);
        let actions = read(
            &mut brake,
            55,
            &[sample(0, 300, true), sample(1, 294, false)],
            false,
        );
        assert_eq!(actions, [BrakeAction::Hold(SlotId(1))]);
        // 80 ms now, not 40.
        assert_eq!(
            read(
                &mut brake,
                100,
                &[sample(0, 300, true), sample(1, 294, false)],
                false
            ),
            []
        );
        let actions = read(
            &mut brake,
            140,
            &[sample(0, 300, true), sample(1, 294, false)],
            false,
        );
        assert_eq!(actions, [BrakeAction::Release(SlotId(1))]);
        // It rests now, so it stays free.
        for ms in [145, 150, 165, 170, 200] {
            assert_eq!(
                read(
                    &mut brake,
                    ms,
                    &[sample(0, 300, true), sample(1, 294, false)],
                    false
                ),
                []
            );
        }
        assert!(!brake.holds(SlotId(1)));
    }

    #[test]
    fn a_burst_widens_the_margin() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        assert_eq!(brake.margin_bytes(), 8 * MIB);
        read(
            &mut brake,
            0,
            &[sample(0, 300, true), sample(1, 280, false)],
            false,
        );
        read(
            &mut brake,
            5,
            &[sample(0, 300, true), sample(1, 298, false)],
            false,
        );
        assert_eq!(brake.margin_bytes(), 24 * MIB);
    }

    #[test]
    fn what_is_held_just_below_the_threshold_is_let_go_one_by_one() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        let samples = [sample(0, 300, true), sample(1, 290, false)];
        let mut grown = samples;
        grown[0].use_bytes += 9 * MIB;
        read(&mut brake, 0, &samples, false);
        read(&mut brake, 5, &grown, false);
        assert!(brake.holds(SlotId(0)) && brake.holds(SlotId(1)));
        // Something was given back, but less than anybody is let go for.
        grown[1].use_bytes -= 8 * MIB;
        grown[0].use_bytes += 3 * MIB / 4;
        brake.burst = false;
        let actions = read(&mut brake, 100, &grown, false);
        assert_eq!(actions, [BrakeAction::Release(SlotId(0))]);
    }

    #[test]
    fn what_is_off_limits_is_left_alone() {
        let mut brake = Brake::new(BrakeParams::hard_limit());
        let mut frozen = sample(1, 295, false);
        frozen.off_limits = true;
        read(&mut brake, 0, &[sample(0, 290, true), frozen], false);
        let actions = read(&mut brake, 5, &[sample(0, 304, true), frozen], true);
        assert!(!actions.contains(&BrakeAction::Hold(SlotId(1))));
    }
}
