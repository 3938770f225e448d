//! Looking: readings of memory, what the brake does with them, and when to look again.

use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::{Event, Reading, TaskReading};

use super::attempt::{Attempt, Ending};
use super::state::Run;
use super::watch::Status;
use crate::brake::{BrakeAction, SlotSample};
use crate::event::{Figures, RunEvent};
use crate::slot::RunUsage;

const MIB: u64 = 1 << 20;

/// Others' memory is read this often.
const MACHINE_PERIOD: Duration = Duration::from_millis(50);
/// Between two looks while the brake holds something or is about to.
const BRAKE_PERIOD: Duration = Duration::from_millis(4);
/// The same where nothing but our readings stops growth.
const UNBRAKED_PERIOD: Duration = Duration::from_millis(2);
/// The scheduler's own step; the brake looks more often.
const SCHEDULER_PERIOD: Duration = Duration::from_millis(10);
/// The kernel's events count file cache too, so that a writer of large files can cause
/// thousands of them: no more than one look in this time.
const BREACH_PERIOD: Duration = Duration::from_millis(1);
/// So long after it was asked for it is seen how much file cache was given back: to give back
/// 300 MiB takes 100 ms.
const RECLAIM: Duration = Duration::from_millis(150);
/// What a slot that must become empty is looked at.
const EMPTY_PERIOD: Duration = Duration::from_millis(4);
/// So long the scheduler isn't told of use that may be much too high.
const DOUBT: Duration = Duration::from_secs(2);
/// After so long without a reading, what the brake holds goes on.
const BLIND: Duration = Duration::from_secs(1);
/// Limits are moved when they are off by this much.
const LIMIT_STEP: u64 = MIB / 2;
/// A task that waits for others' memory for so long is told of.
const FOREIGN_TOLD: Duration = Duration::from_secs(1);

/// What is remembered between two looks.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    last_look: Duration,
    pub(crate) last_machine: Option<Duration>,
    pub(crate) last_reading: Option<Duration>,
    pub(crate) limits: Option<(u64, u64)>,
    pub(crate) usage: RunUsage,
    /// When the run's memory was last seen full.
    last_full: Option<Duration>,
    kernel_kills: Option<u64>,
    /// When the kernel was last seen to have killed for want of memory, anywhere.
    last_kernel_kill: Option<Duration>,
    /// When the namespace of all tasks was last lost.
    last_loss: Option<Duration>,
    was_engaged: bool,
    /// Since when use is in doubt.
    doubted: Option<Duration>,
    unreadable: bool,
    readable_at: Duration,
    machine_unreadable: bool,
    /// Whether the present wait for others' memory was told of.
    told_foreign: bool,
    /// When file cache was to be given back, how much there was, and the figures then.
    reclaiming: Option<(Duration, u64, Figures)>,
    readings: Vec<TaskReading>,
    samples: Vec<SlotSample>,
    brake_actions: Vec<BrakeAction>,
}

