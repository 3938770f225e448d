//! Pure admission and preemption under a memory budget.
//!
//! [`Scheduler::on`] takes one [`Event`] and the time, and returns the [`Action`]s that follow.
//! It reads no clock, does no I/O, depends on nothing but the standard library, and so can be
//! run a million times in a test without a process.
//!
//! How it decides, in the order of every reading and exit:
//!
//! 1. What runs is observed: use, slope, age, what an ending would throw away (`attempt`).
//! 2. One task, the longest at work, is the champion (`champion`). It is never frozen and never
//!    ended, so it finishes; hence everything does.
//! 3. Growth is met with room in the order of what was invested (`pressure`). Where room runs
//!    out, a task that has done little for what it holds is ended and run again later, or, where
//!    nothing may be ended, frozen (`freezing`).
//! 4. What can't be finished is given up, with its reason (`surrender`).
//! 5. If nothing is short of room, waiting tasks are admitted whose growth to come fits the
//!    expected use of all that runs (`admission`, `expectation`, `profile`); of batches only
//!    those of the batch that runs (`batches`, `course`). Where the course of every task is known
//!    well, those that wait are planned together (`plan`, `planned`).
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod action;
mod admission;
mod attempt;
mod batches;
mod champion;
mod config;
mod counts;
mod course;
mod curve;
mod ending;
mod event;
mod expectation;
mod forecast;
mod freezing;
mod hint;
mod hold;
mod learning;
mod memory;
mod pace;
mod plan;
mod planned;
mod pressure;
mod profile;
mod queue;
mod roster;
mod sanity;
mod standing;
mod surrender;
mod task;
mod tuning;

pub use action::{Action, EndCause};
pub use batches::{Batches, Fallback, Plan, optimal_concurrency_at};
pub use config::{Config, FailureLimit, Halt, Order, Preempt, Strategy};
pub use counts::Counts;
pub use event::{Event, Exit, Reading, TaskReading};
pub use hint::Hint;
pub use hold::Hold;
pub use surrender::ForeignWait;
pub use task::{GiveUpReason, Outcome, SkipReason, TaskId, TaskSpec};

use std::time::Duration;

use admission::Admission;
use course::Course;
use learning::Learning;
use memory::Memory;
use pressure::Pressure;
use queue::Queue;
use roster::Roster;
use surrender::Surrender;
use tuning::{Grade, HINTED_WINDOW, SEVERAL_TICKS, WINDOW};

/// The state machine of one run.
#[derive(Debug, Clone)]
pub struct Scheduler {
    config: Config,
    grade: Grade,
    now: Duration,
    queue: Queue,
    active: Roster,
    champion: Option<TaskId>,
    memory: Memory,
    learning: Learning,
    pressure: Pressure,
    surrender: Surrender,
    admission: Admission,
    batches: Batches,
    course: Course,
    counts: Counts,
    /// Exits of attempts that nobody asked to end.
    exits: u64,
    /// Why nothing is started any more.
    stopped: Option<SkipReason>,
    drained: bool,
}

impl Scheduler {
    /// A scheduler with nothing queued and nothing running.
    pub fn new(config: Config) -> Self {
        Self {
            grade: Grade::of(config.preempt),
            batches: Self::batches(&config),
            course: Course::of(config.strategy),
            config,
            now: Duration::ZERO,
            queue: Queue::default(),
            active: Roster::default(),
            champion: None,
            memory: Memory::default(),
            learning: Learning::new(),
            pressure: Pressure::default(),
            surrender: Surrender::default(),
            admission: Admission::default(),
            counts: Counts::default(),
            exits: 0,
            stopped: None,
            drained: false,
        }
    }

