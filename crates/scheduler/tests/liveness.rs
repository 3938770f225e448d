//! A simulated world with noise: whatever the grade and the brake, a run whose tasks each fit
//! alone ends, and where all may be restarted, ends well.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::world::{BUDGET, MIB, STEP, Work, World};
use model::{Place, Random};
use saferun_scheduler::{Config, Event, Hint, Order, Outcome, Preempt, Strategy, TaskId, TaskSpec};

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
                    // Right, or wrong by up to four times either way.
                    hint: random.one_in(2).then(|| Hint {
                        peak_bytes: peak * (1 + random.below(16)) / 4,
                        duration: STEP * steps as u32 * (1 + random.below(16) as u32) / 4,
                        curve: std::array::from_fn(|step| {
                            if random.one_in(8) {
                                random.next() as u8
                            } else {
                                (32 * (step + 1)).min(255) as u8
                            }
                        }),
                    }),
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
        order: if random.one_in(4) {
            Order::Fifo
        } else {
            Order::Longest
        },
        brake: true,
        concurrency: if random.one_in(4) {
            NonZeroUsize::new(1 + random.below(6) as usize)
        } else {
            None
        },
        strategy: match random.below(8) {
            0 => Strategy::Sequential,
            1 | 2 => Strategy::Batch,
            _ => Strategy::Continuous,
        },
        threshold_bytes: random.one_in(2).then(|| random.below(900) * MIB),
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
