//! The numbers of the policy, each with its unit. They come from the simulation
//! (`cargo xtask simulate`), tuned on other seeds than those whose figures are reported.

use std::time::Duration;

use crate::config::Preempt;

/// How far growth to come is believed to reach before a task is admitted, and what an ending
/// may cost. One set for each [`Preempt`] grade.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grade {
    /// A stalled byte-second weighs so much against a byte-second of work that is lost. Zero
    /// ends tasks for the champion alone.
    pub(crate) gamma: f64,
    /// The part of a running task's expected growth that is set aside for it.
    pub(crate) running: f64,
    /// The part of the mean peak that is set aside for a task never started.
    pub(crate) fresh: f64,
    /// The part of its expected peak that is set aside for a task ended before.
    pub(crate) returned: f64,
}

impl Grade {
    /// The numbers of one grade.
    pub(crate) const fn of(preempt: Preempt) -> Self {
        match preempt {
            Preempt::Eager => Self {
                gamma: 0.7,
                running: 0.3,
                fresh: 0.5,
                returned: 0.8,
            },
            Preempt::Last => Self {
                gamma: 0.0,
                running: 0.8,
                fresh: 0.9,
                returned: 1.0,
            },
            Preempt::Never => Self {
                gamma: 0.0,
                running: 1.0,
                fresh: 1.0,
                returned: 1.0,
            },
        }
    }

    /// A task that may not be ended has its whole expected growth set aside, whatever the grade.
    pub(crate) const WHOLE: Self = Self::of(Preempt::Never);
}

/// Bytes in a MiB.
pub(crate) const MIB: f64 = 1024.0 * 1024.0;

/// The mean peak assumed before any task has ended, as a part of the undisturbed budget.
pub(crate) const PRIOR_PEAK: f64 = 0.2;
/// So many tasks that ended weigh as much as the prior.
pub(crate) const PRIOR_WEIGHT: f64 = 2.0;
/// A task that can't be ended has so large a part of the undisturbed budget reserved
pub(crate) const CAUTIOUS_PEAK: f64 = 0.5;
/// until so many tasks have ended; from then on the largest peak seen.
pub(crate) const CAUTIOUS_UNTIL: f64 = 4.0;
/// The mean duration assumed before any task has ended, in seconds.
pub(crate) const PRIOR_SECONDS: f64 = 1.0;

/// A running task is expected to go on growing for so many times its age,
pub(crate) const LINDY: f64 = 0.7;
/// and a young one by so many mean peaks more than it holds,
pub(crate) const YOUNG_GROWTH: f64 = 1.2;
/// which fades by a factor e in this part of the mean duration.
pub(crate) const AWAKENING: f64 = 0.25;
/// A task that has not grown for so long (seconds), or for [`QUIET_SHARE`] of its age, is taken
/// to have reached its peak.
pub(crate) const QUIET_SECONDS: f64 = 0.040;
/// See [`QUIET_SECONDS`].
pub(crate) const QUIET_SHARE: f64 = 0.05;
/// Use must rise by more than this part of itself to count as growth; less is noise.
pub(crate) const NOISE_SHARE: f64 = 0.002;
/// Use must rise by more than so many bytes to count as growth; less is noise.
pub(crate) const NOISE_BYTES: f64 = 64.0 * 1024.0;
/// The time over which the slope of a task's use is averaged, in seconds.
pub(crate) const SLOPE_SECONDS: f64 = 0.020;

/// A need below this part of a task's use, or below so many bytes, is an echo of earlier growth
/// or noise of the readings; nothing is ended for it.
pub(crate) const NEED_SHARE: f64 = 0.001;
/// See [`NEED_SHARE`].
pub(crate) const NEED_BYTES: f64 = MIB / 8.0;
/// Use above the budget by less than this part of it is noise of the readings.
pub(crate) const SLACK: f64 = 0.005;
/// Growth is met so many seconds ahead.
pub(crate) const HORIZON: f64 = 0.010;
/// A task that is held back wants at least this part of what it uses,
pub(crate) const HELD_SHARE: f64 = 0.1;
/// and at least so many bytes.
pub(crate) const HELD_BYTES: f64 = MIB;

/// Every earlier ending makes another ending of the same task so many times dearer.
pub(crate) const PENALTY: f64 = 1.25;
/// Every ending costs this part of the budget for a second, however young the task is.
pub(crate) const ENDING_COST: f64 = 0.02;
/// The processor time that is lost with an ended task, in mean peaks: on the next run the same
/// seconds keep that much memory from others.
pub(crate) const TIME_COST: f64 = 0.5;

/// What an ending gives back counts up to so many times what is wanted now,
pub(crate) const ENOUGH_TIMES: f64 = 4.0;
/// or up to this part of the budget, as more will be wanted soon.
pub(crate) const ENOUGH_SHARE: f64 = 0.1;

