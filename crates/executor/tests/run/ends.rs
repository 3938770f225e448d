//! How attempts end.

use std::time::Duration;

use saferun_executor::{AttemptEnd, RunEvent};
use saferun_scheduler::Outcome;

use crate::support::{command, count, each, run, shell, start, until, with_mark};

#[test]
fn results_are_counted() {
    each(|containment| {
        let mut tasks: Vec<_> = (0..12).map(|_| command("true", [])).collect();
        tasks.push(shell("exit 7"));
        tasks.push(shell("kill -11 $$"));
        tasks.push(command("false", []));
        let ran = run(tasks, containment, |_| {});
        let report = ran.report();
        assert_eq!(
            (report.done, report.failed, report.skipped, report.given_up),
            (12, 3, 0, 0)
        );
        assert_eq!(ran.ends(12), [AttemptEnd::Exited(7)]);
        assert_eq!(ran.ends(13), [AttemptEnd::Signaled(11)]);
        assert_eq!(ran.outcome(14), Some(Outcome::Failed));
        assert!(report.signal.is_none() && !report.output_closed);
    });
}

#[test]
fn no_tasks_are_a_run_too() {
    each(|containment| {
        let ran = run(vec![], containment, |_| {});
        assert_eq!(ran.events.len(), 2, "{:?}", ran.events);
    });
}

#[test]
fn what_a_task_leaves_behind_is_ended_with_it() {
    each(|containment| {
        // Away from the session, deaf, and holding the pipe open.
        let daemon = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; sleep 600 & sleep 600' & (setsid sleep 600 &) ; sleep 0.1; echo done";
        let ran = run(
            vec![shell(daemon), shell("echo next"), shell("echo next")],
            containment,
            |options| options.concurrency = count(1),
        );
        assert_eq!(ran.text(), "done\nnext\nnext\n");
        assert_eq!(ran.report().done, 3);
    });
}

#[test]
fn a_deaf_task_is_killed_a_grace_after_its_time() {
    each(|containment| {
        let mut deaf = shell("trap 'echo asked' TERM; echo up; while :; do sleep 0.02; done");
        deaf.timeout = Some(Duration::from_millis(300));
        let ran = run(vec![deaf], containment, |_| {});
        assert_eq!(ran.ends(0), [AttemptEnd::TimedOut]);
        assert_eq!(ran.outcome(0), Some(Outcome::Failed));
        // Its output is handed on, and it was asked before.
        assert!(ran.text().starts_with("up\n"), "{}", ran.text());
        assert!(ran.text().contains("asked"), "{}", ran.text());
        let elapsed = ran.events.iter().find_map(|event| match event {
            RunEvent::AttemptEnded { elapsed, .. } => Some(*elapsed),
            _ => None,
        });
        assert!(elapsed >= Some(Duration::from_millis(600)), "{elapsed:?}");
    });
}

#[test]
fn a_task_that_listens_ends_in_its_own_way() {
    each(|containment| {
        let mut polite = shell("trap 'echo bye; exit 0' TERM; while :; do sleep 0.02; done");
        polite.timeout = Some(Duration::from_millis(300));
        let ran = run(vec![polite], containment, |options| {
            options.grace = Duration::from_secs(50);
        });
        // Whatever it says, its time was up.
        assert_eq!(ran.ends(0), [AttemptEnd::TimedOut]);
        assert_eq!(ran.text(), "bye\n");
    });
}

#[test]
fn failures_are_tried_again_as_often_as_asked() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!(
            "cd '{}'; echo x >> tries; [ $(wc -l < tries) -ge 3 ]",
            dir.path().display()
        );
        let mut at_last = shell(&script);
        at_last.retries = 5;
        let mut never = shell("exit 3");
        never.retries = 2;
        let mut slow = shell("sleep 600");
        slow.retries = 1;
        slow.timeout = Some(Duration::from_millis(50));
        let ran = run(vec![at_last, never, slow], containment, |_| {});
        let exited = AttemptEnd::Exited;
        assert_eq!(ran.ends(0), [exited(1), exited(1), exited(0)]);
        assert_eq!(ran.ends(1), [exited(3), exited(3), exited(3)]);
        assert_eq!(ran.ends(2), [AttemptEnd::TimedOut, AttemptEnd::TimedOut]);
        assert_eq!((ran.report().done, ran.report().failed), (1, 2));
    });
}

#[test]
fn a_task_that_somebody_kills_is_nobodys_victim() {
    each(|containment| {
        let running = start(
            vec![Ok(shell("sleep 600"))].into_iter(),
            containment,
            |_| {},
        );
        let pid = || {
            running
                .record
                .events()
                .iter()
                .find_map(|event| match event {
                    RunEvent::TaskStarted { pid, .. } => Some(*pid),
                    _ => None,
                })
        };
        until("its start", || pid().is_some());
        let pid = i32::try_from(pid().expect("started")).expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("ours");
        let ran = running.finish();
        assert_eq!(ran.ends(0), [AttemptEnd::Signaled(9)]);
        assert_eq!(ran.outcome(0), Some(Outcome::Failed));
    });
}

#[test]
fn a_leader_that_is_stopped_by_itself_is_ended_by_its_timeout() {
    each(|containment| {
        let mut task = shell("kill -STOP $$; echo never");
        task.timeout = Some(Duration::from_millis(200));
        let ran = run(vec![task], containment, |_| {});
        assert_eq!(ran.ends(0), [AttemptEnd::TimedOut]);
        assert_eq!(with_mark(ran.id()), [0u32; 0]);
    });
}
