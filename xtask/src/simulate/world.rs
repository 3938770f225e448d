//! The simulated machine: tasks that want memory, a wall, kills and starts that take time.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, Hint, Order, Outcome, Preempt, Reading, Scheduler,
    Strategy, TaskId, TaskReading, TaskSpec,
};

use super::demand::{Demand, Shape};
use super::random::Random;

/// The world moves in steps of so many milliseconds.
const STEP_MS: u64 = 5;
const STEP: f64 = STEP_MS as f64 / 1000.0;
/// A start and a kill take so many steps.
const DELAY_STEPS: u64 = 2;
/// Memory is touched at no more than so many MiB per second.
const FASTEST: f64 = 3.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;
/// A run that takes so many times as long as its tasks one by one, and a thousand seconds more,
/// hangs.
const ENDLESS: f64 = 50.0;

/// What came of one run.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Result {
    /// Seconds of virtual time.
    pub(crate) makespan: f64,
    pub(crate) restarts: u64,
    pub(crate) done: u64,
    pub(crate) given_up: u64,
    /// The highest use over the budget.
    pub(crate) peak: f64,
    /// MiB-seconds of attempts that were ended.
    pub(crate) wasted: f64,
    pub(crate) events: u64,
    /// Readings among them.
    pub(crate) readings: u64,
}

/// How a run is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// In MiB.
    pub(crate) budget: f64,
    pub(crate) cores: usize,
    pub(crate) preempt: Preempt,
    pub(crate) brake: bool,
    pub(crate) strategy: Strategy,
    pub(crate) jobs: Option<NonZeroUsize>,
    pub(crate) order: Order,
    /// With hints that are off by so large a share; without any if not given.
    pub(crate) warm: Option<f64>,
    /// The seed of those errors.
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Life {
    Starting(u64),
    Running,
    Dying(u64),
}

#[derive(Debug)]
struct Process {
    task: usize,
    life: Life,
    frozen: bool,
    work: f64,
    used: f64,
    peak: f64,
    /// MiB-seconds.
    area: f64,
    at_wall: bool,
    busy: f64,
}

/// Runs the tasks to their end in virtual time.
pub(crate) fn simulate(tasks: &[Demand], setting: Setting) -> Result {
    World::new(tasks, setting).run()
}

/// The same, with the time that the scheduler itself took.
pub(crate) fn simulate_timed(tasks: &[Demand], setting: Setting) -> (Result, Duration) {
    let mut world = World::new(tasks, setting);
    world.deciding = Some(Duration::ZERO);
    world.run_on();
    (world.result, world.deciding.unwrap_or_default())
}

struct World<'a> {
    tasks: &'a [Demand],
    setting: Setting,
    scheduler: Scheduler,
    processes: Vec<Process>,
    actions: Vec<Action>,
    readings: Vec<TaskReading>,
    step: u64,
    handed: usize,
    /// A checkpoint that was asked for and not reported.
    checkpoint: bool,
    errors: Random,
    /// The curve of the shape that came last: mostly that of the next one too.
    curve: Option<(Shape, [u8; Hint::STEPS])>,
    /// The time in seconds from which the run counts as hanging.
    endless: f64,
    /// The time that the scheduler took, where that is asked for.
    deciding: Option<Duration>,
    result: Result,
}

impl<'a> World<'a> {
    fn new(tasks: &'a [Demand], setting: Setting) -> Self {
        let scheduler = Scheduler::new(Config {
            preempt: setting.preempt,
            cores: setting.cores.try_into().expect("there is a core"),
            brake: setting.brake,
            strategy: setting.strategy,
            concurrency: setting.jobs,
            order: setting.order,
            ..Config::default()
        });
        Self {
            tasks,
            setting,
            scheduler,
            processes: Vec::new(),
            actions: Vec::new(),
            readings: Vec::new(),
            step: 0,
            handed: 0,
            checkpoint: false,
            errors: Random::new(!setting.seed),
            curve: None,
            endless: 1000.0 + ENDLESS * tasks.iter().map(|task| task.seconds).sum::<f64>(),
            deciding: None,
            result: Result::default(),
        }
    }

    fn run(mut self) -> Result {
        self.run_on();
        self.result
    }

