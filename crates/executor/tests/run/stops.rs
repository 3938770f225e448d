//! What ends a run before its tasks do, and what mustn't.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saferun_executor::{AttemptEnd, RunError, RunEvent, Task};
use saferun_scheduler::{FailureLimit, Halt, Outcome, SkipReason};

use crate::support::{count, each, run, shell, start, until};

#[test]
fn wrong_input_ends_the_run() {
    each(|containment| {
        let read_on = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&read_on);
        let source = vec![
            Ok(shell("sleep 600")),
            Err("line 2: no such thing".to_owned()),
        ]
        .into_iter()
        .chain(std::iter::from_fn(move || {
            flag.store(true, Ordering::SeqCst);
            None
        }));
        let ran = start(source, containment, |_| {}).finish();
        match &ran.result {
            Err(RunError::Source(why)) => assert_eq!(why, "line 2: no such thing"),
            other => panic!("{other:?}"),
        }
        assert_eq!(ran.outcome(0), Some(Outcome::Skipped(SkipReason::Stopped)));
        assert!(!read_on.load(Ordering::SeqCst), "read on after an error");
    });
}

#[test]
fn a_reader_that_panics_is_not_the_end_of_the_input() {
    each(|containment| {
        let source = vec![Ok(shell("true"))]
            .into_iter()
            .chain(std::iter::from_fn(|| -> Option<Result<Task, String>> {
                panic!("a test's panic; it may be seen")
            }));
        let ran = start(source, containment, |_| {}).finish();
        assert!(
            matches!(&ran.result, Err(RunError::Source(_))),
            "{:?}",
            ran.result
        );
    });
}

/// A sink that nobody reads.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn output_that_nobody_reads_ends_the_run() {
    each(|containment| {
        let source = std::iter::once(Ok(shell("echo x")))
            .chain(std::iter::repeat_with(|| Ok(shell("sleep 600"))));
        let ran = start(source, containment, |options| {
            options.sinks.stdout = Box::new(Gone);
        })
        .finish();
        assert!(ran.report().output_closed);
        assert_eq!(ran.report().signal, None);
    });
}

/// A sink that takes nothing until it is let go.
#[derive(Clone)]
struct Blocked(Arc<Mutex<mpsc::Receiver<()>>>, Arc<AtomicU64>);

impl Blocked {
    fn new() -> (Self, mpsc::Sender<()>) {
        let (open, wait) = mpsc::channel();
        let wait = Arc::new(Mutex::new(wait));
        (Self(wait, Arc::new(AtomicU64::new(0))), open)
    }
}

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Waits until the sender is gone.
        let _ = self.0.lock().expect("one writer").recv();
        self.1.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_blocked_output_stops_no_timeouts_and_ends_nothing() {
    each(|containment| {
        let (sink, open) = Blocked::new();
        let mut slow = shell("sleep 600");
        slow.timeout = Some(Duration::from_millis(200));
        let written = Arc::clone(&sink.1);
        let running = start(
            vec![Ok(shell("echo x")), Ok(shell("echo y")), Ok(slow)].into_iter(),
            containment,
            |options| options.sinks.stdout = Box::new(sink),
        );
        until("the timeout", || {
            running.record.has(|event| {
                matches!(
                    event,
                    RunEvent::AttemptEnded {
                        end: AttemptEnd::TimedOut,
                        ..
                    }
                )
            })
        });
        assert_eq!(written.load(Ordering::SeqCst), 0);
        drop(open);
        let ran = running.finish();
        assert_eq!(written.load(Ordering::SeqCst), 4);
        assert_eq!(ran.report().done, 2);
    });
}

#[test]
fn input_is_held_up_by_a_blocked_output_and_goes_on_after_it() {
    each(|containment| {
        // 60 KiB from memory and 100 KB from disk: both are output that waits.
        for bytes in [60_000u64, 100_000] {
            let (sink, open) = Blocked::new();
            let written = Arc::clone(&sink.1);
            let asked = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&asked);
            let tasks = 600;
            let source = (0..tasks).map(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(shell(&format!("head -c {bytes} /dev/zero")))
            });
            let running = start(source, containment, |options| {
                options.sinks.stdout = Box::new(sink);
            });
            // Until nothing more is started: all that was taken in is concluded.
            let concluded = || {
                let is = |e: &&RunEvent| matches!(e, RunEvent::TaskConcluded { .. });
                running.record.events().iter().filter(is).count()
            };
            let mut last = (0, std::time::Instant::now());
            until("a standstill", || {
                let now = concluded();
                if now != last.0 {
                    last = (now, std::time::Instant::now());
                }
                now > 0 && last.1.elapsed() > Duration::from_secs(1)
            });
            assert!(concluded() < 400, "{} went on", concluded());
            drop(open);
            let ran = running.finish();
            assert_eq!(ran.report().done, tasks);
            assert_eq!(written.load(Ordering::SeqCst), tasks * bytes);
        }
    });
}

