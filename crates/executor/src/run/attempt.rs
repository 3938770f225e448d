//! One attempt of a task while it runs.

mod course;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::{EndCause, GiveUpReason};

use self::course::Course;
use super::watch::{Ended, Status};
use crate::event::AttemptEnd;
use crate::slot::{SlotId, SlotUsage};

/// CPU use is averaged over at least this long of the time in which a task could run.
const CPU_WINDOW: Duration = Duration::from_millis(50);
/// A young task counts as busy on one core until it was idle for so long in one go: at its start it waits for its program and its input,
/// which says nothing of what it is about to do.
const PROVEN_IDLE: Duration = Duration::from_millis(100);
/// A task that keeps less of a core busy is idle.
const IDLE_CORES: f64 = 0.5;
/// Up to this age it is young; from then on, CPU use is smoothed by this factor from one window to the next.
const SETTLED: Duration = Duration::from_secs(1);
const CPU_SMOOTHING: f64 = 0.85;

/// So long after memory was full a failure is still put down to it.
const AFTERMATH: Duration = Duration::from_secs(1);

/// Why an attempt is being ended by us.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ending {
    Preempted,
    GivenUp(GiveUpReason),
    Stopped,
    TimedOut,
}

impl From<EndCause> for Ending {
    fn from(cause: EndCause) -> Self {
        match cause {
            EndCause::Preempt { .. } => Self::Preempted,
            EndCause::GiveUp(reason) => Self::GivenUp(reason),
            EndCause::Stop => Self::Stopped,
        }
    }
}

/// One attempt of a task while it runs.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) name: Arc<OsString>,
    pub(crate) number: u32,
    pub(crate) slot: SlotId,
    pub(crate) started: Duration,
    pub(crate) timeout: Option<Duration>,
    /// Time it could run, frozen and held time not counted.
    pub(crate) ran: Duration,
    accrued_at: Duration,
    /// Frozen by the scheduler.
    pub(crate) frozen: bool,
    /// Held by the brake.
    pub(crate) held: bool,
    pub(crate) usage: SlotUsage,
    pub(crate) peak_bytes: u64,
    /// Its use over the time that it could run.
    pub(crate) course: Course,
    pub(crate) busy_cores: f64,
    /// How long it could have run so far, and the CPU time it had used, at the last look at that.
    cpu_at: (Duration, Duration),
    /// For how long it has been idle in one go.
    idle: Duration,
    cpu_wait_before: Option<Duration>,
    /// Why we are ending it, and when patience is over.
    pub(crate) ending: Option<(Ending, Duration)>,
    /// Its process has ended; what else is in the slot may not have.
    pub(crate) ended: Option<Ended>,
    /// It should go on, but the system refused; tried again at each look.
    pub(crate) must_thaw: bool,
    /// That its slot can't be read was said.
    pub(crate) unreadable: bool,
    /// Where the copies of its output ended before.
    pub(crate) marks: Vec<super::copy::Mark>,
}

impl Attempt {
    pub(crate) fn new(
        name: Arc<OsString>,
        number: u32,
        slot: SlotId,
        timeout: Option<Duration>,
        now: Duration,
    ) -> Self {
        Self {
            name,
            number,
            slot,
            started: now,
            timeout,
            ran: Duration::ZERO,
            accrued_at: now,
            frozen: false,
            held: false,
            usage: SlotUsage::default(),
            peak_bytes: 0,
            course: Course::new(),
            busy_cores: 1.0,
            cpu_at: (Duration::ZERO, Duration::ZERO),
            idle: Duration::ZERO,
            cpu_wait_before: None,
            ending: None,
            ended: None,
            must_thaw: false,
            unreadable: false,
            marks: Vec::new(),
        }
    }

    /// Counts the time since the last call as run, unless it stood still.
    pub(crate) fn accrue(&mut self, now: Duration) {
        if !self.frozen && !self.held {
            self.ran += now.saturating_sub(self.accrued_at);
        }
        self.accrued_at = now;
    }

