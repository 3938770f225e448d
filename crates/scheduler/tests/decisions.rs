//! Single decisions about memory, each in the smallest run that asks for it.

mod model;

use std::num::NonZeroUsize;
use std::time::Duration;

use model::Model;
use model::steps::{
    BUDGET, MIB, config, declared, ended, exit, outcome, read, started, task, uses,
};
use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, GiveUpReason, Hint, Hold, Outcome, Preempt, Strategy,
    TaskId, TaskReading, TaskSpec,
};

#[test]
fn nothing_is_admitted_before_memory_was_read() {
    let mut model = Model::new(config());
    model.on(Event::Added(task(0)));
    assert_eq!(model.scheduler.holding(), Some(Hold::Unread));
    assert_eq!(
        model.scheduler.next_reading(model.now),
        Some(Duration::ZERO)
    );
    read(&mut model, BUDGET, &[]);
    assert_eq!(started(&model), [0]);
}

#[test]
fn an_unlimited_run_asks_nobody() {
    let mut model = Model::new(Config {
        strategy: Strategy::Unlimited,
        ..config()
    });
    for id in 0..50 {
        model.on(Event::Added(declared(id, 10_000)));
        assert_eq!(started(&model), [id]);
    }
}

#[test]
fn declared_tasks_are_admitted_as_far_as_their_sum_fits() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    for id in 0..4 {
        model.on(Event::Added(declared(id, 250)));
        assert_eq!(started(&model).is_empty(), id >= 2, "task {id}");
    }
    assert!(matches!(
        model.scheduler.holding(),
        Some(Hold::Memory { needed_bytes, headroom_bytes })
            if needed_bytes == 250 * MIB && headroom_bytes == 100 * MIB
    ));
    exit(&mut model, 0, Exit::Success);
    assert_eq!(started(&model), [2]);
}

#[test]
fn declared_above_the_budget_is_refused_before_its_start() {
    let mut model = Model::new(config());
    model.on(Event::Added(declared(0, 601)));
    assert_eq!(outcome(&model, 0), None, "the budget is not known yet");
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(declared(1, 601)));
    let reason = GiveUpReason::DeclaredAboveBudget {
        declared_bytes: 601 * MIB,
        budget_bytes: BUDGET,
    };
    assert_eq!(outcome(&model, 0), Some(&Outcome::GivenUp(reason)));
    assert_eq!(outcome(&model, 1), Some(&Outcome::GivenUp(reason)));
}

#[test]
fn busy_tasks_are_bounded_by_the_cores_and_waiting_ones_are_not() {
    let run = |busy_cores: f64| {
        let mut model = Model::new(Config {
            cores: NonZeroUsize::new(2).unwrap(),
            ..config()
        });
        read(&mut model, BUDGET, &[]);
        for id in 0..20 {
            model.on(Event::Added(declared(id, 10)));
        }
        for _ in 0..20 {
            let tasks: Vec<TaskReading> = (model.active())
                .map(|id| TaskReading {
                    busy_cores,
                    ..uses(id.0, 1, false)
                })
                .collect();
            read(&mut model, BUDGET, &tasks);
        }
        model.scheduler.counts().active
    };
    assert_eq!(run(1.0), 3);
    assert_eq!(run(0.05), 20);
}

/// Two are at the wall: the younger makes room for the champion and is run again once something
/// else has ended.
#[test]
fn room_is_made_for_the_champion() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    read(&mut model, BUDGET, &[uses(0, 100, false)]);
    model.on(Event::Added(task(1)));
    assert_eq!(model.scheduler.champion(), Some(TaskId(0)));
    read(
        &mut model,
        BUDGET,
        &[uses(0, 400, true), uses(1, 200, true)],
    );
    assert!(matches!(ended(&model)[..], [(1, EndCause::Preempt { .. })]));
    exit(&mut model, 1, Exit::Ended);
    assert_eq!(model.scheduler.holding(), Some(Hold::Ended));
    read(&mut model, BUDGET, &[uses(0, 420, false)]);
    assert!(
        started(&model).is_empty(),
        "it is held until something has ended"
    );
    exit(&mut model, 0, Exit::Success);
    assert_eq!(
        model.actions[1],
        Action::Start {
            task: TaskId(1),
            attempt: 2
        }
    );
}

