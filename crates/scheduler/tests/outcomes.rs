//! What becomes of a task whose attempt has ended, and of a run that is stopped.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::Model;
use model::steps::{BUDGET, config, declared, ended, exit, outcome, read, started, task};
use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, FailureLimit, Halt, Hold, Outcome, SkipReason, TaskId,
    TaskSpec,
};

#[test]
fn a_failure_is_retried_as_often_as_it_may() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(TaskSpec {
        retries: 2,
        ..task(0)
    }));
    for attempt in 2..=3 {
        exit(&mut model, 0, Exit::Failure);
        assert_eq!(
            model.actions,
            [Action::Start {
                task: TaskId(0),
                attempt
            }]
        );
    }
    exit(&mut model, 0, Exit::Failure);
    assert_eq!(outcome(&model, 0), Some(&Outcome::Failed));
}

#[test]
fn a_victim_runs_alone_after_three_attempts_and_is_then_given_up() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    model.on(Event::Added(task(1)));
    for attempt in 2..=3 {
        exit(&mut model, 0, Exit::Victim);
        read(&mut model, BUDGET, &[]);
        assert_eq!(
            model.actions,
            [Action::Start {
                task: TaskId(0),
                attempt
            }]
        );
    }
    exit(&mut model, 0, Exit::Victim);
    read(&mut model, BUDGET, &[]);
    assert_eq!(model.scheduler.holding(), Some(Hold::Alone));
    exit(&mut model, 1, Exit::Success);
    assert_eq!(started(&model), [0]);
    model.on(Event::Added(task(2)));
    assert_eq!(model.scheduler.holding(), Some(Hold::Alone));
    exit(&mut model, 0, Exit::Victim);
    assert!(matches!(outcome(&model, 0), Some(Outcome::GivenUp(_))));
    read(&mut model, BUDGET, &[]);
    assert_eq!(started(&model), [2]);
}

/// That memory was short shows that the last reading no longer holds; on it the next would be
/// started into the same shortage.
#[test]
fn after_a_victim_nothing_is_started_before_the_next_reading() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    for id in 0..3 {
        model.on(Event::Added(declared(id, 250)));
    }
    assert_eq!(model.scheduler.counts().active, 2);
    exit(&mut model, 0, Exit::Victim);
    assert_eq!(started(&model), []);
    assert_eq!(model.scheduler.holding(), Some(Hold::Unread));
    let wait = model.scheduler.next_reading(model.now);
    assert_eq!(wait, Some(Duration::ZERO), "a reading is due at once");
    // Neither a new task nor another exit makes the old reading true again.
    model.on(Event::Added(declared(3, 10)));
    assert_eq!(started(&model), []);
    exit(&mut model, 1, Exit::Success);
    assert_eq!(started(&model), []);
    // Others have taken the memory meanwhile: there is room for one.
    read(&mut model, 255 << 20, &[]);
    assert_eq!(started(&model), [0]);
}

#[test]
fn a_victim_that_may_not_be_restarted_has_failed() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(TaskSpec {
        restartable: false,
        retries: 5,
        ..task(0)
    }));
    exit(&mut model, 0, Exit::Victim);
    assert_eq!(outcome(&model, 0), Some(&Outcome::Failed));
}

#[test]
fn success_beats_an_ending_on_its_way() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    model.on(Event::StopRequested);
    assert_eq!(ended(&model), [(0, EndCause::Stop)]);
    exit(&mut model, 0, Exit::Success);
    assert_eq!(outcome(&model, 0), Some(&Outcome::Done));
}

#[test]
fn a_halt_skips_what_waits_and_ends_what_runs_only_if_at_once() {
    for (halt, is_ended) in [(Halt::Soon as fn(_) -> _, false), (Halt::Now, true)] {
        let halt = halt(FailureLimit::Count(1));
        let concurrency = NonZeroUsize::new(2);
        let mut model = Model::new(Config {
            halt,
            concurrency,
            ..config()
        });
        read(&mut model, BUDGET, &[]);
        for id in 0..4 {
            model.on(Event::Added(task(id)));
        }
        exit(&mut model, 0, Exit::Failure);
        assert_eq!(
            outcome(&model, 2),
            Some(&Outcome::Skipped(SkipReason::Halted))
        );
        assert_eq!(
            outcome(&model, 3),
            Some(&Outcome::Skipped(SkipReason::Halted))
        );
        assert_eq!(ended(&model).is_empty(), !is_ended);
        model.on(Event::Added(task(4)));
        assert_eq!(
            outcome(&model, 4),
            Some(&Outcome::Skipped(SkipReason::Halted))
        );
        exit(
            &mut model,
            1,
            if is_ended { Exit::Ended } else { Exit::Success },
        );
        let expected = if is_ended {
            Outcome::Skipped(SkipReason::Halted)
        } else {
            Outcome::Done
        };
        assert_eq!(outcome(&model, 1), Some(&expected));
    }
}