impl Run<'_> {
    /// Looks at memory, brakes, lets the scheduler decide if its step has come, and sees to
    /// what time alone brings about.
    pub(crate) fn look(&mut self, force: bool) {
        let now = self.clock.now();
        self.sampling.last_look = now;
        match self.slots.run_usage() {
            Ok(usage) => {
                self.sampling.usage = usage;
                self.sampling.unreadable = false;
            }
            Err(error) => {
                // Nothing is concluded from what can't be read, so nothing new is admitted.
                if !std::mem::replace(&mut self.sampling.unreadable, true) {
                    self.emit(&RunEvent::Note(format!(
                        "memory in use can't be read: {error}"
                    )));
                }
                self.decide(Event::Unread);
                return self.go_on_blind(now);
            }
        }
        self.sampling.readable_at = now;
        let usage = self.sampling.usage;
        if usage.full || usage.refuses {
            self.sampling.last_full = Some(now);
        }
        self.read_machine(now, usage.used_bytes);
        self.sampling.doubted = match (usage.in_doubt, self.sampling.doubted) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        if !usage.in_doubt {
            self.tally
                .memory(usage.used_bytes, self.current.limit_bytes);
        }
        self.session.note_use(usage.used_bytes);
        for attempt in self.active.values_mut() {
            attempt.accrue(now);
            // A slot that can't be read keeps its last figure.
            if let Ok(slot) = self.slots.usage(attempt.slot) {
                attempt.observe(slot);
            }
            if attempt.cpu_is_due() {
                let wait = self.slots.cpu_wait(attempt.slot);
                attempt.observe_cpu(wait.unwrap_or(Duration::ZERO));
            }
        }
        if !self.unlimited {
            self.brake(now);
        }
        let due = self
            .sampling
            .last_reading
            .is_none_or(|last| now.saturating_sub(last) >= SCHEDULER_PERIOD);
        // The brake takes back what it does, the scheduler may end something.
        if force || (due && !self.is_waiting_for_the_truth(now)) {
            self.tell_scheduler(now);
        }
        self.tell_reclaimed(now);
        self.keep_time(now);
    }

    fn is_waiting_for_the_truth(&self, now: Duration) -> bool {
        self.sampling
            .doubted
            .is_some_and(|since| now.saturating_sub(since) < DOUBT)
    }

    /// The kernel says that the threshold was passed or the limit was hit.
    pub(crate) fn look_after_breach(&mut self) {
        if self.clock.now().saturating_sub(self.sampling.last_look) >= BREACH_PERIOD {
            self.look(false);
        }
    }

    /// Time passes whatever can be read, and what the brake holds mustn't wait for ever for a
    /// reading.
    fn go_on_blind(&mut self, now: Duration) {
        let give_up = now.saturating_sub(self.sampling.readable_at) >= BLIND;
        for attempt in self.active.values_mut() {
            attempt.accrue(now);
            if give_up && std::mem::take(&mut attempt.held) {
                self.brake.forget(attempt.slot);
                attempt.must_thaw = true;
            }
        }
        self.keep_time(now);
    }

    fn read_machine(&mut self, now: Duration, run_used: u64) {
        let due = self
            .sampling
            .last_machine
            .is_none_or(|last| now.saturating_sub(last) >= MACHINE_PERIOD);
        if due {
            // Also where it can't be read: that is tried as often.
            self.sampling.last_machine = Some(now);
            self.count_kernel_kills(now);
            match self.machine.read() {
                Ok(reading) => {
                    self.sampling.machine_unreadable = false;
                    let margin = self.brake.margin_bytes();
                    self.current = self.budget.update(&reading, run_used, margin);
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.sampling.machine_unreadable, true) {
                        self.emit(&RunEvent::Note(error.to_string()));
                    }
                }
            }
        }
        if self.unlimited || !due {
            return;
        }
        let limit = self.current.limit_bytes;
        let threshold = limit.saturating_sub(self.brake.margin_bytes());
        let moved = self
            .sampling
            .limits
            .is_none_or(|(old_limit, old_threshold)| {
                old_limit.abs_diff(limit) >= LIMIT_STEP
                    || old_threshold.abs_diff(threshold) >= LIMIT_STEP
            });
        // A limit below what is in use is refused, after the kernel has tried to reclaim; the
        // brake works towards it, and it is tried again when the machine is read again.
        if moved && self.slots.set_limit(limit, threshold).is_ok() {
            self.sampling.limits = Some((limit, threshold));
        }
    }

    fn brake(&mut self, now: Duration) {
        let champion = self.scheduler.champion();
        let mut samples = std::mem::take(&mut self.sampling.samples);
        let mut actions = std::mem::take(&mut self.sampling.brake_actions);
        samples.clear();
        samples.extend(self.active.iter().map(|(id, attempt)| SlotSample {
            slot: attempt.slot,
            use_bytes: attempt.usage.use_bytes,
            champion: champion == Some(*id),
            off_limits: attempt.frozen || attempt.ending.is_some() || attempt.ended.is_some(),
        }));
        self.brake.on_reading(
            now,
            self.sampling.usage.used_bytes,
            self.current.limit_bytes,
            self.sampling.usage.full,
            &samples,
            &mut actions,
        );
        for action in actions.drain(..) {
            let (slot, held) = match action {
                BrakeAction::Hold(slot) => (slot, true),
                BrakeAction::Release(slot) => (slot, false),
            };
            let attempt = self.active.values_mut().find(|a| a.slot == slot);
            if let Some(attempt) = attempt {
                attempt.accrue(now);
                attempt.held = held;
                let done = if held {
                    self.slots.freeze(slot)
                } else {
                    self.slots.thaw(slot)
                };
                // What was not stopped grows on and is met by the hard limit.
                attempt.must_thaw = !held && done.is_err();
            }
        }
        self.sampling.samples = samples;
        self.sampling.brake_actions = actions;
        let engaged = self.brake.is_engaged();
        if engaged && !self.sampling.was_engaged {
            let figures = self.figures();
            self.emit(&RunEvent::BrakeEngaged(figures));
        }
        self.sampling.was_engaged = engaged;
    }

    fn tell_scheduler(&mut self, now: Duration) {
        self.sampling.last_reading = Some(now);
        let full = self.sampling.usage.full;
        let mut readings = std::mem::take(&mut self.sampling.readings);
        readings.clear();
        readings.extend(self.active.iter().map(|(&task, attempt)| TaskReading {
            task,
            use_bytes: attempt.usage.use_bytes,
            at_wall: attempt.held || full,
            busy_cores: attempt.busy_cores,
        }));
        let margin = self.brake.margin_bytes();
        let reading = Reading {
            budget_bytes: self.current.limit_bytes.saturating_sub(margin),
            undisturbed_bytes: self.current.undisturbed_bytes.saturating_sub(margin),
            used_bytes: self.sampling.usage.used_bytes,
            tasks: &readings,
        };
        if self.sampling.machine_unreadable {
            // What is free then is not known, whatever our own tasks use.
            self.decide(Event::Unread);
        } else {
            self.decide(Event::Reading(reading));
        }
        self.sampling.readings = readings;
        self.tell_foreign_wait();
        self.figures = self.figures();
        let figures = self.figures;
        self.emit(&RunEvent::Figures(figures));
    }

    /// Says once for each wait that nothing is broken, and how long it may last.
    fn tell_foreign_wait(&mut self) {
        let Some(wait) = self.scheduler.foreign_wait() else {
            self.sampling.told_foreign = false;
            return;
        };
        if wait.waited < FOREIGN_TOLD || std::mem::replace(&mut self.sampling.told_foreign, true) {
            return;
        }
        let name = (self.active.get(&wait.task)).map(|attempt| Arc::clone(&attempt.name));
        self.emit(&RunEvent::Note(format!(
            "waiting: other programs hold {} that {} needs; it is given up after {} s",
            saferun_memory::show(wait.foreign_bytes),
            name.unwrap_or_default().to_string_lossy(),
            wait.patience.as_secs()
        )));
    }

    /// Has file cache given back; how much it was is told a moment later.
    pub(super) fn reclaim(&mut self) {
        self.slots.reclaim();
        let now = self.clock.now();
        let before = self.sampling.usage.cache_bytes;
        if before > 0 && self.sampling.reclaiming.is_none() {
            self.sampling.reclaiming = Some((now, before, self.figures()));
        }
    }

    fn tell_reclaimed(&mut self, now: Duration) {
        let due = |&mut (since, _, _): &mut (Duration, u64, Figures)| {
            now.saturating_sub(since) >= RECLAIM
        };
        if let Some((_, before, figures)) = self.sampling.reclaiming.take_if(due) {
            let freed_bytes = before.saturating_sub(self.sampling.usage.cache_bytes);
            self.emit(&RunEvent::Reclaimed {
                freed_bytes,
                figures,
            });
        }
    }

    pub(super) fn figures(&self) -> Figures {
        let counts = self.scheduler.counts();
        Figures {
            budget_bytes: self.current.limit_bytes,
            used_bytes: self.sampling.usage.used_bytes,
            running: self.active.len(),
            held: self.active.values().filter(|a| a.held || a.frozen).count(),
            waiting: counts.queued + self.held_back(),
            concluded: self.tally.concluded_count(),
            total: self.drained.then_some(self.next_task),
        }
    }

    /// Timeouts, patience that is over, slots that are to become empty.
    fn keep_time(&mut self, now: Duration) {
        for attempt in self.active.values_mut().filter(|a| a.must_thaw) {
            attempt.must_thaw = self.slots.thaw(attempt.slot).is_err();
        }
        let overdue: Vec<_> = self
            .active
            .iter()
            .filter(|(_, attempt)| attempt.time_left() == Some(Duration::ZERO))
            .map(|(&id, _)| id)
            .collect();
        for id in overdue {
            self.end(id, Ending::TimedOut);
        }
        let ending: Vec<_> = self
            .active
            .iter()
            .filter(|(_, a)| a.ended.is_some() || a.ending.is_some_and(|(_, at)| at <= now))
            .map(|(&id, a)| (id, a.slot, a.ended.is_some()))
            .collect();
        for (id, slot, ended) in ending {
            if ended {
                self.finish_if_empty(id);
            } else {
                // Tried again at the next look.
                let _ = self.slots.kill(slot);
            }
        }
    }

    /// How long until the next look; `None` when nothing runs and nothing waits for memory.
    /// Periods count from the last look, so that asking after every event postpones nothing.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let now = self.clock.now();
        let since = now.saturating_sub(self.sampling.last_look);
        let waiting = self.is_waiting_for_the_truth(now);
        let mut delay = (!waiting)
            .then(|| self.scheduler.next_reading(now))
            .flatten();
        let mut at_most = |wish: Duration| {
            delay = Some(delay.map_or(wish, |delay| delay.min(wish)));
        };
        let mut sooner = |period: Duration| at_most(period.saturating_sub(since));
        let used = self.sampling.usage.used_bytes;
        let near = used + 2 * self.brake.margin_bytes() + 16 * MIB >= self.current.limit_bytes;
        if !self.active.is_empty() {
            if self.brake.is_holding() || (near && self.active.len() > 1) {
                sooner(if self.slots.has_hard_limit() {
                    BRAKE_PERIOD
                } else {
                    UNBRAKED_PERIOD
                });
            }
            if waiting {
                sooner(UNBRAKED_PERIOD);
            }
            let headroom = self.current.limit_bytes.saturating_sub(used);
            sooner(saferun_memory::next_delay(headroom));
        }
        for attempt in self.active.values() {
            // It doesn't pass while it stands still.
            if let Some(left) = attempt.time_left()
                && !attempt.frozen
                && !attempt.held
            {
                sooner(left.max(Duration::from_millis(1)));
            }
            if attempt.ended.is_some() {
                sooner(EMPTY_PERIOD);
            } else if let Some((_, kill_at)) = attempt.ending {
                let last = self.sampling.last_look;
                sooner(kill_at.saturating_sub(last).max(EMPTY_PERIOD));
            }
        }
        delay
    }

    /// All that runs in the namespace is killed by the kernel, as its first process is gone.
    pub(super) fn lost_namespace(&mut self) {
        self.sampling.last_loss = Some(self.clock.now());
    }

    /// Whether an attempt that failed by itself is a victim of pressure, and why.
    pub(crate) fn victim_reason(&mut self, attempt: &Attempt, status: Status) -> Option<String> {
        if status == Status::Code(0) || attempt.ending.is_some() {
            return None;
        }
        if self
            .slots
            .kernel_kills(attempt.slot)
            .is_ok_and(|kills| kills > 0)
        {
            return Some("killed by the kernel for want of memory".into());
        }
        if self
            .sampling
            .last_loss
            .is_some_and(|lost| attempt.started <= lost)
        {
            return Some("the guard was killed, and its namespace with all tasks was lost".into());
        }
        let now = self.clock.now();
        if attempt.suffered(self.sampling.last_full, now) {
            return Some("it failed while the run's memory was full".into());
        }
        if matches!(status, Status::Signal(9) | Status::Code(137)) {
            self.count_kernel_kills(now);
            if attempt.suffered(self.sampling.last_kernel_kill, now) {
                return Some("killed while the kernel was killing for want of memory".into());
            }
        }
        None
    }

    /// Where no group counts the kernel's kills, those of the whole machine have to do.
    fn count_kernel_kills(&mut self, now: Duration) {
        if self.slots.has_hard_limit() {
            return;
        }
        let Ok(kills) = saferun_memory::kernel_kills() else {
            return;
        };
        if self
            .sampling
            .kernel_kills
            .replace(kills)
            .is_some_and(|before| kills > before)
        {
            self.sampling.last_kernel_kill = Some(now);
        }
    }
}