    fn run_on(&mut self) {
        self.read();
        let mut due = self.next_due();
        loop {
            self.hand_over();
            if std::mem::take(&mut self.checkpoint) {
                // Nothing runs then, and nobody else is here.
                self.on(Event::SessionMemory(Some(0)));
            }
            if self.scheduler.is_finished() {
                break;
            }
            self.step += 1;
            assert!(
                self.now().as_secs_f64() < self.endless,
                "the run hangs: {:?}",
                self.scheduler
            );
            self.let_pass();
            if self.step >= due {
                self.read();
                due = self.next_due();
            } else {
                due = due.min(self.next_due());
            }
        }
        self.result.makespan = self.now().as_secs_f64();
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.step * STEP_MS)
    }

    fn next_due(&self) -> u64 {
        let wait = self
            .scheduler
            .next_reading(self.now())
            .unwrap_or(Duration::from_secs(1));
        self.step + (wait.as_millis() as u64).div_ceil(STEP_MS).max(1)
    }

    fn on(&mut self, event: Event<'_>) {
        self.result.events += 1;
        let mut actions = std::mem::take(&mut self.actions);
        let began = self.deciding.map(|_| Instant::now());
        self.scheduler.on(event, self.now(), &mut actions);
        if let (Some(sum), Some(began)) = (&mut self.deciding, began) {
            *sum += began.elapsed();
        }
        for action in actions.drain(..) {
            self.act(action);
        }
        self.actions = actions;
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Start { task, attempt } => {
                self.result.restarts += u64::from(attempt > 1);
                self.processes.push(Process {
                    task: task.0 as usize,
                    life: Life::Starting(self.step + DELAY_STEPS),
                    frozen: false,
                    work: 0.0,
                    used: 0.0,
                    peak: 0.0,
                    area: 0.0,
                    at_wall: false,
                    busy: 1.0,
                });
            }
            Action::Freeze { task } => self.process(task).frozen = true,
            Action::Thaw { task } => self.process(task).frozen = false,
            Action::Reclaim
            | Action::Batch { .. }
            | Action::OneByOne(_)
            | Action::SideBySide { .. } => {}
            Action::Checkpoint { .. } => self.checkpoint = true,
            Action::End { task, cause } => {
                let until = self.step + DELAY_STEPS;
                self.process(task).life = Life::Dying(until);
                assert_ne!(cause, EndCause::Stop, "nobody stops this run");
            }
            Action::Conclude { outcome, .. } => match outcome {
                Outcome::Done => self.result.done += 1,
                Outcome::GivenUp(_) => self.result.given_up += 1,
                Outcome::Failed | Outcome::Skipped(_) => unreachable!("{outcome:?}"),
            },
        }
    }

    fn process(&mut self, task: TaskId) -> &mut Process {
        let found = self
            .processes
            .iter_mut()
            .find(|process| process.task == task.0 as usize);
        found.expect("the scheduler acts on what is active")
    }

    fn hand_over(&mut self) {
        while self.handed < self.tasks.len() && self.scheduler.wants_tasks() > 0 {
            let demand = &self.tasks[self.handed];
            let task = TaskSpec {
                id: TaskId(self.handed as u64),
                declared_bytes: None,
                restartable: true,
                retries: 0,
                kind: Some(demand.kind),
                hint: self.setting.warm.map(|error| {
                    let curve = match self.curve {
                        Some((shape, curve)) if shape == demand.shape => curve,
                        _ => demand.shape.curve(),
                    };
                    self.curve = Some((demand.shape, curve));
                    demand.hint(curve, error, &mut self.errors)
                }),
            };
            self.handed += 1;
            self.on(Event::Added(task));
            if self.handed == self.tasks.len() {
                self.on(Event::SourceDrained);
            }
        }
    }

    fn let_pass(&mut self) {
        self.advance();
        let used: f64 = self.processes.iter().map(|process| process.used).sum();
        self.result.peak = self.result.peak.max(used / self.setting.budget);
        let mut place = 0;
        while place < self.processes.len() {
            let process = &self.processes[place];
            let exit = match process.life {
                Life::Dying(until) if self.step >= until => Exit::Ended,
                Life::Running if process.work >= self.tasks[process.task].seconds => Exit::Success,
                _ => {
                    place += 1;
                    continue;
                }
            };
            let gone = self.processes.remove(place);
            let peak_bytes = (gone.peak * MIB) as u64;
            if exit == Exit::Ended {
                self.result.wasted += gone.area;
            }
            self.on(Event::Exited {
                task: TaskId(gone.task as u64),
                exit,
                peak_bytes,
            });
        }
    }

    /// One step of work: the champion gets memory first, the others in the order of their start.
    fn advance(&mut self) {
        for process in &mut self.processes {
            if matches!(process.life, Life::Starting(until) if self.step >= until) {
                process.life = Life::Running;
            }
        }
        let runs = |process: &Process| process.life == Life::Running && !process.frozen;
        let running = self
            .processes
            .iter()
            .filter(|process| runs(process))
            .count();
        let speed = (self.setting.cores as f64 / running.max(1) as f64).min(1.0);
        let mut room = if self.setting.brake {
            let used: f64 = self.processes.iter().map(|process| process.used).sum();
            (self.setting.budget - used).max(0.0)
        } else {
            f64::INFINITY
        };
        let champion = self.scheduler.champion().map(|task| task.0 as usize);
        let first = self
            .processes
            .iter()
            .position(|process| Some(process.task) == champion);
        let places = first
            .into_iter()
            .chain((0..self.processes.len()).filter(|p| Some(*p) != first));
        for place in places {
            let process = &mut self.processes[place];
            process.at_wall = false;
            process.area += process.used * STEP;
            if !runs(process) {
                process.busy = 0.0;
                continue;
            }
            let demand = &self.tasks[process.task];
            let wanted = demand.at(process.work + STEP * speed) - process.used;
            // Less than a byte is a matter of rounding, not of memory.
            let wanted = if wanted.abs() < 1e-6 { 0.0 } else { wanted };
            let granted = wanted.min(FASTEST * STEP).min(room);
            let part = if wanted > 0.0 { granted / wanted } else { 1.0 };
            process.at_wall = wanted > 0.0 && room < wanted.min(FASTEST * STEP);
            process.used += granted;
            process.peak = process.peak.max(process.used);
            process.work += STEP * speed * part;
            process.busy = speed * part;
            room -= granted;
        }
    }

    fn read(&mut self) {
        self.result.readings += 1;
        let mut readings = std::mem::take(&mut self.readings);
        readings.clear();
        readings.extend(self.processes.iter().map(|process| TaskReading {
            task: TaskId(process.task as u64),
            use_bytes: (process.used * MIB) as u64,
            at_wall: process.at_wall,
            busy_cores: process.busy,
        }));
        let used: f64 = self.processes.iter().map(|process| process.used).sum();
        let budget_bytes = (self.setting.budget * MIB) as u64;
        self.on(Event::Reading(Reading {
            budget_bytes,
            undisturbed_bytes: budget_bytes,
            used_bytes: (used * MIB) as u64,
            tasks: &readings,
        }));
        self.readings = readings;
    }
}
