//! A simulated world with noise: whatever the grade and the brake, a run whose tasks each fit
//! alone ends, and where all may be restarted, ends well.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::{Model, Place, Random};
use saferun_scheduler::{
    Action, Config, Event, Exit, Outcome, Preempt, Reading, Strategy, TaskId, TaskReading, TaskSpec,
};

const MIB: u64 = 1 << 20;
const BUDGET: u64 = 600 * MIB;
const STEP: Duration = Duration::from_millis(5);
/// No run of these sizes takes as long, even one task at a time and with every ending.
const ENDLESS: Duration = Duration::from_secs(600);

/// A task as the world knows it.
struct Work {
    spec: TaskSpec,
    peak: u64,
    steps: u64,
    /// The part of its steps over which it grows; the growth begins after `quiet` of them.
    ramp: u64,
    quiet: u64,
    /// Failures before it succeeds.
    failures: u32,
}

struct Process {
    task: usize,
    worked: u64,
    used: u64,
    held: bool,
    frozen: bool,
    dies_at: Option<Duration>,
    attempt: u32,
}

struct World {
    model: Model,
    random: Random,
    works: Vec<Work>,
    processes: Vec<Process>,
    handed: usize,
    /// Foreign memory, taken from the budget for a while.
    foreign: u64,
    kernel_kills: u64,
}

impl World {
    fn new(seed: u64, config: Config, works: Vec<Work>) -> Self {
        Self {
            model: Model::new(config),
            random: Random(seed),
            works,
            processes: Vec::new(),
            handed: 0,
            foreign: 0,
            kernel_kills: 0,
        }
    }

    fn run(&mut self) {
        self.read();
        let mut due = Duration::ZERO;
        loop {
            self.hand_over();
            if self.model.scheduler.is_finished() {
                break;
            }
            self.model.now += STEP;
            assert!(
                self.model.now < ENDLESS,
                "hangs: {:#?}",
                self.model.scheduler
            );
            self.work();
            self.reap();
            if self.model.now >= due {
                self.read();
            }
            let wait = self.model.scheduler.next_reading(self.model.now);
            due = self.model.now + wait.unwrap_or(Duration::from_secs(1));
        }
        assert!(self.model.tasks.is_empty());
        assert_eq!(self.model.joined, self.works.len() as u64);
    }

    fn hand_over(&mut self) {
        while self.handed < self.works.len() && self.model.scheduler.wants_tasks() > 0 {
            let spec = self.works[self.handed].spec.clone();
            self.handed += 1;
            self.on(Event::Added(spec));
        }
        if self.handed == self.works.len() {
            self.on(Event::SourceDrained);
        }
    }

    fn on(&mut self, event: Event<'_>) {
        self.model.on(event);
        let now = self.model.now;
        for action in self.model.actions.clone() {
            match action {
                Action::Start { task, attempt } => self.processes.push(Process {
                    task: task.0 as usize,
                    worked: 0,
                    used: 0,
                    held: false,
                    frozen: false,
                    dies_at: None,
                    attempt,
                }),
                Action::Freeze { task } => self.with(task, |process| process.frozen = true),
                Action::Thaw { task } => self.with(task, |process| process.frozen = false),
                Action::End { task, .. } => {
                    let delay = Duration::from_millis(4 + self.random.below(22));
                    self.with(task, |process| process.dies_at = Some(now + delay));
                }
                Action::Reclaim | Action::Conclude { .. } => {}
            }
        }
    }

    /// One that has just exited by itself may be gone, its exit not handed over yet.
    fn with(&mut self, task: TaskId, act: impl FnOnce(&mut Process)) {
        let mut processes = self.processes.iter_mut();
        if let Some(process) = processes.find(|process| process.task == task.0 as usize) {
            act(process);
        }
    }

    fn used(&self) -> u64 {
        self.processes.iter().map(|process| process.used).sum()
    }