    /// Whether what happened `at` may be why it failed just now: it ran then, and programs give
    /// up soon after what they were refused, not minutes later.
    pub(crate) fn suffered(&self, at: Option<Duration>, now: Duration) -> bool {
        at.is_some_and(|at| at >= self.started && now.saturating_sub(at) <= AFTERMATH)
    }

    /// How long it may still run; the time is not passing while it stands still.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        let timeout = self.timeout?;
        (self.ending.is_none() && self.ended.is_none()).then(|| timeout.saturating_sub(self.ran))
    }

    /// Takes a reading of its slot.
    pub(crate) fn observe(&mut self, usage: SlotUsage) {
        // Of a figure in doubt it is enough that it is a limit; a peak would stay.
        if !usage.in_doubt {
            self.peak_bytes = self.peak_bytes.max(usage.use_bytes);
            self.course.note(self.ran, usage.use_bytes);
        }
        self.usage = usage;
    }

    /// Whether its CPU use is to be looked at again. Time in which it was not let run says
    /// nothing of what it would do.
    pub(crate) fn cpu_is_due(&self) -> bool {
        self.ran.saturating_sub(self.cpu_at.0) >= CPU_WINDOW
    }

    /// Takes how many cores it would have kept busy since the last time, had it got them:
    /// otherwise the more tasks share the cores, the less busy each would look, and ever more
    /// would be started.
    pub(crate) fn observe_cpu(&mut self, wait: Duration) {
        let (since, cpu_before) = self.cpu_at;
        let elapsed = self.ran.saturating_sub(since);
        let used = self.usage.cpu.saturating_sub(cpu_before);
        let waited = match self.cpu_wait_before.replace(wait) {
            // It can't have waited longer than it was there.
            Some(before) => wait.saturating_sub(before).min(elapsed),
            None => Duration::ZERO,
        };
        if !elapsed.is_zero() {
            let busy = (used + waited).as_secs_f64() / elapsed.as_secs_f64();
            self.idle = if busy < IDLE_CORES {
                self.idle + elapsed
            } else {
                Duration::ZERO
            };
            // A task that has shown what it is isn't taken for another by one short pause.
            self.busy_cores = if self.ran >= SETTLED {
                CPU_SMOOTHING * self.busy_cores + (1.0 - CPU_SMOOTHING) * busy
            } else if self.idle < PROVEN_IDLE {
                busy.max(1.0)
            } else {
                busy
            };
        }
        self.cpu_at = (self.ran, self.usage.cpu);
    }

    /// How it ended, for those who watch. `victim` says why it counts as a victim of pressure
    /// if it failed by itself.
    pub(crate) fn end(&self, status: Status, victim: Option<String>) -> AttemptEnd {
        // What succeeded before our signal arrived has succeeded.
        if status == Status::Code(0) && !matches!(self.ending, Some((Ending::TimedOut, _))) {
            return AttemptEnd::Exited(0);
        }
        match self.ending {
            Some((Ending::Preempted, _)) => return AttemptEnd::Preempted,
            Some((Ending::GivenUp(reason), _)) => return AttemptEnd::GivenUp(reason),
            Some((Ending::Stopped, _)) => return AttemptEnd::Stopped,
            Some((Ending::TimedOut, _)) => return AttemptEnd::TimedOut,
            None => {}
        }
        match (victim, status) {
            (Some(why), _) => AttemptEnd::Victim(why),
            (None, Status::Code(code)) => AttemptEnd::Exited(code),
            (None, Status::Signal(signal)) => AttemptEnd::Signaled(signal),
            (None, Status::Unknown) => AttemptEnd::Exited(255),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn attempt() -> Attempt {
        let name = Arc::new(OsString::from("x"));
        Attempt::new(name, 1, SlotId(0), Some(ms(500)), ms(1000))
    }

    #[test]
    fn time_is_not_counted_while_it_stands_still() {
        let mut attempt = attempt();
        attempt.accrue(ms(1100));
        attempt.frozen = true;
        attempt.accrue(ms(9000));
        attempt.frozen = false;
        attempt.held = true;
        attempt.accrue(ms(10_000));
        assert_eq!(attempt.time_left(), Some(ms(400)));
        attempt.held = false;
        attempt.accrue(ms(10_400));
        assert_eq!(attempt.time_left(), Some(Duration::ZERO));
        attempt.ending = Some((Ending::TimedOut, ms(11_000)));
        assert_eq!(attempt.time_left(), None);
    }

    #[test]
    fn what_it_was_held_back_is_no_part_of_its_course() {
        let steps_of = |pause: Duration| {
            let mut attempt = attempt();
            let mut now = ms(1000);
            for step in 1..=100 {
                now += ms(10);
                attempt.accrue(now);
                attempt.observe(SlotUsage {
                    use_bytes: step,
                    ..SlotUsage::default()
                });
                attempt.held = true;
                now += pause;
                attempt.accrue(now);
                attempt.held = false;
            }
            (attempt.ran, attempt.course.steps(attempt.ran, 100))
        };
        assert_eq!(steps_of(ms(0)), steps_of(ms(70)));
    }

    #[test]
    fn only_what_happened_just_now_makes_a_victim() {
        let attempt = attempt();
        assert!(!attempt.suffered(None, ms(2000)));
        assert!(attempt.suffered(Some(ms(2000)), ms(2000)));
        assert!(attempt.suffered(Some(ms(1500)), ms(2400)));
        // Long ago, and before it began.
        assert!(!attempt.suffered(Some(ms(1500)), ms(60_000)));
        assert!(!attempt.suffered(Some(ms(900)), ms(1100)));
    }

    fn observe(attempt: &mut Attempt, cpu: Duration) {
        attempt.observe(SlotUsage {
            use_bytes: 1,
            in_doubt: false,
            cpu,
        });
    }

    #[test]
    fn a_task_that_gets_half_a_core_but_wants_a_whole_counts_as_a_whole() {
        let mut attempt = attempt();
        for step in 1..=40u32 {
            attempt.accrue(ms(1000) + ms(50) * step);
            assert!(attempt.cpu_is_due());
            observe(&mut attempt, ms(25) * step);
            attempt.observe_cpu(ms(25) * step);
        }
        assert!(attempt.busy_cores > 0.95, "{}", attempt.busy_cores);
        // One pause of 50 ms doesn't make another of it.
        attempt.accrue(ms(3050));
        attempt.observe_cpu(ms(25) * 40);
        assert!(attempt.busy_cores > 0.8, "{}", attempt.busy_cores);
        attempt.accrue(ms(3060));
        assert!(!attempt.cpu_is_due());
    }

    #[test]
    fn a_young_task_is_busy_until_it_was_idle_for_a_while() {
        let mut attempt = attempt();
        attempt.accrue(ms(1060));
        attempt.observe_cpu(Duration::ZERO);
        assert!(attempt.busy_cores >= 1.0);
        // What it did not get to do while it was held says nothing.
        attempt.held = true;
        attempt.accrue(ms(1500));
        assert!(!attempt.cpu_is_due());
        attempt.held = false;
        attempt.accrue(ms(1540));
        assert!(!attempt.cpu_is_due());
        attempt.accrue(ms(1560));
        attempt.observe_cpu(Duration::ZERO);
        assert!(attempt.busy_cores < 0.1, "{}", attempt.busy_cores);
        // And it may become another.
        attempt.accrue(ms(1620));
        observe(&mut attempt, ms(60));
        attempt.observe_cpu(Duration::ZERO);
        assert!(attempt.busy_cores >= 1.0, "{}", attempt.busy_cores);
    }
}
