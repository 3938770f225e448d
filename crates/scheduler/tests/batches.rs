//! Runs by batches, and runs that a threshold of session memory binds.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::steps::{BUDGET, MIB, config, exit, read, started, task, uses};
use model::world::{Work, World};
use model::{Model, Random};
use saferun_scheduler::{
    Action, Config, Event, Exit, Fallback, Halt, Hold, Outcome, Strategy, TaskId, TaskSpec,
};

const THRESHOLD: u64 = 4096 * MIB;

fn by_batches(concurrency: usize) -> Config {
    Config {
        strategy: Strategy::Batch,
        concurrency: NonZeroUsize::new(concurrency),
        threshold_bytes: Some(THRESHOLD),
        ..config()
    }
}

fn bound_by(threshold_bytes: u64) -> Config {
    Config {
        threshold_bytes: Some(threshold_bytes),
        ..config()
    }
}

fn with_tasks(config: Config, count: u64) -> Model {
    let mut model = Model::new(config);
    read(&mut model, 100 * BUDGET, &[]);
    for id in 0..count {
        model.on(Event::Added(task(id)));
    }
    model
}

fn session(model: &mut Model, mib: u64) {
    model.on(Event::SessionMemory(Some(mib * MIB)));
}

#[test]
fn six_tasks_two_at_once_are_a_batch_of_four_and_one_of_two() {
    let mut model = with_tasks(by_batches(2), 1);
    assert_eq!(model.actions, [Action::Checkpoint { after: None }]);
    for id in 1..6 {
        model.on(Event::Added(task(id)));
        assert_eq!(model.actions, [], "asked once");
    }
    assert_eq!(model.scheduler.holding(), Some(Hold::Batch));
    session(&mut model, 1423);
    assert_eq!(
        model.actions[0],
        Action::Batch {
            number: 1,
            tasks: 4,
            concurrency: 2
        }
    );
    assert_eq!(started(&model), [0, 1]);
    assert_eq!(model.scheduler.holding(), Some(Hold::Concurrency));
    exit(&mut model, 1, Exit::Success);
    assert_eq!(started(&model), [2]);
    exit(&mut model, 0, Exit::Failure);
    assert_eq!(started(&model), [3]);
    // The barrier: a place is free, but the batch is not over.
    exit(&mut model, 3, Exit::Success);
    assert_eq!(started(&model), []);
    assert_eq!(model.scheduler.holding(), Some(Hold::Batch));
    exit(&mut model, 2, Exit::Success);
    assert_eq!(
        model.actions.last(),
        Some(&Action::Checkpoint { after: Some(1) })
    );
    assert_eq!(started(&model), []);
    session(&mut model, 1500);
    assert_eq!(started(&model), [4, 5]);
    model.on(Event::SourceDrained);
    exit(&mut model, 4, Exit::Success);
    exit(&mut model, 5, Exit::Success);
    assert_eq!(
        model.actions.last(),
        Some(&Action::Checkpoint { after: Some(2) })
    );
    assert!(!model.scheduler.is_finished(), "the last checkpoint is due");
    session(&mut model, 1680);
    assert!(model.scheduler.is_finished());
}

#[test]
fn what_runs_again_belongs_to_its_batch() {
    let mut model = with_tasks(by_batches(1), 1);
    for id in 1..4 {
        model.on(Event::Added(TaskSpec {
            retries: 1,
            ..task(id)
        }));
    }
    session(&mut model, 10);
    assert_eq!(started(&model), [0]);
    exit(&mut model, 0, Exit::Success);
    assert_eq!(started(&model), [1]);
    exit(&mut model, 1, Exit::Failure);
    assert_eq!(started(&model), [1]);
    exit(&mut model, 1, Exit::Victim);
    read(&mut model, BUDGET, &[]);
    assert_eq!(started(&model), [1]);
    exit(&mut model, 1, Exit::Success);
    assert_eq!(
        model.actions.last(),
        Some(&Action::Checkpoint { after: Some(1) })
    );
}

#[test]
fn above_the_threshold_the_rest_of_the_batches_runs_one_by_one() {
    let mut model = with_tasks(by_batches(3), 9);
    session(&mut model, 4096);
    assert_eq!(started(&model), [0], "exactly the threshold is not above");
    exit(&mut model, 0, Exit::Success);
    exit(&mut model, 1, Exit::Success);
    session(&mut model, 4097);
    let why = Fallback::HighBeforeBatch(4097 * MIB);
    assert_eq!(model.actions[0], Action::OneByOne(why));
    for id in 2..9 {
        assert_eq!(started(&model), [id]);
        // However little is used from now on.
        session(&mut model, 1);
        assert_eq!(started(&model), []);
        exit(&mut model, id, Exit::Success);
    }
    assert_eq!(model.actions.len(), 1, "no further checkpoint");
    model.on(Event::SourceDrained);
    assert!(model.scheduler.is_finished());
}

