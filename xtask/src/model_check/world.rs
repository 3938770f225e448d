//! A small world around the real scheduler: tasks that grow in two steps, readings, exits that
//! are late, and mishaps.

use std::time::Duration;

use saferun_scheduler::{Action, Event, Exit, Reading, Scheduler, TaskId, TaskReading, TaskSpec};

use super::rules;
use super::setting::{BUDGET, FOREIGN, MIB, Setting, Telling};
use super::step::Step;
use super::task::{GROWN, Place, Task};

/// So many readings may pass between the order to end an attempt and its exit.
const LATENESS: u8 = 1;
/// Others keep the memory that they take for at most so many readings.
pub(super) const FOREIGN_READINGS: u8 = 4;
/// The time between two readings.
const TICK: Duration = Duration::from_millis(20);
/// The system has so much above the budget before the kernel kills, where nothing brakes.
const RESERVE: u64 = 24 * MIB;
/// A run that was suspended goes on after so long.
const SUSPENSION: Duration = Duration::from_secs(30);
/// No run of these worlds takes so long, suspensions apart.
const ENDLESS: Duration = Duration::from_secs(60);

/// The state of everything.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) scheduler: Scheduler,
    pub(super) tasks: Vec<Task>,
    now: Duration,
    pub(super) mishaps: u8,
    /// For how many readings others have held memory, if they do.
    pub(super) foreign: Option<u8>,
    pub(super) checkpoint: bool,
    /// For how long it was suspended in all.
    suspended: Duration,
    pub(super) stopped: bool,
    /// Exits that nobody had asked for.
    pub(super) exits: u64,
}

impl World {
    /// All tasks are known at once, and memory was read.
    pub(super) fn new(setting: &Setting) -> Result<Self, String> {
        let mut world = Self {
            scheduler: Scheduler::new(setting.config()),
            tasks: Vec::new(),
            now: Duration::ZERO,
            mishaps: setting.bounds.mishaps,
            foreign: None,
            checkpoint: false,
            suspended: Duration::ZERO,
            stopped: false,
            exits: 0,
        };
        for (id, &peak) in (0..).zip(&setting.peaks) {
            world.tasks.push(Task {
                peak,
                place: Place::Waiting,
                grown: 0,
                part: 0,
                read: 0,
                held: false,
                pauses: setting.bounds.pauses,
                attempts: 0,
            });
            let spec = TaskSpec {
                id: TaskId(id),
                declared_bytes: (setting.telling == Telling::Peaks).then_some(peak),
                restartable: setting.telling != Telling::OnceOnly,
                retries: 1,
                kind: None,
                hint: setting.telling.hint(peak),
            };
            world.on(Event::Added(spec), None, setting)?;
        }
        world.on(Event::SourceDrained, None, setting)?;
        world.read(true, setting)?;
        Ok(world)
    }

    pub(super) fn is_over(&self) -> bool {
        self.scheduler.is_finished()
    }