/// Two that took much at their start and keep little of it: the third that was ended for them
/// need not wait for their exit.
#[test]
fn what_was_ended_comes_back_once_more_was_given_back_than_it_held() {
    let mut model = Model::new(config());
    for id in 0..3 {
        model.on(Event::Added(task(id)));
        let small: Vec<_> = (0..=id).map(|id| uses(id, 10, false)).collect();
        read(&mut model, BUDGET, &small);
    }
    read(&mut model, BUDGET, &[0, 1, 2].map(|id| uses(id, 198, true)));
    let [(gone, EndCause::Preempt { .. })] = ended(&model)[..] else {
        panic!("one makes room: {:?}", model.actions);
    };
    exit(&mut model, gone, Exit::Ended);
    let left = [0, 1, 2].into_iter().filter(|id| *id != gone);
    let mut starts_at = |mib: u64| {
        let tasks: Vec<_> = left.clone().map(|id| uses(id, mib, false)).collect();
        (0..20)
            .flat_map(|_| {
                read(&mut model, BUDGET, &tasks);
                started(&model)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(starts_at(220), [], "nothing was given back yet");
    assert_eq!(starts_at(55), [gone]);
}

/// Two have their peak behind them by what earlier runs say. Where nothing may be ended that is
/// not counted on.
#[test]
fn with_never_no_room_is_given_away_that_may_be_needed_yet() {
    let started_beside = |preempt| {
        let mut model = Model::new(Config {
            preempt,
            ..config()
        });
        let mut curve = [25; Hint::STEPS];
        curve[..4].fill(u8::MAX);
        read(&mut model, BUDGET, &[]);
        let mut all = 0;
        for id in 0..3 {
            model.on(Event::Added(TaskSpec {
                hint: Some(Hint {
                    peak_bytes: 250 * MIB,
                    duration: Duration::from_secs(1),
                    curve,
                }),
                ..task(id)
            }));
            all += started(&model).len();
        }
        read(&mut model, BUDGET, &[]);
        all += started(&model).len();
        assert_eq!(all, 2);
        for step in 0..30 {
            let mib = if step < 12 { 250 } else { 25 };
            read(
                &mut model,
                BUDGET,
                &[uses(0, mib, false), uses(1, mib, false)],
            );
            all += started(&model).len();
        }
        all
    };
    assert_eq!(started_beside(Preempt::Last), 3);
    assert_eq!(started_beside(Preempt::Never), 2);
}

/// Both stand at the wall and neither may be ended.
#[test]
fn what_may_not_be_ended_is_frozen_and_at_last_given_up() {
    let mut model = Model::new(Config {
        preempt: Preempt::Never,
        ..config()
    });
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(declared(0, 300)));
    model.on(Event::Added(declared(1, 300)));
    read(
        &mut model,
        BUDGET,
        &[uses(0, 400, true), uses(1, 200, true)],
    );
    assert!(model.actions.contains(&Action::Freeze { task: TaskId(1) }));
    assert!(model.actions.contains(&Action::Reclaim));
    for _ in 0..24 {
        assert!(ended(&model).is_empty(), "it is borne for a while");
        read(
            &mut model,
            BUDGET,
            &[uses(0, 400, true), uses(1, 200, false)],
        );
    }
    read(
        &mut model,
        BUDGET,
        &[uses(0, 400, true), uses(1, 200, false)],
    );
    assert!(matches!(
        ended(&model)[..],
        [(1, EndCause::GiveUp(GiveUpReason::Pressure { .. }))]
    ));
    exit(&mut model, 1, Exit::Ended);
    assert!(matches!(outcome(&model, 1), Some(Outcome::GivenUp(_))));
}

#[test]
fn a_lone_task_that_wants_more_than_there_is_is_given_up_after_reclaim() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    read(&mut model, BUDGET, &[uses(0, 590, true)]);
    assert_eq!(model.actions, [Action::Reclaim]);
    for _ in 0..4 {
        read(&mut model, BUDGET, &[uses(0, 590, true)]);
        assert!(model.actions.is_empty(), "it is watched first");
    }
    read(&mut model, BUDGET, &[uses(0, 590, true)]);
    let reason = GiveUpReason::ExceedsBudgetAlone {
        reached_bytes: 590 * MIB,
        budget_bytes: BUDGET,
    };
    assert_eq!(ended(&model), [(0, EndCause::GiveUp(reason))]);
    exit(&mut model, 0, Exit::Failure);
    assert_eq!(outcome(&model, 0), Some(&Outcome::GivenUp(reason)));
}

#[test]
fn a_lone_task_waits_while_others_hold_the_memory() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    for _ in 0..1000 {
        read(&mut model, 500 * MIB, &[uses(0, 500, true)]);
        assert!(model.actions.is_empty());
    }
}

