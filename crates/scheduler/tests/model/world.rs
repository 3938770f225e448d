//! A small noisy world: tasks that grow, a wall, endings and kills that take time, foreign memory.

use std::time::Duration;

use saferun_scheduler::{Action, Config, Event, Exit, Reading, TaskId, TaskReading, TaskSpec};

use super::{Model, Random};

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BUDGET: u64 = 600 * MIB;
pub(crate) const STEP: Duration = Duration::from_millis(5);
/// No run of these sizes takes as long, even one task at a time and with every ending.
pub(crate) const ENDLESS: Duration = Duration::from_secs(600);

/// A task as the world knows it.
pub(crate) struct Work {
    pub(crate) spec: TaskSpec,
    pub(crate) peak: u64,
    pub(crate) steps: u64,
    /// The part of its steps over which it grows; the growth begins after `quiet` of them.
    pub(crate) ramp: u64,
    pub(crate) quiet: u64,
    /// Failures before it succeeds.
    pub(crate) failures: u32,
}

pub(crate) struct Process {
    pub(crate) task: usize,
    pub(crate) worked: u64,
    pub(crate) used: u64,
    pub(crate) held: bool,
    pub(crate) frozen: bool,
    pub(crate) dies_at: Option<Duration>,
    pub(crate) attempt: u32,
}

pub(crate) struct World {
    pub(crate) model: Model,
    pub(crate) random: Random,
    pub(crate) works: Vec<Work>,
    pub(crate) processes: Vec<Process>,
    pub(crate) handed: usize,
    /// Foreign memory, taken from the budget for a while.
    pub(crate) foreign: u64,
    pub(crate) kernel_kills: u64,
    /// A checkpoint that was asked for and not reported.
    checkpoint: bool,
    /// What others in the session hold besides the tasks.
    pub(crate) session: u64,
    /// Whether memory can't be read for a while.
    pub(crate) blind: bool,
}

impl World {
    pub(crate) fn new(seed: u64, config: Config, works: Vec<Work>) -> Self {
        Self {
            model: Model::new(config),
            random: Random(seed),
            works,
            processes: Vec::new(),
            handed: 0,
            foreign: 0,
            kernel_kills: 0,
            checkpoint: false,
            session: 0,
            blind: false,
        }
    }

    pub(crate) fn run(&mut self) {
        self.read();
        let (mut due, mut session_due) = (Duration::ZERO, Duration::ZERO);
        loop {
            self.hand_over();
            if self.checkpoint || self.model.now >= session_due {
                self.read_session();
                session_due = self.model.now + Duration::from_millis(100);
            }
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
        assert!(!self.checkpoint, "the last checkpoint was not waited for");
        assert!(self.model.tasks.is_empty());
        assert_eq!(self.model.joined, self.works.len() as u64);
    }

    pub(crate) fn hand_over(&mut self) {
        while self.handed < self.works.len() && self.model.scheduler.wants_tasks() > 0 {
            let spec = self.works[self.handed].spec.clone();
            self.handed += 1;
            self.on(Event::Added(spec));
        }
        if self.handed == self.works.len() {
            self.on(Event::SourceDrained);
        }
    }

    pub(crate) fn on(&mut self, event: Event<'_>) {
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
                Action::Checkpoint { .. } => self.checkpoint = true,
                Action::Reclaim
                | Action::Conclude { .. }
                | Action::Batch { .. }
                | Action::OneByOne(_)
                | Action::SideBySide { .. } => {}
            }
        }
    }

    /// One that has just exited by itself may be gone, its exit not handed over yet.
    pub(crate) fn with(&mut self, task: TaskId, act: impl FnOnce(&mut Process)) {
        let mut processes = self.processes.iter_mut();
        if let Some(process) = processes.find(|process| process.task == task.0 as usize) {
            act(process);
        }
    }

    pub(crate) fn used(&self) -> u64 {
        self.processes.iter().map(|process| process.used).sum()
    }

    /// Each process works one step, the champion first; with a brake none grows past the budget.
    pub(crate) fn work(&mut self) {
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

    pub(crate) fn reap(&mut self) {
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

    /// What the session holds: its tasks and, now and then, something else.
    fn read_session(&mut self) {
        self.checkpoint = false;
        if self.random.one_in(20) {
            self.session = self.random.below(300) * MIB;
        }
        let known = !self.random.one_in(200);
        let bytes = known.then(|| self.used() + self.session);
        self.on(Event::SessionMemory(bytes));
    }

    pub(crate) fn read(&mut self) {
        // Never for so long that nothing can come of it.
        self.blind = !self.blind && self.random.one_in(50);
        if self.blind {
            return self.on(Event::Unread);
        }
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