    pub(super) fn milliseconds(&self) -> u64 {
        u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn endings(&self) -> u64 {
        self.scheduler.counts().preemptions
    }

    pub(super) fn used(&self) -> u64 {
        self.tasks.iter().map(Task::uses).sum()
    }

    pub(super) fn budget(&self) -> u64 {
        BUDGET - self.foreign.map_or(0, |_| FOREIGN)
    }

    /// Lets one of [`World::steps`] happen.
    ///
    /// # Errors
    /// The promise that was broken.
    pub(super) fn take(&mut self, step: Step, setting: &Setting) -> Result<(), String> {
        match step {
            Step::Read { grow, readable } => {
                self.mishaps -= u8::from(!readable);
                self.now += TICK;
                if self.now > ENDLESS + self.suspended {
                    return Err("the run does not end".into());
                }
                self.foreign = self.foreign.map(|readings| readings + 1);
                self.grow(grow, setting);
                self.kill(setting)?;
                self.read(readable, setting)
            }
            Step::Exit { task, exit } => {
                let by_mishap = match exit {
                    Exit::Failure | Exit::Victim => 1,
                    Exit::Success | Exit::Ended | Exit::Refused => 0,
                };
                self.mishaps -= by_mishap;
                self.exit(usize::from(task), exit, setting)
            }
            Step::Checkpoint => {
                self.checkpoint = false;
                self.on(Event::SessionMemory(Some(self.used())), None, setting)
            }
            Step::Take => {
                self.mishaps -= 1;
                self.foreign = Some(0);
                Ok(())
            }
            Step::GiveBack => {
                self.foreign = None;
                Ok(())
            }
            Step::Suspend => {
                // Tasks and memory are as they were: only the clock has gone on.
                self.mishaps -= 1;
                self.now += SUSPENSION;
                self.suspended += SUSPENSION;
                Ok(())
            }
            Step::Stop => {
                self.mishaps -= 1;
                self.stopped = true;
                self.on(Event::StopRequested, None, setting)
            }
        }
    }

    /// The champion grows first, as the brake lets it; with a brake nothing grows past the limit.
    fn grow(&mut self, grow: u8, setting: &Setting) {
        let champion = self.champion();
        let mut used = self.used();
        let budget = self.budget();
        let others = (0..self.tasks.len()).filter(|&task| Some(task) != champion);
        for number in champion.into_iter().chain(others) {
            let Some(task) = self.tasks.get_mut(number) else {
                continue;
            };
            task.held = false;
            if let Place::Ending(left) = &mut task.place {
                *left = left.saturating_sub(1);
            }
            if task.place != Place::Running {
                continue;
            }
            if grow & (1 << number) == 0 {
                task.pauses = task.pauses.saturating_sub(1);
                continue;
            }
            let more = task.peak / u64::from(GROWN) - task.part;
            let room = budget.saturating_sub(used);
            if setting.manner.brake && more > room {
                // It takes what there is and waits for the rest.
                task.held = true;
                task.part += room;
                used += room;
            } else {
                task.grown += 1;
                task.part = 0;
                used += more;
            }
        }
    }

    /// Where nothing brakes, the kernel kills the largest when more is used than there is.
    fn kill(&mut self, setting: &Setting) -> Result<(), String> {
        while !setting.manner.brake && self.used() > BUDGET + RESERVE {
            let tasks = self.tasks.iter().enumerate();
            let Some((largest, _)) = tasks.max_by_key(|(_, task)| task.uses()) else {
                return Ok(());
            };
            self.exit(largest, Exit::Victim, setting)?;
        }
        Ok(())
    }

    fn exit(&mut self, number: usize, exit: Exit, setting: &Setting) -> Result<(), String> {
        let task = (self.tasks.get(number)).ok_or("an exit of no task")?;
        let id = TaskId(number as u64);
        let by_itself = exit == Exit::Success || !matches!(task.place, Place::Ending(_));
        self.exits += u64::from(by_itself);
        let event = Event::Exited {
            task: id,
            exit,
            peak_bytes: task.uses(),
        };
        self.on(event, Some((number, exit)), setting)
    }

    fn read(&mut self, readable: bool, setting: &Setting) -> Result<(), String> {
        if !readable {
            return self.on(Event::Unread, None, setting);
        }
        for task in &mut self.tasks {
            task.read = task.uses();
        }
        let tasks: Vec<TaskReading> = (0..)
            .zip(&self.tasks)
            .filter(|(_, task)| task.is_active())
            .map(|(id, task)| TaskReading {
                task: TaskId(id),
                use_bytes: task.uses(),
                at_wall: task.held,
                busy_cores: if task.place == Place::Running && !task.held {
                    0.9
                } else {
                    0.0
                },
            })
            .collect();
        let reading = Reading {
            budget_bytes: self.budget(),
            undisturbed_bytes: BUDGET,
            used_bytes: self.used(),
            tasks: &tasks,
        };
        self.on(Event::Reading(reading), None, setting)
    }

    /// Hands an event over, carries out what follows, and checks both.
    fn on(
        &mut self,
        event: Event<'_>,
        exited: Option<(usize, Exit)>,
        setting: &Setting,
    ) -> Result<(), String> {
        let champion = self.champion();
        let mut actions = Vec::new();
        self.scheduler.on(event, self.now, &mut actions);
        if let Some((number, _)) = exited
            && let Some(task) = self.tasks.get_mut(number)
        {
            task.place = Place::Waiting;
            (task.grown, task.part, task.held) = (0, 0, false);
            task.read = 0;
        }
        for action in &actions {
            rules::check_action(self, action, champion, exited, setting)?;
            self.carry_out(action);
        }
        rules::check_state(self, champion, &actions)
    }

    fn carry_out(&mut self, action: &Action) {
        let (task, place) = match action {
            Action::Start { task, attempt } => {
                if let Some(started) = self.tasks.get_mut(task.0 as usize) {
                    started.attempts = *attempt;
                }
                (task, Place::Running)
            }
            Action::Freeze { task } => (task, Place::Frozen),
            Action::Thaw { task } => (task, Place::Running),
            Action::End { task, .. } => (task, Place::Ending(LATENESS)),
            Action::Conclude { task, outcome } => (task, Place::Final(outcome.clone())),
            Action::Checkpoint { .. } => {
                self.checkpoint = true;
                return;
            }
            Action::Reclaim
            | Action::Batch { .. }
            | Action::OneByOne(_)
            | Action::SideBySide { .. } => return,
        };
        if let Some(task) = self.tasks.get_mut(task.0 as usize) {
            task.place = place;
        }
    }

    /// Whether everything came to the end that it should have.
    ///
    /// # Errors
    /// The promise that was broken.
    pub(super) fn check_end(&self, setting: &Setting) -> Result<(), String> {
        rules::check_end(self, setting)
    }

    pub(super) fn champion(&self) -> Option<usize> {
        self.scheduler
            .champion()
            .and_then(|id| usize::try_from(id.0).ok())
    }
}
