//! Batches of real processes, and the threshold of session memory.

use saferun_executor::{Concurrency, Notice, OrderedTasks, RunEvent, Task};
use saferun_scheduler::{Outcome, Strategy, TaskId};

use crate::support::{Ran, count, each, run, shell, start, until};

/// Steps, starts and conclusions of a run, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Said(Notice),
    Started(u64),
    Concluded(u64),
}

fn steps(ran: &Ran) -> Vec<Step> {
    let step = |event: &RunEvent| match event {
        RunEvent::Session(notice) => Some(Step::Said(notice.clone())),
        RunEvent::TaskStarted { task, .. } => Some(Step::Started(task.0)),
        RunEvent::TaskConcluded { task, .. } => Some(Step::Concluded(task.0)),
        _ => None,
    };
    ran.events.iter().filter_map(step).collect()
}

fn said(ran: &Ran) -> Vec<Notice> {
    let notice = |step: Step| match step {
        Step::Said(notice) => Some(notice),
        _ => None,
    };
    steps(ran).into_iter().filter_map(notice).collect()
}

/// One that holds 30 MiB for a moment.
fn holding() -> Task {
    shell("head -c 31457280 /dev/zero | tail -c 1 | od -An -tx1")
}

fn by_batches(tasks: Vec<Task>, containment: saferun_executor::Containment, jobs: usize) -> Ran {
    run(tasks, containment, |options| {
        options.strategy = Strategy::Batch;
        options.concurrency = count(jobs);
        options.threshold = Some(u64::MAX);
    })
}

#[test]
fn a_batch_begins_when_all_of_the_one_before_have_ended() {
    each(|containment| {
        // One at once is two a batch, whatever the session holds.
        let ran = by_batches((0..5).map(|_| holding()).collect(), containment, 1);
        assert_eq!(ran.report().done, 5);
        let (mut open, mut left_of_batch, mut begun) = (0, 0, 0);
        for step in steps(&ran) {
            match step {
                Step::Said(Notice::Starting { tasks, concurrency }) => {
                    assert_eq!((tasks, concurrency), (5, 1));
                }
                Step::Said(Notice::Batch { number, tasks }) => {
                    assert_eq!((open, left_of_batch), (0, 0), "batches overlap");
                    begun += 1;
                    assert_eq!(number, begun);
                    left_of_batch = tasks;
                }
                Step::Said(Notice::BatchComplete {
                    number,
                    freed_bytes,
                }) => {
                    assert_eq!((open, left_of_batch, number), (0, 0, begun));
                    assert!(freed_bytes.is_some(), "it can be read here");
                }
                Step::Started(_) => {
                    assert!(left_of_batch > 0 && open == 0);
                    left_of_batch -= 1;
                    open += 1;
                }
                Step::Concluded(_) => open -= 1,
                Step::Said(_) => {}
            }
        }
        assert_eq!(begun, 3);
        let said = said(&ran);
        assert!(matches!(said[1], Notice::InitialMemory { bytes } if bytes > 0));
        let last = said.last();
        assert!(
            matches!(
                last,
                Some(Notice::Complete {
                    initial_bytes: Some(_),
                    final_bytes: Some(_)
                })
            ),
            "{last:?}"
        );
    });
}

#[test]
fn what_a_batch_held_is_what_it_freed() {
    each(|containment| {
        let hold = "head -c 67108864 /dev/zero | tail -c 67108864 | { sleep 0.3; wc -c; }";
        let ran = by_batches(vec![shell(hold), shell(hold)], containment, 1);
        let freed = said(&ran).into_iter().find_map(|notice| match notice {
            Notice::BatchComplete { freed_bytes, .. } => freed_bytes,
            _ => None,
        });
        let mib = freed.expect("it can be read here") >> 20;
        assert!((60..200).contains(&mib), "{mib} MiB");
    });
}