#[test]
fn too_many_failures_end_a_run_whose_input_never_ends() {
    each(|containment| {
        for at_once in [false, true] {
            let halt = if at_once { Halt::Now } else { Halt::Soon };
            let asked = Arc::new(AtomicU64::new(0));
            let counter = Arc::clone(&asked);
            let source = std::iter::repeat_with(move || {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(shell("exit 1"))
            });
            let ran = start(source, containment, |options| {
                options.halt = halt(FailureLimit::Count(3));
            })
            .finish();
            let report = ran.report();
            assert!((3..=6).contains(&report.failed), "{report:?}");
            assert_eq!(report.done, 0);
            // What was read is skipped, and what the reader had prepared; not much more.
            assert!(asked.load(Ordering::SeqCst) < 400);
        }
    });
}

#[test]
fn too_many_failures_end_a_run_whose_input_is_silent() {
    each(|containment| {
        let (keep, silence) = mpsc::channel::<()>();
        let source = std::iter::once(Ok(shell("exit 1"))).chain(std::iter::from_fn(move || {
            // Ends when the test does.
            let _ = silence.recv();
            None
        }));
        let ran = start(source, containment, |options| {
            options.halt = Halt::Soon(FailureLimit::Count(1));
        })
        .finish();
        assert_eq!((ran.report().failed, ran.report().skipped), (1, 0));
        drop(keep);
    });
}

#[test]
fn what_runs_is_left_to_end_or_ended_as_asked() {
    each(|containment| {
        let dir = tempfile::tempdir().expect("a directory");
        let go = dir.path().join("go");
        let patient = format!(
            "until [ -e {} ]; do sleep 0.01; done; echo end",
            go.display()
        );
        let tasks = |first: &str| vec![shell(first), shell("exit 1"), shell("true")];
        let running = start(
            tasks(&patient).into_iter().map(Ok),
            containment,
            |options| {
                options.concurrency = count(2);
                options.halt = Halt::Soon(FailureLimit::Count(1));
            },
        );
        until("the failure", || {
            running.record.has(|event| {
                matches!(
                    event,
                    RunEvent::TaskConcluded {
                        outcome: Outcome::Failed,
                        ..
                    }
                )
            })
        });
        std::fs::write(go, "").expect("written");
        let ran = running.finish();
        assert_eq!((ran.report().done, ran.report().failed), (1, 1));
        assert_eq!(ran.text(), "end\n");
        let tasks = tasks("trap '' TERM; sleep 600 & sleep 600");
        let ran = run(tasks, containment, |options| {
            options.concurrency = count(2);
            options.halt = Halt::Now(FailureLimit::Count(1));
        });
        assert_eq!(ran.ends(0), [AttemptEnd::Stopped]);
        assert_eq!(ran.outcome(0), Some(Outcome::Skipped(SkipReason::Halted)));
    });
}

#[test]
fn an_input_that_blocks_holds_up_nothing_that_runs() {
    each(|containment| {
        let (sender, receiver) = mpsc::channel();
        let running = start(receiver.into_iter(), containment, |_| {});
        for round in 0..3 {
            let mut task = shell("sleep 600");
            task.timeout = Some(Duration::from_millis(50));
            sender.send(Ok(task)).expect("taken");
            sender.send(Ok(shell("true"))).expect("taken");
            until("both conclusions", || {
                let events = running.record.events();
                let concluded = events
                    .iter()
                    .filter(|event| matches!(event, RunEvent::TaskConcluded { .. }));
                concluded.count() == 2 * (round + 1)
            });
        }
        drop(sender);
        let ran = running.finish();
        assert_eq!((ran.report().done, ran.report().failed), (3, 3));
    });
}
