//! Events of an invented run, for the observers' snapshots.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use saferun_executor::{AttemptEnd, Figures, HeavyTask, Observer, RunEvent, RunReport, Say, Tier};
use saferun_scheduler::{GiveUpReason, Hold, Outcome, SkipReason, TaskId};

const MIB: u64 = 1 << 20;

#[derive(Default)]
struct Said(Vec<u8>);

impl Say for Said {
    fn say(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

/// What the observer says of these events, one 1.5 s after another.
pub(super) fn said(observer: &mut dyn Observer, events: &[RunEvent]) -> String {
    let mut said = Said::default();
    for (number, event) in (0u32..).zip(events) {
        observer.on(event, Duration::from_millis(1500) * number, &mut said);
    }
    String::from_utf8(said.0).unwrap()
}

fn name(text: &str) -> Arc<OsString> {
    Arc::new(OsString::from(text))
}

fn ended(task: u64, text: &str, attempt: u32, end: AttemptEnd) -> RunEvent {
    RunEvent::AttemptEnded {
        task: TaskId(task),
        name: name(text),
        attempt,
        end,
        peak_bytes: 300 * MIB,
        elapsed: Duration::from_millis(2300),
        ran: Duration::from_millis(2300),
        cpu: Duration::from_millis(1900),
        curve: None,
    }
}

fn concluded(task: u64, text: &str, outcome: Outcome) -> RunEvent {
    RunEvent::TaskConcluded {
        task: TaskId(task),
        name: name(text),
        outcome,
        culprit: None,
    }
}

/// One of each.
pub(super) fn eventful_run() -> Vec<RunEvent> {
    let figures = Figures {
        budget_bytes: 600 * MIB,
        used_bytes: 420 * MIB,
        running: 2,
        held: 1,
        waiting: 5,
        concluded: 0,
        total: Some(7),
    };
    let exceeds = GiveUpReason::ExceedsBudgetAlone {
        reached_bytes: 598 * MIB,
        budget_bytes: 600 * MIB,
    };
    let bytes = Arc::new(OsString::from_vec(b"odd\xff\nname".to_vec()));
    vec![
        RunEvent::RunStarted {
            run: "r1".into(),
            tier: Tier::Tree,
            notes: vec!["no control group can be made here".into()],
            budget_bytes: 600 * MIB,
            reserve_bytes: 64 * MIB,
        },
        RunEvent::TaskAdded {
            task: TaskId(0),
            name: name("a"),
            agent: Some("code-reviewer".into()),
            after: Vec::new(),
        },
        RunEvent::TaskAdded {
            task: TaskId(9),
            name: name("j"),
            agent: None,
            after: vec![(TaskId(0), name("a")), (TaskId(2), name("c"))],
        },
        RunEvent::TaskStarted {
            task: TaskId(0),
            name: name("a"),
            attempt: 1,
            pid: 100,
        },
        RunEvent::TaskStarted {
            task: TaskId(1),
            name: bytes,
            attempt: 2,
            pid: 101,
        },
        RunEvent::Holding {
            hold: Hold::Memory {
                needed_bytes: 300 * MIB,
                headroom_bytes: 180 * MIB,
            },
            figures,
        },
        RunEvent::Figures(figures),
        RunEvent::BrakeEngaged(figures),
        RunEvent::Preempting {
            task: TaskId(1),
            name: name("b"),
            needed_bytes: 412 * MIB,
            free_bytes: 180 * MIB,
            figures,
        },
        ended(1, "b", 1, AttemptEnd::Preempted),
        RunEvent::Alone {
            task: TaskId(1),
            name: name("b"),
            figures,
        },
        RunEvent::Frozen {
            task: TaskId(2),
            name: name("c"),
            figures,
        },
        RunEvent::Reclaimed {
            freed_bytes: 33 * MIB,
            figures,
        },
        RunEvent::Thawed {
            task: TaskId(2),
            name: name("c"),
            figures,
        },
        ended(0, "a", 1, AttemptEnd::Exited(0)),
        concluded(0, "a", Outcome::Done),
        ended(2, "c", 1, AttemptEnd::Exited(3)),
        concluded(2, "c", Outcome::Failed),
        RunEvent::TaskConcluded {
            task: TaskId(9),
            name: name("j"),
            outcome: Outcome::Skipped(SkipReason::Dependency { failed: TaskId(2) }),
            culprit: Some(name("c")),
        },
        ended(3, "d", 1, AttemptEnd::Signaled(9)),
        concluded(3, "d", Outcome::Failed),
        ended(
            4,
            "e",
            1,
            AttemptEnd::Victim("a system call failed while memory was full".into()),
        ),
        concluded(4, "e", Outcome::Failed),
        ended(5, "f", 1, AttemptEnd::GivenUp(exceeds)),
        concluded(5, "f", Outcome::GivenUp(exceeds)),
        ended(6, "g", 2, AttemptEnd::TimedOut),
        concluded(6, "g", Outcome::Failed),
        ended(
            7,
            "h",
            1,
            AttemptEnd::NotStarted("no such file or directory".into()),
        ),
        RunEvent::Note("something worth a line".into()),
        RunEvent::Stopping { signal: 2 },
        concluded(8, "i", Outcome::Skipped(SkipReason::Stopped)),
        RunEvent::RunEnded(RunReport {
            done: 2,
            failed: 4,
            skipped: 1,
            given_up: 1,
            restarted: 1,
            victims: 1,
            wall: Duration::from_millis(12_345),
            peak_bytes: 590 * MIB,
            budget_bytes: 600 * MIB,
            heaviest: vec![
                HeavyTask {
                    name: name("f"),
                    peak_bytes: 598 * MIB,
                },
                HeavyTask {
                    name: name("a"),
                    peak_bytes: 300 * MIB,
                },
            ],
            signal: Some(2),
            output_closed: false,
        }),
    ]
}

#[test]
fn verbose_tells_everything() {
    insta::assert_snapshot!(said(&mut super::Verbose::default(), &eventful_run()));
}

#[test]
fn plain_tells_what_is_notable() {
    insta::assert_snapshot!(said(&mut super::Plain::new(), &eventful_run()));
}

#[test]
fn json_tells_everything_as_lines() {
    let text = said(&mut super::Json::to_stderr(), &eventful_run());
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            value["event"].is_string() && value["at_ms"].is_u64(),
            "{line}"
        );
    }
    // The version changes with every release.
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

#[test]
fn summary_tells_the_end() {
    insta::assert_snapshot!(said(
        &mut super::Summary::new(false, false),
        &eventful_run()
    ));
}

#[test]
fn summary_of_little() {
    let mut report = RunReport {
        done: 1,
        wall: Duration::from_millis(1200),
        peak_bytes: 34 * MIB,
        budget_bytes: 600 * MIB,
        ..RunReport::default()
    };
    let once = |report: &RunReport| {
        said(
            &mut super::Summary::new(true, true),
            &[RunEvent::RunEnded(report.clone())],
        )
    };
    assert_eq!(
        once(&report),
        "saferun: done in 1.2 s; peak 34 MiB of a budget of 600 MiB\n"
    );
    report.done = 0;
    assert_eq!(once(&report), "");
}

#[test]
fn a_million_failures_stay_few_lines() {
    let mut events = Vec::new();
    for task in 0..1000 {
        events.push(ended(task, "x", 1, AttemptEnd::Exited(1)));
        events.push(concluded(task, "x", Outcome::Failed));
    }
    events.push(RunEvent::RunEnded(RunReport {
        failed: 1000,
        ..RunReport::default()
    }));
    assert!(said(&mut super::Plain::new(), &events).lines().count() <= 20);
    let summary = said(&mut super::Summary::new(false, true), &events);
    assert!(summary.lines().count() <= 15);
    assert!(summary.contains("failed: 990 more"), "{summary}");
}