#[test]
fn failures_and_retries_stay_in_their_batch() {
    each(|containment| {
        let mut again = shell("exit 3");
        again.retries = 2;
        let tasks = vec![again, shell("kill -9 $$"), shell("true")];
        let ran = by_batches(tasks, containment, 1);
        assert_eq!(ran.outcome(0), Some(Outcome::Failed));
        assert_eq!(ran.ends(0).len(), 3);
        let place = |wanted: Step| steps(&ran).iter().position(|step| *step == wanted);
        let second = Step::Said(Notice::Batch {
            number: 2,
            tasks: 1,
        });
        assert!(place(Step::Concluded(0)) < place(second.clone()));
        assert!(place(Step::Concluded(1)) < place(second));
        assert_eq!(ran.report().done, 1);
    });
}

#[test]
fn a_session_above_the_threshold_runs_one_by_one_and_says_so() {
    each(|containment| {
        let tasks = (0..3).map(|_| shell("true")).collect();
        let ran = run(tasks, containment, |options| {
            options.strategy = Strategy::Batch;
            options.concurrency = Concurrency::Auto;
            options.threshold = Some(0);
        });
        assert_eq!(ran.report().done, 3);
        let said = said(&ran);
        assert!(
            matches!(said[2], Notice::High { bytes } if bytes > 0),
            "{said:?}"
        );
        let alone = |number| Notice::Sequential { number, tasks: 3 };
        assert_eq!(said[3..6], [alone(1), alone(2), alone(3)]);
        assert_eq!(said.len(), 7, "{said:?}");
        // One after the other, each after its word.
        let order: Vec<Step> = steps(&ran).into_iter().skip(3).collect();
        for (task, three) in (0..3).zip(order.chunks(3)) {
            assert_eq!(
                three,
                [
                    Step::Said(alone(task + 1)),
                    Step::Started(task),
                    Step::Concluded(task)
                ]
            );
        }
    });
}

#[test]
fn a_continuous_run_obeys_only_a_threshold_that_was_set() {
    each(|containment| {
        // Two that meet: side by side, or never.
        let dir = tempfile::tempdir().expect("a directory");
        let meet = |own: &str, other: &str| {
            let dir = dir.path().display();
            shell(&format!(
                "touch {dir}/{own}; for i in $(seq 300); do test -e {dir}/{other} && exit 0; sleep 0.01; done; exit 1"
            ))
        };
        let tasks = || vec![meet("a", "b"), meet("b", "a")];
        let ran = run(tasks(), containment, |_| {});
        assert_eq!((ran.report().done, said(&ran).len()), (2, 0));
        for name in ["a", "b"] {
            std::fs::remove_file(dir.path().join(name)).expect("it was touched");
        }
        let ran = run(tasks(), containment, |options| options.threshold = Some(0));
        // The first waits in vain, the second finds what the first left.
        assert_eq!((ran.report().failed, ran.report().done), (1, 1));
        let said = said(&ran);
        assert!(matches!(said[0], Notice::High { .. }), "{said:?}");
        assert_eq!(said[1..].len(), 2, "{said:?}");
    });
}

#[test]
fn a_stop_between_batches_ends_the_run() {
    each(|containment| {
        let ran = run(
            (0..4).map(|_| shell("false")).collect(),
            containment,
            |options| {
                options.strategy = Strategy::Batch;
                options.concurrency = count(1);
                options.threshold = Some(u64::MAX);
                options.halt =
                    saferun_scheduler::Halt::Soon(saferun_scheduler::FailureLimit::Count(2));
            },
        );
        assert_eq!((ran.report().failed, ran.report().skipped), (2, 2));
    });
}

/// What depends on a task of a batch can only be in a later one.
#[test]
fn dependent_tasks_go_by_batches_too() {
    each(|containment| {
        let mut tasks: Vec<Task> = (0..4).map(|_| shell("true")).collect();
        for (on, task) in (0..).zip(tasks.iter_mut().skip(1)) {
            task.after = vec![TaskId(on)];
        }
        let source = OrderedTasks::new(tasks).expect("an order");
        let running = start(source, containment, |options| {
            options.strategy = Strategy::Batch;
            options.threshold = Some(u64::MAX);
        });
        let record = running.record.clone();
        until("the run ends", || {
            record.has(|event| matches!(event, RunEvent::RunEnded(_)))
        });
        let ran = running.finish();
        assert_eq!(ran.report().done, 4);
        let batches = said(&ran)
            .into_iter()
            .filter(|notice| matches!(notice, Notice::Batch { tasks: 1, .. }));
        assert_eq!(batches.count(), 4);
    });
}
