//! Many tasks, many runs, and what is left of them.

use std::sync::PoisonError;
use std::time::Duration;

use saferun_executor::{Containment, RunEvent, RunOptions, Sinks, Tier};
use saferun_scheduler::Outcome;

use crate::support::{
    ALONE, Kept, Record, count, each, groups, guard, run, runtime, shared, shell, start,
    start_shared, until, with_mark,
};

#[test]
fn tasks_that_leave_children_behind_are_each_concluded_once() {
    each(|containment| {
        let tasks = (0..200)
            .map(|i| shell(&format!("sleep 300 & (setsid sleep 300 &); echo {i}")))
            .collect();
        let ran = run(tasks, containment, |options| options.concurrency = count(8));
        assert_eq!(ran.report().done, 200);
        let mut lines: Vec<u32> = ran
            .text()
            .lines()
            .map(|line| line.parse().expect("a number"))
            .collect();
        lines.sort_unstable();
        assert!(lines.into_iter().eq(0..200));
    });
}

#[test]
fn runs_side_by_side_in_one_process_leave_each_other_alone() {
    each(|containment| {
        let runs: Vec<_> = (0..4)
            .map(|run| {
                let tasks =
                    (0..10).map(move |i| Ok(shell(&format!("sleep 0.0{i}; echo {run} {i}"))));
                start(tasks, containment, |options| {
                    options.output.keep_order = true
                })
            })
            .collect();
        for (number, running) in runs.into_iter().enumerate() {
            let ran = running.finish();
            assert_eq!(ran.report().done, 10);
            let expected: String = (0..10).map(|i| format!("{number} {i}\n")).collect();
            assert_eq!(ran.text(), expected);
        }
    });
}

#[test]
fn a_run_inside_a_task_is_a_run() {
    each(|containment| {
        let name = match containment {
            Containment::Best => "best",
            Containment::Tree => "tree",
        };
        let inner = crate::support::example("run");
        let script = format!(
            "exec '{}' {name} 'echo inner; (setsid sleep 600 &)' 'exit 1'",
            inner.display()
        );
        let ran = run(vec![shell(&script)], containment, |_| {});
        assert_eq!(ran.text(), "inner\n1 done, 1 failed, 0 run again\n");
        assert_eq!(ran.outcome(0), Some(Outcome::Failed));
    });
}

#[test]
fn more_tasks_than_descriptors_were_allowed_for_run_side_by_side() {
    for mode in ["best", "tree"] {
        let _shared = shared();
        let tasks = "'sleep 0.3; ulimit -n' ".repeat(60);
        let script = format!(
            "ulimit -S -n 200; exec '{}' {mode} {tasks}",
            crate::support::example("run").display()
        );
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .expect("sh");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            said.ends_with("60 done, 0 failed, 0 run again\n"),
            "{mode}: {said}"
        );
        // Tasks have the limit that was there before.
        assert_eq!(
            said.lines().filter(|line| *line == "200").count(),
            60,
            "{said}"
        );
    }
}

#[test]
fn without_limits_nothing_is_held() {
    each(|containment| {
        let hog = "x=$(head -c 30000000 /dev/zero | tr '\\0' x); echo ${#x}";
        let ran = run(vec![shell(hog); 4], containment, |options| {
            options.strategy = saferun_scheduler::Strategy::Unlimited;
            options.memory = Some(saferun_memory::Amount::Bytes(80 << 20));
        });
        assert_eq!(ran.text(), "30000000\n".repeat(4));
        assert_eq!(ran.report().done, 4);
    });
}

#[test]
fn nothing_stays_open_or_behind() {
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
    each(|containment| {
        for with_guard in [false, true] {
            let once = || {
                let tasks = vec![
                    Ok(shell("echo a; (setsid sleep 600 &)")),
                    Ok(shell("head -c 200000 /dev/zero; exit 1")),
                    Ok(crate::support::command("no-such-program", [])),
                ];
                start_shared(
                    tasks.into_iter(),
                    containment,
                    |options| options.guard = with_guard.then(guard),
                    None,
                )
                .finish()
            };
            once();
            // What ends by itself has a moment to do so.
            let mut before = open();
            let mut since = std::time::Instant::now();
            until("rest", || {
                if open() < before {
                    before = open();
                    since = std::time::Instant::now();
                }
                since.elapsed() > Duration::from_millis(200)
            });
            for _ in 0..20 {
                once();
            }
            // Threads that only end by themselves may still do so.
            until("nothing more is open than before", || open() <= before);
            assert_eq!(ended_guards(), 0);
        }
    });
}

/// Guards of ours that have ended and that nobody has waited for. (What tasks have left may
/// have fallen to us as well, if a run in this process has ever been one of process trees.)
fn ended_guards() -> usize {
    let own = std::process::id().to_string();
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|dir| std::fs::read_to_string(dir.path().join("stat")).ok())
        .filter(|stat| stat.contains("(runner)"))
        .filter(|stat| {
            let mut words = stat
                .rsplit_once(')')
                .map_or("", |(_, rest)| rest)
                .split_ascii_whitespace();
            words.next() == Some("Z") && words.next() == Some(&own)
        })
        .count()
}

#[test]
fn a_future_that_is_dropped_ends_its_tasks() {
    for containment in [Containment::Best, Containment::Tree] {
        for with_guard in [false, true] {
            let _shared = shared();
            let record = Record::default();
            let mut observer = record.clone();
            let options = RunOptions {
                containment,
                guard: with_guard.then(guard),
                sinks: Sinks {
                    stdout: Box::new(Kept::default()),
                    stderr: Box::new(Kept::default()),
                },
                ..RunOptions::default()
            };
            let tasks = vec![Ok(shell("trap '' TERM; (setsid sleep 600 &); sleep 600"))];
            runtime().block_on(async {
                let run =
                    saferun_executor::run(Box::new(tasks.into_iter()), options, &mut observer);
                let started = async {
                    while !record.has(|e| matches!(e, RunEvent::TaskStarted { .. })) {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                };
                tokio::select! {
                    result = run => panic!("it ended: {result:?}"),
                    () = started => {}
                }
            });
            let events = record.events();
            let Some(RunEvent::RunStarted { run, tier, .. }) = events.first() else {
                panic!("{events:?}");
            };
            if containment == Containment::Best && *tier == Tier::Tree {
                println!("skipped: no control groups here");
            }
            until("nothing is left", || {
                with_mark(run).is_empty() && groups(run).is_empty()
            });
        }
    }
}

#[test]
fn a_guard_that_will_not_stay_does_not_keep_the_run_busy() {
    let ran = run(vec![shell("sleep 600")], Containment::Best, |options| {
        options.guard = Some(saferun_executor::GuardProgram {
            program: "true".into(),
            args: vec![],
        });
    });
    let notes: Vec<_> = ran
        .events
        .iter()
        .filter(|event| matches!(event, RunEvent::Note(_)))
        .collect();
    assert!(notes.len() < 20, "{} notes", notes.len());
    assert_eq!(ran.report().skipped, 1);
}
