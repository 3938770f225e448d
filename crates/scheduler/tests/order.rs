//! Which waiting task is started when: no one is passed over for ever, and the order of arrival
//! is kept where it was asked for.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::steps::{BUDGET, MIB, config, exit, read, started, task};
use model::{Model, Random};
use saferun_scheduler::{Config, Event, Exit, Hint, Order, TaskId, TaskReading, TaskSpec};

fn hinted(id: u64, mib: u64, duration: Duration) -> TaskSpec {
    TaskSpec {
        hint: Some(Hint {
            peak_bytes: mib * MIB,
            duration,
            curve: Hint::FLAT,
        }),
        ..task(id)
    }
}

/// All that is active uses so much.
fn read_all(model: &mut Model, mib: u64) {
    let tasks: Vec<TaskReading> = (model.active())
        .map(|&task| TaskReading {
            task,
            use_bytes: mib * MIB,
            at_wall: false,
            busy_cores: 0.5,
        })
        .collect();
    read(model, BUDGET, &tasks);
}

/// A short task that needs nearly everything waits while longer and smaller ones go on coming.
/// It is passed over by at most 4,096 exits, three for each active task and six, until it comes
/// before all others; then it starts as soon as those that run have ended.
#[test]
fn nobody_is_passed_over_more_often_than_is_said() {
    let mut random = Random(1);
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    let small = |random: &mut Random, id| {
        let length = Duration::from_millis(5000 + random.below(5000));
        hinted(id, 100, length)
    };
    for id in 1..=8 {
        model.on(Event::Added(small(&mut random, id)));
    }
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(hinted(0, 560, Duration::from_secs(1))));
    let (mut added, mut exits, mut most_active) = (8, 0u64, 0u64);
    loop {
        added += 1;
        model.on(Event::Added(small(&mut random, added)));
        read_all(&mut model, 100);
        let mut has_started = started(&model).contains(&0);
        let active = model.active().count() as u64;
        most_active = most_active.max(active);
        if !has_started {
            let place = random.below(active) as usize;
            let ready = model.active().nth(place).copied();
            exit(&mut model, ready.expect("some run").0, Exit::Success);
            exits += 1;
            has_started = started(&model).contains(&0);
        }
        if has_started {
            break;
        }
        let bound = 4096 + 3 * most_active + 6 + most_active + 1;
        assert!(exits <= bound, "passed over by {exits} exits");
    }
    assert!(exits > 3 * most_active + 6, "the longer ones went first");
}

/// Where everything fits in turn, tasks start in the order in which they came: always with
/// `fifo`, and else among those of which nothing is known.
#[test]
fn the_order_of_arrival_is_kept_where_everything_fits_in_turn() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let order = if random.one_in(2) {
            Order::Fifo
        } else {
            Order::Longest
        };
        let mut model = Model::new(Config {
            order,
            concurrency: NonZeroUsize::new(1 + random.below(4) as usize),
            ..config()
        });
        read(&mut model, BUDGET, &[]);
        let (mut added, mut next) = (0, 0);
        while next < 60 {
            if added < 60 && random.one_in(2) {
                let length = Duration::from_millis(random.below(5000));
                model.on(Event::Added(match order {
                    Order::Fifo => hinted(added, 1 + random.below(100), length),
                    Order::Longest => task(added),
                }));
                added += 1;
            } else if random.one_in(2) {
                read_all(&mut model, 1);
            } else {
                let count = model.active().count() as u64;
                let Some(&ready) = model.active().nth(random.below(count) as usize) else {
                    continue;
                };
                exit(&mut model, ready.0, Exit::Success);
            }
            for id in started(&model) {
                assert_eq!(TaskId(id), TaskId(next), "seed {seed}, {order:?}");
                next += 1;
            }
        }
    }
}
