//! Drives the scheduler through a run in which nothing runs: time, tasks and memory are figures.
//! Each action is printed with its moment.
//!
//! `cargo run -p saferun-scheduler --example virtual_time`
//!
//! Six tasks grow from 0 to 300 MiB within four seconds, under a budget of 1 GiB; nobody knows
//! that beforehand. A driver for real processes does the same with real ones: it hands over what
//! happened, and carries out what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, Preempt, Reading, Scheduler, TaskId, TaskReading,
    TaskSpec,
};

const MIB: u64 = 1 << 20;
const BUDGET: u64 = 1024 * MIB;
const PEAK: u64 = 300 * MIB;
const WORK: Duration = Duration::from_secs(4);
const TICK: Duration = Duration::from_millis(10);
/// The run takes ten seconds; one that doesn't end is wrong.
const LONGEST: Duration = Duration::from_secs(600);

fn main() -> Result<(), String> {
    let mut world = World {
        scheduler: Scheduler::new(Config {
            cores: NonZeroUsize::MIN.saturating_add(7),
            preempt: Preempt::Eager,
            ..Config::default()
        }),
        now: Duration::ZERO,
        running: BTreeMap::new(),
        exits: Vec::new(),
        most_bytes: 0,
    };
    for number in 1..=6 {
        world.tell(Event::Added(TaskSpec {
            id: TaskId(number),
            declared_bytes: None,
            restartable: true,
            retries: 0,
            kind: Some(1),
            hint: None,
        }));
    }
    world.tell(Event::SourceDrained);
    while !world.scheduler.is_finished() {
        if world.now > LONGEST {
            return Err(format!("{:?} still run", world.running.keys()));
        }
        world.step();
    }
    let counts = world.scheduler.counts();
    println!(
        "{} done after {:.2} s, {} started again; at most {} of {} MiB in use",
        counts.done,
        world.now.as_secs_f64(),
        counts.restarts,
        world.most_bytes / MIB,
        BUDGET / MIB
    );
    Ok(())
}

/// What a driver has in its hands.
struct World {
    scheduler: Scheduler,
    now: Duration,
    /// How long each attempt has worked.
    running: BTreeMap<TaskId, Duration>,
    /// What has ended and was not told yet.
    exits: Vec<(TaskId, Exit, u64)>,
    most_bytes: u64,
}

impl World {
    /// Tells what happened and does what follows from it.
    fn tell(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.scheduler.on(event, self.now, &mut actions);
        for action in actions {
            println!("{:6.2} s  {}", self.now.as_secs_f64(), in_words(&action));
            match action {
                Action::Start { task, .. } => {
                    self.running.insert(task, Duration::ZERO);
                }
                Action::End { task, .. } => {
                    if let Some(worked) = self.running.remove(&task) {
                        self.exits.push((task, Exit::Ended, held(worked)));
                    }
                }
                // With a brake nothing is frozen, and here nothing has file cache, batches or a
                // threshold; conclusions are only said.
                _ => {}
            }
        }
    }

    /// The next ten milliseconds: tasks grow, some end, and memory is read.
    fn step(&mut self) {
        self.now += TICK;
        // The brake of a real driver: near the budget only the champion grows on.
        let used: u64 = self.running.values().copied().map(held).sum();
        let champion = self.scheduler.champion();
        let braked: BTreeSet<TaskId> = self
            .running
            .keys()
            .copied()
            .filter(|task| used + 8 * MIB > BUDGET && Some(*task) != champion)
            .collect();
        for (task, worked) in &mut self.running {
            if !braked.contains(task) {
                *worked += TICK;
            }
            if *worked >= WORK {
                self.exits.push((*task, Exit::Success, PEAK));
            }
        }
        for (task, exit, peak_bytes) in std::mem::take(&mut self.exits) {
            self.running.remove(&task);
            self.tell(Event::Exited {
                task,
                exit,
                peak_bytes,
            });
        }
        let tasks: Vec<TaskReading> = self
            .running
            .iter()
            .map(|(task, worked)| TaskReading {
                task: *task,
                use_bytes: held(*worked),
                at_wall: braked.contains(task),
                busy_cores: 1.0,
            })
            .collect();
        let used_bytes = tasks.iter().map(|task| task.use_bytes).sum();
        self.most_bytes = self.most_bytes.max(used_bytes);
        self.tell(Event::Reading(Reading {
            budget_bytes: BUDGET,
            undisturbed_bytes: BUDGET,
            used_bytes,
            tasks: &tasks,
        }));
    }
}

/// What a task holds after so much work: it grows evenly.
fn held(worked: Duration) -> u64 {
    (PEAK as f64 * worked.as_secs_f64() / WORK.as_secs_f64()) as u64
}

fn in_words(action: &Action) -> String {
    match action {
        Action::Start { task, attempt: 1 } => format!("start task {}", task.0),
        Action::Start { task, attempt } => format!("start task {}, attempt {attempt}", task.0),
        Action::End {
            task,
            cause:
                EndCause::Preempt {
                    needed_bytes,
                    free_bytes,
                },
        } => format!(
            "end task {} and run it again later: {} MiB are needed, {} are free",
            task.0,
            needed_bytes / MIB,
            free_bytes / MIB
        ),
        Action::Conclude { task, outcome } => format!("task {} is over: {outcome:?}", task.0),
        other => format!("{other:?}"),
    }
}
