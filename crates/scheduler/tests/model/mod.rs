//! A driver's view of a run: what may follow what. Every action is checked against it, and the
//! scheduler's own invariants are checked after every event.

#![allow(dead_code, reason = "each test uses its own part of the model")]

mod batches;
pub(crate) mod steps;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, GiveUpReason, Outcome, Preempt, Scheduler, Strategy,
    TaskId, TaskSpec,
};

/// Small reproducible random numbers (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    pub(crate) fn share(&mut self) -> f64 {
        self.below(1 << 30) as f64 / (1u64 << 30) as f64
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting,
    Running,
    Frozen,
    Ending(EndCause),
    /// Its attempt has just exited; the same event either concludes it or leaves it waiting.
    Exited(Exit),
    Final,
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) spec: TaskSpec,
    pub(crate) place: Place,
    pub(crate) attempts: u32,
    pub(crate) last_exit: Option<Exit>,
    thawed: Option<Duration>,
}

pub(crate) struct Model {
    pub(crate) scheduler: Scheduler,
    pub(crate) config: Config,
    /// The tasks that have no final state yet.
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    /// The final states of the others, in the order of their conclusion.
    pub(crate) concluded: Vec<(TaskId, Outcome)>,
    /// Tasks that ever joined.
    pub(crate) joined: u64,
    pub(crate) now: Duration,
    pub(crate) stop_requested: bool,
    pub(crate) events: u64,
    batches: batches::Batches,
    /// The last actions, for whoever carries them out.
    pub(crate) actions: Vec<Action>,
}

impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            scheduler: Scheduler::new(config.clone()),
            config,
            tasks: BTreeMap::new(),
            concluded: Vec::new(),
            joined: 0,
            now: Duration::ZERO,
            stop_requested: false,
            events: 0,
            batches: batches::Batches::default(),
            actions: Vec::new(),
        }
    }

    /// Hands one event over and checks everything that follows.
    pub(crate) fn on(&mut self, event: Event<'_>) {
        self.events += 1;
        let champion = self.scheduler.champion();
        match &event {
            Event::Added(spec) => {
                if !self.tasks.contains_key(&spec.id) {
                    self.joined += 1;
                    let task = Task {
                        spec: spec.clone(),
                        place: Place::Waiting,
                        attempts: 0,
                        last_exit: None,
                        thawed: None,
                    };
                    self.tasks.insert(spec.id, task);
                }
            }
            Event::Exited { task, exit, .. } => {
                if let Some(task) = self.tasks.get_mut(task)
                    && task.is_active()
                {
                    task.last_exit = Some(*exit);
                    task.place = Place::Exited(*exit);
                }
            }
            Event::StopRequested => self.stop_requested = true,
            Event::SourceDrained | Event::Reading(_) | Event::Unread | Event::SessionMemory(_) => {}
        }
        let exited = match event {
            Event::Exited { task, .. } => Some(task),
            _ => None,
        };
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        self.scheduler.on(event, self.now, &mut actions);
        for action in &actions {
            self.check_batches(action);
            self.check(action, champion);
        }
        self.actions = actions;
        if let Some(task) = exited.and_then(|id| self.tasks.get_mut(&id))
            && matches!(task.place, Place::Exited(_))
        {
            task.place = Place::Waiting;
        }
        self.tasks.retain(|_, task| task.place != Place::Final);
        self.check_state();
    }

    fn check(&mut self, action: &Action, champion: Option<TaskId>) {
        let (config, now, stopped) = (&self.config, self.now, self.stop_requested);
        let unlimited = config.strategy == Strategy::Unlimited;
        let tasks = &mut self.tasks;
        match action {
            Action::Start { task, attempt } => {
                let task = tasks.get_mut(task).expect("the task exists");
                assert!(!stopped, "nothing is started after a stop");
                assert!(
                    matches!(task.place, Place::Waiting | Place::Exited(_)),
                    "{task:?}"
                );
                task.attempts += 1;
                assert_eq!(*attempt, task.attempts);
                task.place = Place::Running;
            }
            Action::Freeze { task } => {
                assert_ne!(Some(*task), champion, "the champion is never frozen");
                let task = tasks.get_mut(task).expect("the task exists");
                assert_eq!(task.place, Place::Running);
                assert!(!unlimited);
                task.place = Place::Frozen;
            }
            Action::Thaw { task } => {
                let task = tasks.get_mut(task).expect("the task exists");
                assert_eq!(task.place, Place::Frozen);
                let since = task.thawed.map(|thawed| now - thawed);
                assert!(
                    since.is_none_or(|since| since >= Duration::from_secs(1)),
                    "oscillates"
                );
                task.thawed = Some(now);
                task.place = Place::Running;
            }
            Action::Reclaim => assert!(!unlimited),
            Action::Checkpoint { .. }
            | Action::Batch { .. }
            | Action::OneByOne(_)
            | Action::SideBySide { .. } => {}
            Action::End { task: id, cause } => {
                let is_champion = Some(*id) == champion;
                let task = tasks.get_mut(id).expect("the task exists");
                assert!(
                    matches!(task.place, Place::Running | Place::Frozen),
                    "{task:?}"
                );
                if let EndCause::Preempt { .. } = cause {
                    assert!(!is_champion, "the champion is never ended");
                    assert!(task.spec.restartable && config.preempt != Preempt::Never);
                }
                assert!(!unlimited || *cause == EndCause::Stop);
                task.place = Place::Ending(*cause);
            }
            Action::Conclude { task: id, outcome } => {
                let halts = config.halt != saferun_scheduler::Halt::Never;
                let task = tasks.get_mut(id).expect("the task exists");
                assert!(
                    matches!(task.place, Place::Waiting | Place::Exited(_)),
                    "{outcome:?} for {task:?}"
                );
                match outcome {
                    Outcome::Done => assert_eq!(task.place, Place::Exited(Exit::Success)),
                    Outcome::Failed => assert_ne!(task.place, Place::Exited(Exit::Success)),
                    Outcome::Skipped(_) => assert!(stopped || halts),
                    Outcome::GivenUp(GiveUpReason::DeclaredAboveBudget {
                        declared_bytes,
                        budget_bytes,
                    }) => {
                        assert!(declared_bytes > budget_bytes);
                        assert_eq!(task.place, Place::Waiting, "refused before its start");
                    }
                    Outcome::GivenUp(_) => assert!(matches!(task.place, Place::Exited(_))),
                }
                task.place = Place::Final;
                self.concluded.push((*id, outcome.clone()));
            }
        }
    }

    fn check_state(&self) {
        if let Err(violation) = self.scheduler.sanity_check() {
            panic!(
                "{violation} after {} events: {:?}",
                self.events, self.actions
            );
        }
        let counts = self.scheduler.counts();
        assert_eq!(counts.concluded(), self.concluded.len() as u64);
        assert_eq!(
            self.joined,
            counts.concluded() + self.tasks.len() as u64,
            "lost or doubled"
        );
        let count =
            |wanted: fn(&Task) -> bool| self.tasks.values().filter(|task| wanted(task)).count();
        assert_eq!(counts.queued, count(|task| task.place == Place::Waiting));
        assert_eq!(counts.active, count(Task::is_active));
        assert_eq!(counts.frozen, count(|task| task.place == Place::Frozen));
        if let Some(limit) = self.config.concurrency {
            assert!(counts.active <= limit.get());
        }
        if let Some(champion) = self.scheduler.champion() {
            assert_eq!(self.tasks[&champion].place, Place::Running);
        }
        assert_eq!(
            self.scheduler.holding().is_some(),
            counts.queued > 0,
            "why does it wait?"
        );
        let may_change = counts.active > 0 || counts.queued > 0;
        assert_eq!(self.scheduler.next_reading(self.now).is_some(), may_change);
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = &TaskId> {
        self.tasks
            .iter()
            .filter(|(_, task)| task.is_active())
            .map(|(id, _)| id)
    }
}

impl Task {
    pub(crate) fn is_active(&self) -> bool {
        matches!(
            self.place,
            Place::Running | Place::Frozen | Place::Ending(_)
        )
    }
}
