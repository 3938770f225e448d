//! Tasks that wait for others.

use std::io::{self, Write};
use std::sync::Arc;

use saferun_executor::{AttemptEnd, Notice, OrderedTasks, RunError, RunEvent, Task};
use saferun_scheduler::{FailureLimit, Halt, Outcome, SkipReason, Strategy, TaskId};

use crate::support::{Ran, command, count, each, run, shell, start};

fn after(mut task: Task, ons: &[u64]) -> Task {
    task.after = ons.iter().copied().map(TaskId).collect();
    task
}

fn ordered(tasks: Vec<Task>) -> OrderedTasks {
    OrderedTasks::new(tasks).expect("an order")
}

/// Where in the record an event stands.
fn place(ran: &Ran, wanted: impl Fn(&RunEvent) -> bool) -> Option<usize> {
    ran.events.iter().position(wanted)
}

fn started(ran: &Ran, id: u64) -> Option<usize> {
    place(
        ran,
        |event| matches!(event, RunEvent::TaskStarted { task, .. } if task.0 == id),
    )
}

fn concluded(ran: &Ran, id: u64) -> Option<usize> {
    place(
        ran,
        |event| matches!(event, RunEvent::TaskConcluded { task, .. } if task.0 == id),
    )
}

fn skipped_for(failed: u64) -> Option<Outcome> {
    let failed = TaskId(failed);
    Some(Outcome::Skipped(SkipReason::Dependency { failed }))
}

#[test]
fn nothing_starts_before_what_it_depends_on_has_succeeded() {
    each(|containment| {
        for strategy in [
            Strategy::Continuous,
            Strategy::Batch,
            Strategy::Sequential,
            Strategy::Unlimited,
        ] {
            // The second and the third may run side by side.
            let meet = |own: &str, other: &str| {
                shell(&format!("echo {own}; test {own} = {other} || sleep 0.05"))
            };
            let tasks = vec![
                after(shell("echo end"), &[1, 2]),
                after(meet("a", "b"), &[3]),
                after(meet("b", "a"), &[3]),
                shell("sleep 0.1; echo begin"),
                shell("echo free"),
            ];
            let ran = start(ordered(tasks), containment, |options| {
                options.strategy = strategy;
            })
            .finish();
            assert_eq!(ran.report().done, 5, "{ran:?}");
            // Now: begin 0, a 1, b 2, end 3, free 4.
            for (task, on) in [(1, 0), (2, 0), (3, 1), (3, 2)] {
                assert!(started(&ran, task) > concluded(&ran, on), "{ran:?}");
            }
            if strategy == Strategy::Sequential {
                assert_eq!(ran.text(), "begin\na\nb\nend\nfree\n");
            }
        }
    });
}

#[test]
fn what_depends_on_a_failure_is_skipped_with_its_name() {
    each(|containment| {
        let mut retried = shell("exit 3");
        retried.name = "culprit".into();
        retried.retries = 2;
        let tasks = vec![
            retried,
            after(shell("echo never"), &[0]),
            after(shell("echo never"), &[1]),
            shell("echo free"),
            after(shell("echo late"), &[3]),
        ];
        let ran = start(ordered(tasks), containment, |_| {}).finish();
        assert_eq!(ran.ends(0), vec![AttemptEnd::Exited(3); 3]);
        assert_eq!(ran.outcome(0), Some(Outcome::Failed));
        assert_eq!(
            (ran.outcome(1), ran.outcome(2)),
            (skipped_for(0), skipped_for(0))
        );
        assert_eq!(ran.outcome(4), Some(Outcome::Done));
        let report = ran.report();
        assert_eq!((report.done, report.failed, report.skipped), (2, 1, 2));
        let names: Vec<_> = (ran.events.iter())
            .filter_map(|event| match event {
                RunEvent::TaskConcluded { culprit, .. } => culprit.clone(),
                _ => None,
            })
            .collect();
        assert_eq!(names, vec![Arc::new("culprit".into()); 2]);
    });
}

#[test]
fn a_task_that_succeeds_at_last_holds_nobody_up() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("tries");
        let file = file.display();
        let mut first = shell(&format!("echo x >> {file}; test $(wc -l < {file}) -ge 3"));
        first.retries = 2;
        let tasks = vec![first, after(shell("echo second"), &[0])];
        let ran = start(ordered(tasks), containment, |_| {}).finish();
        assert_eq!(ran.report().done, 2);
        assert_eq!(ran.text(), "second\n");
    });
}

#[test]
fn every_task_of_the_list_has_its_outcome_when_the_run_is_halted() {
    each(|containment| {
        for halt in [Halt::Soon, Halt::Now] {
            let mut tasks = vec![
                shell("exit 1"),
                after(shell("true"), &[0]),
                shell("sleep 0.2"),
            ];
            tasks.extend((0..500).map(|_| after(shell("true"), &[2])));
            let ran = start(ordered(tasks), containment, |options| {
                options.halt = halt(FailureLimit::Count(1));
                options.concurrency = count(2);
            })
            .finish();
            let report = ran.report();
            assert_eq!(
                report.done + report.failed + report.skipped,
                503,
                "{report:?}"
            );
            let halted = Some(Outcome::Skipped(SkipReason::Halted));
            assert!([skipped_for(0), halted.clone()].contains(&ran.outcome(1)));
            assert_eq!(ran.outcome(502), halted);
        }
    });
}

