//! Random events of every kind, sensible or not, in random order: nothing panics, no invariant
//! breaks, no task is lost or concluded twice.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::{Model, Random};
use saferun_scheduler::{
    Config, Event, Exit, FailureLimit, Halt, Hint, Order, Preempt, Reading, Strategy, TaskId,
    TaskReading, TaskSpec,
};

const RUNS: u64 = 600;
const EVENTS: u64 = 400;

#[test]
fn a_hundred_thousand_random_events_break_nothing() {
    let events: u64 = (0..RUNS).map(random_run).sum();
    assert!(events >= 100_000, "only {events} events");
}

fn random_run(seed: u64) -> u64 {
    let mut random = Random(seed);
    let mut model = Model::new(random_config(&mut random));
    let sane = !random.one_in(4);
    let stops = random.one_in(3);
    let mut added = 0;
    for _ in 0..EVENTS {
        pass(&mut model, &mut random, sane);
        match random.below(100) {
            0..25 => {
                let repeats = random.one_in(20);
                let id = if repeats {
                    random.below(added + 2)
                } else {
                    added
                };
                added += u64::from(!repeats);
                model.on(Event::Added(random_task(&mut random, id, sane)));
            }
            25..28 => model.on(Event::Unread),
            28..34 => {
                let session = (!random.one_in(10)).then(|| any_size(&mut random, sane));
                model.on(Event::SessionMemory(session));
            }
            34..70 => read(&mut model, &mut random, sane),
            70..95 => exit(&mut model, &mut random, sane, added),
            95..97 => {
                let task = TaskId(random.next());
                model.on(Event::Exited {
                    task,
                    exit: Exit::Success,
                    peak_bytes: u64::MAX,
                });
            }
            97 if stops => model.on(Event::StopRequested),
            _ => model.now += Duration::from_secs(random.below(3)),
        }
    }
    finish(&mut model, &mut random);
    model.events
}

/// After all that, a sensible driver still brings the run to its end.
fn finish(model: &mut Model, random: &mut Random) {
    model.on(Event::SourceDrained);
    let mut patience = 100_000;
    while !model.scheduler.is_finished() {
        patience -= 1;
        assert!(
            patience > 0,
            "the run never ends: {:?}",
            model.scheduler.holding()
        );
        model.now += Duration::from_millis(20);
        read_sensibly(model);
        model.on(Event::SessionMemory(Some(1 << 20)));
        let Some(&task) = model.active().nth(random.below(3) as usize) else {
            continue;
        };
        let exit = match model.tasks[&task].place {
            model::Place::Ending(_) => Exit::Ended,
            _ => Exit::Success,
        };
        model.on(Event::Exited {
            task,
            exit,
            peak_bytes: 1 << 20,
        });
    }
    assert!(model.tasks.is_empty(), "no final state: {:?}", model.tasks);
}

fn pass(model: &mut Model, random: &mut Random, sane: bool) {
    if sane || !random.one_in(10) {
        model.now += Duration::from_millis(random.below(30));
    } else if random.one_in(10) {
        // A machine that slept for up to a century.
        model.now += Duration::from_secs((1 << 32) >> random.below(32));
    } else {
        back_in_time(model, random);
    }
}

/// The scheduler takes a time before the latest for the latest.
fn back_in_time(model: &mut Model, random: &mut Random) {
    let mut actions = Vec::new();
    let past = model.now.mul_f64(random.share());
    let unknown = Event::Exited {
        task: TaskId(u64::MAX),
        exit: Exit::Victim,
        peak_bytes: 0,
    };
    model.scheduler.on(unknown, past, &mut actions);
    assert!(actions.is_empty());
}

#[test]
fn the_end_of_time_is_survived() {
    let mut random = Random(1);
    let mut model = Model::new(Config::default());
    for id in 0..50 {
        model.on(Event::Added(random_task(&mut random, id, false)));
        read(&mut model, &mut random, false);
        model.now = Duration::MAX;
        exit(&mut model, &mut random, false, id);
    }
}