/// At most so many waiting tasks are looked at, so that a long queue costs nothing.
pub(crate) const WINDOW: usize = 64;
/// So many tasks are taken from the source ahead where their durations are known, to find the
/// longest. A task that was passed over by this many exits more than [`PASSED_OVER_PER_ACTIVE`]
/// and [`PASSED_OVER`] say is tried before all others, and nothing else starts before it does: it
/// waits for those that run then, and for others that have waited as long and came before it.
pub(crate) const HINTED_WINDOW: usize = 4096;
/// Tasks busy on a core are admitted up to so many times the number of cores: one that waits for
/// a disk or a lock leaves its core to another.
pub(crate) const CORES_FACTOR: f64 = 1.25;
/// From this part of the cores on, they count as saturated,
pub(crate) const SATURATED: f64 = 0.95;
/// and every task that keeps more than this part of a core busy as one that would use a whole.
pub(crate) const CONTENDER: f64 = 0.1;
/// A waiting task that was passed over by more than this many exits for each active task, plus
/// [`PASSED_OVER`], has its earliest fit reserved.
pub(crate) const PASSED_OVER_PER_ACTIVE: u64 = 3;
/// See [`PASSED_OVER_PER_ACTIVE`].
pub(crate) const PASSED_OVER: u64 = 6;

/// The tick while memory moves, in seconds, where the driver has a brake.
pub(crate) const TICK: f64 = 0.020;
/// A task known to take so long doesn't mind a tick.
pub(crate) const SEVERAL_TICKS: Duration = Duration::from_millis(400);
/// The same without a brake: growth must be seen in time.
pub(crate) const TICK_UNBRAKED: f64 = 0.010;
/// Without a brake only this part of the budget is used, to absorb what is seen too late,
pub(crate) const UNBRAKED_SHARE: f64 = 0.95;
/// and needs are met so many times over.
pub(crate) const UNBRAKED_NEED: f64 = 2.0;

/// A task is thawed at most once in so long, so that nothing oscillates.
pub(crate) const THAW_INTERVAL: Duration = Duration::from_secs(1);

/// A lone task must be seen at the wall for so long (seconds) after memory was reclaimed before
/// it is given up.
pub(crate) const LONE_SECONDS: f64 = 0.100;
/// And in so many readings.
pub(crate) const LONE_READINGS: u32 = 2;
/// The budget counts as undisturbed from this part of the undisturbed budget on.
pub(crate) const UNDISTURBED: f64 = 0.98;
/// A stall that nobody can resolve by finishing is borne for so long (seconds) before one task
/// is given up.
pub(crate) const STUCK_SECONDS: f64 = 0.500;
/// A task that was ended starts again before another exits after so many of its endings at most;
/// agents that take much at their start and little later need one.
pub(crate) const EARLY_RETURNS: u32 = 2;
/// Foreign memory is waited for so long (seconds) with nothing running before a task is started
/// into what is left.
pub(crate) const FOREIGN_SECONDS: f64 = 5.0;
/// What runs and can't go on for foreign memory waits for it so long (seconds) without getting
/// on before it is given up: whoever holds it may never leave.
pub(crate) const FOREIGN_PATIENCE_SECONDS: f64 = 60.0;
/// A wait for foreign memory is over once nothing has stalled for so long (seconds),
pub(crate) const FOREIGN_PAUSE_SECONDS: f64 = 1.0;
/// or the task's use has changed by so many bytes: it gets on.
pub(crate) const FOREIGN_PROGRESS_BYTES: f64 = 8.0 * 1024.0 * 1024.0;
/// A task that was so often the victim of pressure runs alone.
pub(crate) const VICTIM_ATTEMPTS: u32 = 3;
/// After a refused start nothing is started for so long (seconds), unless something exits.
pub(crate) const REFUSED_SECONDS: f64 = 0.500;
/// A start that is refused so often while nothing else runs has failed.
pub(crate) const REFUSALS: u32 = 3;
/// After the threshold of session memory was passed, tasks run side by side again once the
/// session holds no more than this part of it,
pub(crate) const BACK_SHARE: f64 = 0.875;
/// and has done so for this long (seconds).
pub(crate) const BACK_SECONDS: f64 = 1.0;
/// Memory of a task that ended may still be counted for so long (seconds) after its exit; 4 to
/// 26 ms were measured on real processes.
pub(crate) const RETURN_SECONDS: f64 = 0.050;
/// Running tasks that keep less than this many cores busy together make no progress.
pub(crate) const IDLE_CORES: f64 = 0.02;
/// If that lasts for so long while something is frozen, a frozen task may hold what
/// they wait for, and is let go on.
pub(crate) const IDLE: Duration = Duration::from_secs(1);