#[test]
fn a_session_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let mut model = with_tasks(by_batches(3), 3);
    model.on(Event::SessionMemory(None));
    assert_eq!(model.actions[0], Action::OneByOne(Fallback::Unknown));
    assert_eq!(started(&model), [0]);
}

#[test]
fn a_checkpoint_with_nothing_to_follow_is_asked_for_again() {
    let mut model = with_tasks(by_batches(2), 1);
    session(&mut model, 10);
    exit(&mut model, 0, Exit::Success);
    session(&mut model, 10);
    assert_eq!(model.actions, []);
    model.on(Event::Added(task(1)));
    assert_eq!(model.actions, [Action::Checkpoint { after: None }]);
    session(&mut model, 10);
    assert_eq!(started(&model), [1]);
}

#[test]
fn a_stop_or_halt_waits_for_no_checkpoint() {
    let mut model = with_tasks(by_batches(2), 3);
    model.on(Event::SourceDrained);
    model.on(Event::StopRequested);
    assert!(model.scheduler.is_finished() && model.scheduler.is_stopped());

    let halt = Halt::Soon(saferun_scheduler::FailureLimit::Count(1));
    let mut model = with_tasks(
        Config {
            halt,
            ..by_batches(2)
        },
        5,
    );
    session(&mut model, 10);
    exit(&mut model, 0, Exit::Failure);
    exit(&mut model, 1, Exit::Success);
    model.on(Event::SourceDrained);
    assert!(model.scheduler.is_finished());
}

#[test]
fn memory_still_decides_within_a_batch() {
    let mut model = Model::new(by_batches(3));
    read(&mut model, BUDGET, &[]);
    for id in 0..6 {
        model.on(Event::Added(model::steps::declared(id, 350)));
    }
    session(&mut model, 10);
    assert_eq!(started(&model), [0]);
    assert!(matches!(
        model.scheduler.holding(),
        Some(Hold::Memory { .. })
    ));
}

#[test]
fn a_threshold_binds_a_continuous_run_until_there_is_room_again() {
    let mut config = bound_by(1000 * MIB);
    config.concurrency = NonZeroUsize::new(4);
    let mut model = with_tasks(config, 12);
    assert_eq!(model.scheduler.counts().active, 4);
    session(&mut model, 1000);
    assert_eq!(model.actions, []);
    session(&mut model, 1001);
    assert_eq!(
        model.actions,
        [Action::OneByOne(Fallback::High(1001 * MIB))]
    );
    for id in 0..3 {
        exit(&mut model, id, Exit::Success);
        assert_eq!(started(&model), [], "what runs is let end");
    }
    exit(&mut model, 3, Exit::Success);
    assert_eq!(started(&model).len(), 1);

    // A little less is not room, and neither is a moment of it.
    session(&mut model, 900);
    model.now += Duration::from_secs(5);
    session(&mut model, 900);
    session(&mut model, 800);
    model.now += Duration::from_millis(900);
    session(&mut model, 900);
    session(&mut model, 800);
    model.now += Duration::from_millis(900);
    session(&mut model, 800);
    assert_eq!(model.actions, []);
    model.now += Duration::from_millis(200);
    session(&mut model, 700);
    assert_eq!(
        model.actions[0],
        Action::SideBySide {
            session_bytes: 700 * MIB
        }
    );
    model.on(Event::SessionMemory(None));
    assert_eq!(model.actions[0], Action::OneByOne(Fallback::Unknown));
}

#[test]
fn a_threshold_says_nothing_where_it_changes_nothing() {
    let mut one = bound_by(MIB);
    one.concurrency = Some(NonZeroUsize::MIN);
    let mut sequential = bound_by(MIB);
    sequential.strategy = Strategy::Sequential;
    for config in [one, sequential, config()] {
        let mut model = with_tasks(config, 3);
        session(&mut model, 5000);
        assert_eq!(model.actions, []);
    }
}