/// A sink that nobody reads.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn every_task_of_the_list_has_its_outcome_when_the_run_is_stopped() {
    each(|containment| {
        let mut tasks = vec![shell("echo x"), after(shell("sleep 600"), &[0])];
        tasks.extend((0..500).map(|_| after(shell("true"), &[1])));
        let ran = start(ordered(tasks), containment, |options| {
            options.sinks.stdout = Box::new(Gone);
        })
        .finish();
        let report = ran.report();
        assert!(report.output_closed);
        // The first may be over before its output finds nobody.
        assert_eq!(report.done + report.skipped, 502, "{report:?}");
        assert!(report.done <= 1, "{report:?}");
        assert_eq!(
            ran.outcome(501),
            Some(Outcome::Skipped(SkipReason::Stopped))
        );
    });
}

#[test]
fn what_can_not_be_started_neither_hangs_nor_piles_up() {
    each(|containment| {
        // All of these are let go at once and end at once.
        let mut tasks = vec![shell("true")];
        tasks.extend((0..3000).map(|_| after(command("/no/such/program", [""]), &[0])));
        tasks.push(after(shell("true"), &(1..=3000).collect::<Vec<_>>()));
        let ran = start(ordered(tasks), containment, |_| {}).finish();
        let report = ran.report();
        assert_eq!((report.done, report.failed, report.skipped), (1, 3000, 1));
    });
}

#[test]
fn a_hundred_thousand_that_wait_are_no_burden() {
    each(|containment| {
        const MANY: u64 = 50_000;
        let mut tasks = vec![shell("exit 1")];
        // A chain, and as many beside one another, and one that waits for all.
        tasks.extend((1..=MANY).map(|number| after(shell("true"), &[number - 1])));
        tasks.extend((0..MANY).map(|_| after(shell("true"), &[0])));
        tasks.push(after(shell("true"), &(1..=2 * MANY).collect::<Vec<_>>()));
        let ran = start(ordered(tasks), containment, |_| {}).finish();
        assert_eq!(
            (ran.report().failed, ran.report().skipped),
            (1, 2 * MANY + 1)
        );
    });
}

#[test]
fn a_chain_runs_link_by_link() {
    each(|containment| {
        const LINKS: u64 = 300;
        let mut tasks = vec![shell("echo 0")];
        tasks.extend(
            (1..LINKS).map(|number| after(shell(&format!("echo {number}")), &[number - 1])),
        );
        let ran = start(ordered(tasks), containment, |_| {}).finish();
        let expected: String = (0..LINKS).map(|number| format!("{number}\n")).collect();
        assert_eq!(ran.text(), expected);
    });
}

#[test]
fn a_source_that_breaks_its_word() {
    each(|containment| {
        let ran = run(
            vec![shell("true"), after(shell("true"), &[0])],
            containment,
            |_| {},
        );
        match ran.result {
            Err(RunError::Source(why)) => assert!(why.contains("OrderedTasks"), "{why}"),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_batch_is_filled_with_what_may_start() {
    each(|containment| {
        // The second batch holds two whatever waits behind them.
        let mut tasks = vec![shell("true"), shell("true")];
        tasks.extend((0..2).map(|_| after(shell("true"), &[0, 1])));
        tasks.push(after(shell("true"), &[2, 3]));
        let ran = start(ordered(tasks), containment, |options| {
            options.strategy = Strategy::Batch;
            options.concurrency = count(1);
        })
        .finish();
        assert_eq!(ran.report().done, 5);
        let batches: Vec<usize> = (ran.events.iter())
            .filter_map(|event| match event {
                RunEvent::Session(Notice::Batch { tasks, .. }) => Some(*tasks),
                _ => None,
            })
            .collect();
        assert_eq!(batches, [2, 2, 1]);
    });
}

#[test]
fn a_shared_limit_holds_while_the_tasks_run() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let place = dir.path().display();
        // Each leaves its mark while it runs and counts those that are there.
        let one = |number: usize| {
            let script = format!(
                "mkdir {place}/{number}; ls {place} | wc -l; sleep 0.05; rmdir {place}/{number}"
            );
            let mut task = shell(&script);
            task.limits = vec![saferun_executor::Limit {
                name: Arc::from("one agent"),
                most: std::num::NonZeroUsize::new(2).expect("more than none"),
            }];
            task
        };
        let tasks = ordered((0..8).map(one).collect());
        let ran = start(tasks, containment, |options| options.concurrency = count(8)).finish();
        let text = ran.text();
        let counts: Vec<u32> = (text.split_ascii_whitespace())
            .map(|count| count.parse().expect("a number"))
            .collect();
        assert_eq!(counts.len(), 8, "{text:?}");
        assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
        assert_eq!(counts.iter().max(), Some(&2), "{counts:?}");
    });
}

#[test]
fn a_copy_of_the_output_is_kept_beside_handing_it_on() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let mut task = shell("seq 100000; echo wrong >&2; exit 3");
        task.retries = 1;
        let copies = saferun_executor::Copies {
            stdout: dir.path().join("stdout"),
            stderr: dir.path().join("stderr"),
        };
        task.copies = Some(copies.clone());
        let ran = start(ordered(vec![task]), containment, |_| {}).finish();
        let kept = std::fs::read_to_string(&copies.stdout).expect("is there");
        // Both attempts failed by themselves, so both are kept.
        assert_eq!(kept.lines().count(), 200_000);
        assert_eq!(kept, ran.text());
        assert_eq!(
            std::fs::read_to_string(&copies.stderr).expect("is there"),
            "wrong\nwrong\n"
        );
    });
}