/// Whoever holds it may never leave, and then the run must end all the same.
#[test]
fn a_lone_task_does_not_wait_for_ever_for_what_others_hold() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    let mut readings = 0u32;
    while ended(&model).is_empty() {
        // The budget trembles, and lets it take a little now and then.
        let at_wall = !readings.is_multiple_of(7);
        let used = 500 + u64::from(readings % 3);
        read(&mut model, 500 * MIB, &[uses(0, used, at_wall)]);
        readings += 1;
        assert!(readings < 10_000, "it waits for ever");
    }
    let EndCause::GiveUp(GiveUpReason::ForeignMemory {
        foreign_bytes,
        waited_seconds,
        ..
    }) = ended(&model)[0].1
    else {
        panic!("{:?}", ended(&model));
    };
    assert_eq!((foreign_bytes, waited_seconds), (100 * MIB, 60));
}

/// Two at the wall, of which none may be ended, wait as long for others and no longer.
#[test]
fn a_stuck_champion_does_not_wait_for_ever_for_what_others_hold() {
    let mut model = Model::new(Config {
        preempt: Preempt::Never,
        ..config()
    });
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(declared(0, 300)));
    model.on(Event::Added(declared(1, 200)));
    let mut readings = 0u32;
    while ended(&model).is_empty() {
        let tasks = [uses(0, 250, true), uses(1, 150, true)];
        read(&mut model, 400 * MIB, &tasks);
        readings += 1;
        assert!(readings < 10_000, "it waits for ever");
    }
    assert!(readings >= 2_500, "given up after {readings} readings");
    assert!(matches!(
        ended(&model)[..],
        [(1, EndCause::GiveUp(GiveUpReason::Pressure { .. }))]
    ));
}

#[test]
fn a_lone_task_that_gets_on_beside_others_memory_is_not_given_up() {
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(task(0)));
    for reading in 0..10_000u64 {
        // It comes back slowly, and the task takes what does.
        let budget = 400 + reading / 100;
        read(&mut model, budget * MIB, &[uses(0, budget, true)]);
        assert!(ended(&model).is_empty());
    }
}

#[test]
fn the_queue_takes_a_window_and_the_window_exceeds_the_count() {
    let wants = |count| {
        let concurrency = NonZeroUsize::new(count);
        Model::new(Config {
            concurrency,
            ..config()
        })
        .scheduler
        .wants_tasks()
    };
    assert_eq!(wants(0), 64);
    assert!(wants(1000) > 1000);
    let mut model = Model::new(config());
    for id in 0..64 {
        model.on(Event::Added(task(id)));
    }
    assert_eq!(model.scheduler.wants_tasks(), 0);
}

/// Without a brake what grows into too little room is frozen, and let go on at most once a
/// second.
#[test]
fn without_a_brake_growth_is_frozen_and_thawed() {
    let mut model = Model::new(Config {
        brake: false,
        ..config()
    });
    read(&mut model, BUDGET, &[]);
    model.on(Event::Added(declared(0, 280)));
    model.on(Event::Added(TaskSpec {
        restartable: false,
        ..declared(1, 280)
    }));
    let champion = model.scheduler.champion().unwrap().0;
    let other = 1 - champion;
    for mib in (12..=262).step_by(10) {
        let starts = |action: &Action| matches!(action, Action::Start { .. });
        assert!(model.actions.iter().all(starts));
        let tasks = [uses(champion, 300, false), uses(other, mib, false)];
        read(&mut model, BUDGET, &tasks);
    }
    let freeze = Action::Freeze {
        task: TaskId(other),
    };
    assert_eq!(model.actions, [freeze]);
    let tasks = [uses(champion, 300, false), uses(other, 262, false)];
    read(&mut model, BUDGET, &tasks);
    assert_eq!(model.actions, []);
    let tasks = [uses(champion, 100, false), uses(other, 262, false)];
    read(&mut model, BUDGET, &tasks);
    let thaw = Action::Thaw {
        task: TaskId(other),
    };
    assert_eq!(model.actions, [thaw]);
}

/// Tasks of one kind that are alike are laid along their common curve: more of them fit than
/// their peaks would allow.
#[test]
fn a_common_curve_is_learned() {
    let kin = |id| TaskSpec {
        kind: Some(7),
        ..task(id)
    };
    let mut model = Model::new(config());
    read(&mut model, BUDGET, &[]);
    for id in 0..2 {
        model.on(Event::Added(kin(id)));
        for step in 0..50 {
            read(
                &mut model,
                BUDGET,
                &[uses(id, if step < 40 { 20 } else { 500 }, false)],
            );
        }
        exit(&mut model, id, Exit::Success);
    }
    model.on(Event::Added(kin(2)));
    for _ in 0..20 {
        read(&mut model, BUDGET, &[uses(2, 20, false)]);
    }
    // A late peak of 500 MiB at 0.8 s: two at once would meet there, half a life apart they
    // would not.
    model.on(Event::Added(kin(3)));
    assert_eq!(started(&model), [3]);
    model.on(Event::Added(kin(4)));
    assert!(matches!(
        model.scheduler.holding(),
        Some(Hold::Memory { .. })
    ));
}