#[test]
fn nothing_is_admitted_on_memory_that_cannot_be_read_any_more() {
    let mut model = Model::new(Config {
        concurrency: NonZeroUsize::new(2),
        ..config()
    });
    read(&mut model, BUDGET, &[]);
    for id in 0..4 {
        model.on(Event::Added(task(id)));
    }
    read(
        &mut model,
        BUDGET,
        &[uses(0, 10, false), uses(1, 10, false)],
    );
    model.on(Event::Unread);
    exit(&mut model, 0, Exit::Success);
    assert_eq!(started(&model), []);
    assert_eq!(model.scheduler.holding(), Some(Hold::Unread));
    exit(&mut model, 1, Exit::Success);
    assert_eq!(started(&model), []);
    // It's tried again soon, but not at once.
    let wait = model.scheduler.next_reading(model.now);
    assert!(wait > Some(Duration::ZERO) && wait < Some(Duration::from_millis(100)));
    read(&mut model, BUDGET, &[]);
    assert_eq!(started(&model).len(), 2);
}

#[test]
fn a_refused_start_waits_and_is_nobodys_fault() {
    let mut model = with_tasks(config(), 1);
    let unrepeatable = TaskSpec {
        restartable: false,
        ..task(1)
    };
    model.on(Event::Added(unrepeatable));
    assert_eq!(started(&model), [1]);
    for _ in 0..10 {
        exit(&mut model, 1, Exit::Refused);
        assert_eq!(model.actions, []);
        assert_eq!(model.scheduler.holding(), Some(Hold::Refused));
        model.now += Duration::from_millis(500);
        read(&mut model, BUDGET, &[]);
        assert_eq!(started(&model), [1]);
    }
    exit(&mut model, 1, Exit::Refused);
    exit(&mut model, 0, Exit::Success);
    assert_eq!(started(&model), [1], "something came free");
    for _ in 0..2 {
        exit(&mut model, 1, Exit::Refused);
        model.now += Duration::from_millis(500);
        read(&mut model, BUDGET, &[]);
        assert_eq!(started(&model), [1]);
    }
    exit(&mut model, 1, Exit::Refused);
    let outcome = Outcome::Failed;
    let task = TaskId(1);
    assert_eq!(model.actions, [Action::Conclude { task, outcome }]);
    assert_eq!(model.scheduler.counts().victims, 0);
}

/// What was ended to make room waits until something has come free; a start that never was frees
/// nothing.
#[test]
fn a_refused_start_lets_nothing_go_that_waits_for_an_exit() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    read(&mut model, BUDGET, &[uses(0, 100, false)]);
    model.on(Event::Added(task(1)));
    let full = [uses(0, 400, true), uses(1, 200, true)];
    read(&mut model, BUDGET, &full);
    exit(&mut model, 1, Exit::Ended);
    assert_eq!(model.scheduler.holding(), Some(Hold::Ended));
    read(&mut model, 10 * BUDGET, &[uses(0, 400, false)]);
    model.on(Event::Added(task(2)));
    assert_eq!(started(&model), [2]);
    exit(&mut model, 2, Exit::Refused);
    model.now += Duration::from_millis(500);
    read(&mut model, 10 * BUDGET, &[uses(0, 400, false)]);
    assert_eq!(started(&model), [2]);
}

/// Whatever the session holds and whatever the tasks want: batches don't overlap (the model sees
/// to it), and everything is done.
#[test]
fn by_batches_everything_is_done() {
    let (mut batches, mut fallbacks) = (0, 0);
    for seed in 0..150 {
        let mut random = Random(7000 + seed);
        let works = (0..5 + random.below(40)).map(|id| {
            let steps = 20 + random.below(100);
            Work {
                spec: TaskSpec {
                    retries: random.below(2) as u32,
                    ..task(id)
                },
                peak: (10 + random.below(400)) * MIB,
                steps,
                ramp: 1 + random.below(steps / 2),
                quiet: 0,
                failures: 0,
            }
        });
        let works: Vec<Work> = works
            .map(|work| Work {
                failures: work.spec.retries,
                ..work
            })
            .collect();
        let config = Config {
            threshold_bytes: Some((100 + random.below(800)) * MIB),
            concurrency: NonZeroUsize::new(random.below(5) as usize),
            ..by_batches(1)
        };
        let mut world = World::new(seed, config, works);
        world.run();
        batches += world.model.batches_begun();
        fallbacks += u64::from(world.model.is_one_by_one());
        let is_done = |(_, outcome): &(TaskId, Outcome)| *outcome == Outcome::Done;
        assert!(world.model.concluded.iter().all(is_done), "seed {seed}");
    }
    assert!(batches > 200, "{batches} batches");
    assert!((20..150).contains(&fallbacks), "{fallbacks} fallbacks");
}