fn random_config(random: &mut Random) -> Config {
    let limit = if random.one_in(2) {
        FailureLimit::Count(random.below(4))
    } else {
        FailureLimit::Share(if random.one_in(8) {
            f64::NAN
        } else {
            random.share()
        })
    };
    Config {
        strategy: match random.below(10) {
            0 => Strategy::Sequential,
            1 => Strategy::Unlimited,
            2..4 => Strategy::Batch,
            _ => Strategy::Continuous,
        },
        preempt: match random.below(3) {
            0 => Preempt::Last,
            1 => Preempt::Eager,
            _ => Preempt::Never,
        },
        order: if random.one_in(3) {
            Order::Fifo
        } else {
            Order::Longest
        },
        concurrency: if random.one_in(3) {
            NonZeroUsize::new(random.below(9) as usize)
        } else {
            None
        },
        cores: NonZeroUsize::new(1 + random.below(64) as usize).unwrap(),
        brake: random.one_in(2),
        halt: match random.below(6) {
            0 => Halt::Soon(limit),
            1 => Halt::Now(limit),
            _ => Halt::Never,
        },
        threshold_bytes: if random.one_in(2) {
            Some(any_size(random, false))
        } else {
            None
        },
        assumed_bytes: if random.one_in(5) {
            Some(any_size(random, false))
        } else {
            None
        },
    }
}

fn random_task(random: &mut Random, id: u64, sane: bool) -> TaskSpec {
    TaskSpec {
        id: TaskId(id),
        declared_bytes: if random.one_in(5) {
            Some(any_size(random, sane))
        } else {
            None
        },
        restartable: !random.one_in(4),
        retries: random.below(3) as u32,
        kind: if random.one_in(2) {
            Some(random.below(5))
        } else {
            None
        },
        hint: random.one_in(3).then(|| Hint {
            peak_bytes: any_size(random, sane),
            duration: match random.below(6) {
                0 => Duration::ZERO,
                1 => Duration::MAX,
                _ => Duration::from_millis(random.below(20_000)),
            },
            curve: std::array::from_fn(|_| random.next() as u8),
        }),
    }
}

/// Mostly some MiB; anything at all where nothing has to be sane.
fn any_size(random: &mut Random, sane: bool) -> u64 {
    match random.below(10) {
        0 if !sane => u64::MAX,
        1 if !sane => 0,
        2 if !sane => random.next(),
        _ => random.below(600) << 20,
    }
}

fn read(model: &mut Model, random: &mut Random, sane: bool) {
    let mut tasks: Vec<TaskReading> = Vec::new();
    for &task in model.active() {
        if random.one_in(10) {
            continue;
        }
        tasks.push(TaskReading {
            task,
            use_bytes: any_size(random, sane) / 4,
            at_wall: random.one_in(4),
            busy_cores: if sane { random.share() * 2.0 } else { f64::NAN },
        });
    }
    if !sane {
        tasks.push(TaskReading {
            task: TaskId(random.next()),
            use_bytes: u64::MAX,
            at_wall: true,
            busy_cores: f64::INFINITY,
        });
    }
    let undisturbed_bytes = if sane {
        600 << 20
    } else {
        any_size(random, false)
    };
    let foreign = if random.one_in(3) {
        any_size(random, sane)
    } else {
        0
    };
    let sum: u64 = tasks
        .iter()
        .fold(0, |sum, task| sum.saturating_add(task.use_bytes));
    model.on(Event::Reading(Reading {
        budget_bytes: undisturbed_bytes.saturating_sub(foreign),
        undisturbed_bytes,
        used_bytes: if random.one_in(3) {
            any_size(random, sane)
        } else {
            sum
        },
        tasks: &tasks,
    }));
}

fn read_sensibly(model: &mut Model) {
    let tasks: Vec<TaskReading> = (model.active())
        .map(|&task| TaskReading {
            task,
            use_bytes: 1 << 20,
            at_wall: false,
            busy_cores: 0.5,
        })
        .collect();
    model.on(Event::Reading(Reading {
        budget_bytes: 1 << 30,
        undisturbed_bytes: 1 << 30,
        used_bytes: (tasks.len() as u64) << 20,
        tasks: &tasks,
    }));
}

fn exit(model: &mut Model, random: &mut Random, sane: bool, added: u64) {
    let task = if random.one_in(10) {
        TaskId(random.below(added + 1))
    } else {
        let count = model.active().count() as u64;
        let Some(&task) = model.active().nth(random.below(count) as usize) else {
            return;
        };
        task
    };
    let exit = match random.below(8) {
        0 => Exit::Failure,
        1 => Exit::Victim,
        4 => Exit::Refused,
        2 | 3 => Exit::Ended,
        _ => Exit::Success,
    };
    model.on(Event::Exited {
        task,
        exit,
        peak_bytes: any_size(random, sane),
    });
}