    /// Each process works one step, the champion first; with a brake none grows past the budget.
    fn work(&mut self) {
        if self.random.one_in(400) {
            self.foreign = self.random.below(300) * MIB;
        }
        if self.random.one_in(100) {
            self.foreign = 0;
        }
        let brake = self.model.config.brake;
        let limit = if brake {
            BUDGET - self.foreign
        } else {
            u64::MAX
        };
        let mut used = self.used();
        let champion = self.model.scheduler.champion();
        self.processes
            .sort_by_key(|process| Some(TaskId(process.task as u64)) != champion);
        for process in &mut self.processes {
            process.held = false;
            if process.frozen || process.dies_at.is_some() {
                continue;
            }
            let work = &self.works[process.task];
            let grown = (process.worked + 1)
                .saturating_sub(work.quiet)
                .min(work.ramp);
            let wanted = (work.peak * grown / work.ramp).saturating_sub(process.used);
            if wanted > 0 && used + wanted > limit {
                process.held = true;
                continue;
            }
            process.used += wanted;
            used += wanted;
            process.worked += 1;
        }
    }

    fn reap(&mut self) {
        // The kernel kills the largest when more is used than there is.
        let mut killed = None;
        if self.used() > BUDGET {
            killed = (0..self.processes.len()).max_by_key(|&place| self.processes[place].used);
            self.kernel_kills += 1;
        }
        let mut exits = Vec::new();
        let mut place = 0;
        self.processes.retain(|process| {
            let work = &self.works[process.task];
            let is_killed = killed == Some(place);
            place += 1;
            let exit = if is_killed {
                Exit::Victim
            } else if process.dies_at.is_some_and(|at| at <= self.model.now) {
                Exit::Ended
            } else if process.worked >= work.steps {
                if process.attempt <= work.failures {
                    Exit::Failure
                } else {
                    Exit::Success
                }
            } else {
                return true;
            };
            exits.push((TaskId(process.task as u64), exit, process.used));
            false
        });
        for (task, exit, peak_bytes) in exits {
            self.on(Event::Exited {
                task,
                exit,
                peak_bytes,
            });
        }
    }

    fn read(&mut self) {
        let random = &mut self.random;
        let noise = |random: &mut Random, bytes: u64| bytes + random.below(1 + bytes / 200);
        let tasks: Vec<TaskReading> = (self.processes.iter())
            .map(|process| TaskReading {
                task: TaskId(process.task as u64),
                use_bytes: noise(random, process.used),
                at_wall: process.held,
                busy_cores: if process.frozen || process.held {
                    0.0
                } else {
                    0.9
                },
            })
            .collect();
        let used = self.used();
        let used_bytes = noise(&mut self.random, used).min(BUDGET);
        self.on(Event::Reading(Reading {
            budget_bytes: BUDGET - self.foreign,
            undisturbed_bytes: BUDGET,
            used_bytes,
            tasks: &tasks,
        }));
    }
}

fn random_works(random: &mut Random, count: u64, restartable: bool) -> Vec<Work> {
    (0..count)
        .map(|id| {
            let largest = if random.one_in(10) { 550 } else { 250 };
            let peak = (10 + random.below(largest)) * MIB;
            let steps = 20 + random.below(200);
            let quiet = if random.one_in(3) {
                random.below(steps / 2)
            } else {
                0
            };
            let failures = if random.one_in(10) {
                1 + random.below(2) as u32
            } else {
                0
            };
            Work {
                spec: TaskSpec {
                    id: TaskId(id),
                    declared_bytes: if random.one_in(10) { Some(peak) } else { None },
                    restartable: restartable || !random.one_in(3),
                    retries: failures,
                    kind: Some(random.below(3)),
                },
                peak,
                steps,
                // No faster than a brakeless driver can follow.
                ramp: (1 + random.below(steps / 2))
                    .max(peak / (2 * MIB))
                    .min(steps - quiet),
                quiet,
                failures: 0,
            }
        })
        .map(|work| Work {
            failures: work.spec.retries,
            ..work
        })
        .collect()
}

fn random_config(random: &mut Random) -> Config {
    Config {
        preempt: if random.one_in(2) {
            Preempt::Last
        } else {
            Preempt::Eager
        },
        brake: true,
        concurrency: if random.one_in(4) {
            NonZeroUsize::new(1 + random.below(6) as usize)
        } else {
            None
        },
        strategy: if random.one_in(8) {
            Strategy::Sequential
        } else {
            Strategy::Continuous
        },
        cores: NonZeroUsize::new(64).unwrap(),
        ..Config::default()
    }
}