    /// Handles one event that happened at `now` (measured from the run's start; a time before
    /// the latest seen counts as the latest seen) and appends what follows to `actions`.
    ///
    /// Events about a task that is not in the state they speak of (an exit of a task that is not
    /// active, a task added while it waits or runs) are ignored.
    pub fn on(&mut self, event: Event<'_>, now: Duration, actions: &mut Vec<Action>) {
        self.now = self.now.max(now);
        match event {
            Event::Added(spec) => {
                let can_wait = self.can_wait_for_longer(&spec);
                self.take_in(spec, actions);
                if can_wait && !self.queue.is_empty() {
                    self.admission.put_off();
                } else {
                    self.admit(actions);
                }
            }
            Event::SourceDrained => {
                self.drained = true;
                self.admit(actions);
            }
            Event::Reading(reading) => {
                self.observe(&reading);
                self.refuse_what_never_fits(actions);
                self.steer(true, actions);
            }
            Event::Unread => {
                self.memory.lose_sight(self.seconds());
                self.admit(actions);
            }
            Event::SessionMemory(bytes) => {
                self.observe_session(bytes, actions);
                self.admit(actions);
            }
            Event::Exited {
                task,
                exit,
                peak_bytes,
            } => {
                if self.exited(task, exit, peak_bytes, actions) {
                    self.steer(false, actions);
                }
            }
            Event::StopRequested => self.stop(SkipReason::Stopped, true, actions),
        }
    }

    /// Whether a task may wait for the next reading or the end of the source, because longer ones
    /// may come right behind it and a tick is little to it.
    fn can_wait_for_longer(&self, spec: &TaskSpec) -> bool {
        let tick_is_little = |hint: &Hint| hint.duration >= SEVERAL_TICKS;
        self.config.order == Order::Longest
            && self.stopped.is_none()
            && self.memory.is_known()
            && spec.hint.as_ref().is_some_and(tick_is_little)
    }

    /// All decisions that follow from a new look at memory, or from an exit.
    fn steer(&mut self, is_reading: bool, actions: &mut Vec<Action>) {
        if self.config.strategy == Strategy::Unlimited {
            self.choose_champion(actions);
        } else if self.memory.is_known() {
            self.choose_champion(actions);
            self.relieve(actions);
            self.freeze_and_thaw(actions);
            if is_reading {
                self.give_up_what_cannot_go_on(actions);
            }
        }
        self.admit(actions);
    }

    /// For how many more tasks the queue has room now; zero once the source is drained. It has
    /// room after a stop too: what is added then is concluded at once as skipped, and how much of
    /// the source is still worth that is the driver's choice ([`Scheduler::is_stopped`]).
    pub fn wants_tasks(&self) -> usize {
        // Who knows how long tasks take chooses among many; who doesn't, gains nothing by it.
        let least = if self.queue.is_hinted() && self.config.order == Order::Longest {
            HINTED_WINDOW
        } else {
            WINDOW
        };
        let window = self.config.concurrency.map_or(least, |count| {
            least.max(count.get().saturating_add(count.get().min(WINDOW)))
        });
        if self.drained {
            0
        } else {
            window.saturating_sub(self.queue.len())
        }
    }

    /// Whether nothing is started any more, because the run was stopped or so much has failed
    /// that it was halted.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether the source is drained, every task is concluded, and no checkpoint that was asked
    /// for is outstanding (the last batch has one too).
    pub fn is_finished(&self) -> bool {
        let is_awaited = self.course.awaits_checkpoint() && self.stopped.is_none();
        self.drained && self.queue.is_empty() && self.active.is_empty() && !is_awaited
    }

    /// The task that is never frozen and never ended, if one is active.
    pub fn champion(&self) -> Option<TaskId> {
        self.champion
    }

    /// Whether an active attempt runs alone because it was a victim of pressure again and again.
    pub fn is_alone(&self, task: TaskId) -> bool {
        self.active.find(task).is_some_and(|attempt| attempt.alone)
    }

    /// How an active attempt's use went so far: the highest in each sixteenth of its own run time,
    /// in 255ths of the highest of all. `None` if it is not active or was never read.
    pub fn curve(&self, task: TaskId) -> Option<[u8; Hint::STEPS]> {
        self.active.find(task)?.curve()
    }

    /// Why the first waiting task was not started at the last event; `None` if nothing waits.
    pub fn holding(&self) -> Option<Hold> {
        self.admission.hold()
    }

    /// How many tasks are where, and what it took so far.
    pub fn counts(&self) -> Counts {
        Counts {
            queued: self.queue.len(),
            active: self.active.len(),
            frozen: self
                .active
                .iter()
                .filter(|attempt| attempt.is_frozen())
                .count(),
            ..self.counts
        }
    }

    fn seconds(&self) -> f64 {
        self.now.as_secs_f64()
    }
}