/// How many of the attempts were restarted decides nothing: with a brake every task that fits
/// alone and may be restarted is done.
#[test]
fn with_a_brake_everything_that_fits_alone_is_done() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let count = 5 + random.below(40);
        let works = random_works(&mut random, count, true);
        let mut world = World::new(seed, random_config(&mut random), works);
        world.run();
        let failed = world
            .model
            .concluded
            .iter()
            .find(|(_, outcome)| *outcome != Outcome::Done);
        assert_eq!(failed, None, "seed {seed}");
    }
}

/// Some may not be ended, or none: then some may be given up, but the run ends.
#[test]
fn with_tasks_that_may_not_be_ended_the_run_ends() {
    for seed in 0..60 {
        let mut random = Random(1000 + seed);
        let count = 5 + random.below(40);
        let works = random_works(&mut random, count, false);
        let mut config = random_config(&mut random);
        if random.one_in(2) {
            config.preempt = Preempt::Never;
        }
        let mut world = World::new(seed, config, works);
        world.run();
        for (_, outcome) in &world.model.concluded {
            assert!(
                matches!(outcome, Outcome::Done | Outcome::GivenUp(_)),
                "seed {seed}"
            );
        }
    }
}

/// Without a brake the kernel may kill, and its victims are run again.
#[test]
fn without_a_brake_the_run_ends() {
    let (mut kills, mut lost, mut tasks) = (0, 0, 0);
    for seed in 0..60 {
        let mut random = Random(2000 + seed);
        let count = 5 + random.below(40);
        let works = random_works(&mut random, count, true);
        let mut config = random_config(&mut random);
        config.brake = false;
        let mut world = World::new(seed, config, works);
        world.run();
        kills += world.kernel_kills;
        tasks += count;
        lost += world
            .model
            .concluded
            .iter()
            .filter(|(_, outcome)| *outcome != Outcome::Done)
            .count();
    }
    eprintln!("{kills} kills, {lost} of {tasks} tasks lost");
    assert!(kills * 20 < tasks, "{kills} kernel kills for {tasks} tasks");
    assert_eq!(lost, 0);
}

/// The first of them wants more than there ever is; the rest does not suffer.
#[test]
fn what_does_not_fit_alone_is_given_up_and_the_rest_is_done() {
    for preempt in [Preempt::Last, Preempt::Eager] {
        for seed in 0..10 {
            let mut random = Random(3000 + seed);
            let mut works = random_works(&mut random, 12, true);
            works[0].spec.declared_bytes = None;
            works[0].peak = 2 * BUDGET;
            works[0].ramp = works[0].ramp.max(works[0].steps - works[0].quiet);
            let config = Config {
                preempt,
                cores: NonZeroUsize::new(64).unwrap(),
                ..Config::default()
            };
            let mut world = World::new(seed, config, works);
            world.run();
            for (task, outcome) in &world.model.concluded {
                let is_greedy = *task == TaskId(0);
                assert_eq!(
                    matches!(outcome, Outcome::GivenUp(_)),
                    is_greedy,
                    "seed {seed}: {outcome:?}"
                );
            }
        }
    }
}

/// A stop at any moment: everything has its outcome, and nothing is started after it.
#[test]
fn a_stop_at_any_moment_ends_the_run() {
    for seed in 0..40 {
        let mut random = Random(4000 + seed);
        let works = random_works(&mut random, 30, true);
        let mut world = World::new(seed, random_config(&mut random), works);
        world.read();
        let stop_at = STEP * random.below(400) as u32;
        while !world.model.scheduler.is_finished() {
            world.hand_over();
            world.model.now += STEP;
            assert!(
                world.model.now < stop_at + Duration::from_secs(1),
                "goes on after the stop"
            );
            world.work();
            world.reap();
            world.read();
            if world.model.now >= stop_at && !world.model.stop_requested {
                world.on(Event::StopRequested);
                let is_ending = |task: &model::Task| matches!(task.place, Place::Ending(_));
                assert!(world.model.tasks.values().all(is_ending));
            }
        }
        assert_eq!(world.model.concluded.len(), 30);
    }
}
