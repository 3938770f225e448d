//! What the tests share: a run on a thread of its own, and everything that it told.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use saferun_executor::{
    AttemptEnd, CommandSpec, Concurrency, Containment, GuardProgram, Observer, RunError, RunEvent,
    RunOptions, RunReport, Say, Sinks, Task, TaskSource,
};
use saferun_scheduler::{Outcome, TaskId};

/// Far more than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Those that count what the whole process has open are alone; all others share.
pub(crate) static ALONE: RwLock<()> = RwLock::new(());

pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    ALONE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Polls until the condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Calls `test` for each kind of containment.
pub(crate) fn each(test: impl Fn(Containment)) {
    for containment in [Containment::Best, Containment::Tree] {
        test(containment);
    }
}

pub(crate) fn shell(script: &str) -> Task {
    command("sh", ["-c", script])
}

pub(crate) fn command<const N: usize>(program: &str, args: [&str; N]) -> Task {
    let name = args.last().copied().unwrap_or(program);
    Task::new(name, CommandSpec::new(program, args))
}

pub(crate) fn count(count: usize) -> Concurrency {
    Concurrency::Count(count.try_into().expect("not zero"))
}

/// A sink that keeps what it gets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An observer that keeps what it is told, readable while the run goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<RunEvent>>>);

impl Record {
    pub(crate) fn events(&self) -> Vec<RunEvent> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }

    pub(crate) fn has(&self, wanted: impl Fn(&RunEvent) -> bool) -> bool {
        self.events().iter().any(wanted)
    }
}

impl Observer for Record {
    fn on(&mut self, event: &RunEvent, _: Duration, _: &mut dyn Say) {
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Some runs are looked at thousands of times.
        if !matches!(event, RunEvent::Figures(_)) {
            events.push(event.clone());
        }
    }
}

/// A run that goes on.
pub(crate) struct Running {
    pub(crate) record: Record,
    pub(crate) stdout: Kept,
    pub(crate) stderr: Kept,
    result: mpsc::Receiver<Result<RunReport, RunError>>,
    _shared: Option<RwLockReadGuard<'static, ()>>,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) result: Result<RunReport, RunError>,
    pub(crate) events: Vec<RunEvent>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Starts a run of what comes from `source`.
pub(crate) fn start(
    source: impl TaskSource + 'static,
    containment: Containment,
    change: impl FnOnce(&mut RunOptions),
) -> Running {
    start_shared(source, containment, change, Some(shared()))
}

pub(crate) fn start_shared(
    source: impl TaskSource + 'static,
    containment: Containment,
    change: impl FnOnce(&mut RunOptions),
    shared: Option<RwLockReadGuard<'static, ()>>,
) -> Running {
    let (record, stdout, stderr) = (Record::default(), Kept::default(), Kept::default());
    let mut options = RunOptions {
        containment,
        concurrency: count(4),
        grace: Duration::from_millis(300),
        sinks: Sinks {
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
        },
        ..RunOptions::default()
    };
    change(&mut options);
    let (sender, result) = mpsc::channel();
    let mut observer = record.clone();
    std::thread::spawn(move || {
        let result = runtime().block_on(saferun_executor::run(
            Box::new(source),
            options,
            &mut observer,
        ));
        // If nobody waits any more the test has failed already.
        let _ = sender.send(result);
    });
    Running {
        record,
        stdout,
        stderr,
        result,
        _shared: shared,
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

impl Running {
    /// Waits for its end, and checks what holds for every run.
    pub(crate) fn finish(self) -> Ran {
        let result = self.result.recv_timeout(PATIENCE);
        let events = self.record.events();
        let result = result.unwrap_or_else(|_| panic!("the run has hung: {events:#?}"));
        let ran = Ran {
            result,
            events,
            stdout: self.stdout.bytes(),
            stderr: self.stderr.bytes(),
        };
        ran.check();
        ran
    }
}

/// Runs these tasks to their end.
pub(crate) fn run(
    tasks: Vec<Task>,
    containment: Containment,
    change: impl FnOnce(&mut RunOptions),
) -> Ran {
    start(tasks.into_iter().map(Ok), containment, change).finish()
}

impl Ran {
    pub(crate) fn report(&self) -> &RunReport {
        match &self.result {
            Ok(report) => report,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn ends(&self, task: u64) -> Vec<AttemptEnd> {
        let ends = self.events.iter().filter_map(|event| match event {
            RunEvent::AttemptEnded { task: id, end, .. } if id.0 == task => Some(end.clone()),
            _ => None,
        });
        ends.collect()
    }

    pub(crate) fn outcome(&self, task: u64) -> Option<Outcome> {
        self.events.iter().find_map(|event| match event {
            RunEvent::TaskConcluded {
                task: id, outcome, ..
            } if id.0 == task => Some(outcome.clone()),
            _ => None,
        })
    }

    pub(crate) fn id(&self) -> &str {
        match self.events.first() {
            Some(RunEvent::RunStarted { run, .. }) => run,
            other => panic!("a run begins with its start, not {other:?}"),
        }
    }

    /// What holds for every run.
    fn check(&self) {
        let id = self.id();
        assert!(
            matches!(self.events.last(), Some(RunEvent::RunEnded(_))),
            "{:?}",
            self.events.last()
        );
        let mut running: BTreeMap<TaskId, u32> = BTreeMap::new();
        let mut concluded = BTreeSet::new();
        let mut outcomes = [0u64; 4];
        for event in &self.events {
            match event {
                RunEvent::TaskStarted { task, attempt, .. } => {
                    assert!(!concluded.contains(task), "started when it was concluded");
                    assert_eq!(running.insert(*task, *attempt), None, "started twice");
                }
                RunEvent::AttemptEnded {
                    task, attempt, end, ..
                } => {
                    assert!(!concluded.contains(task), "ended when it was concluded");
                    let started = running.remove(task);
                    let never = matches!(end, AttemptEnd::NotStarted(_) | AttemptEnd::Victim(_))
                        || (matches!(end, AttemptEnd::Stopped) && started.is_none());
                    assert!(started == Some(*attempt) || never, "{event:?}");
                }
                RunEvent::TaskConcluded { task, outcome, .. } => {
                    assert!(!running.contains_key(task), "concluded while it ran");
                    assert!(concluded.insert(*task), "concluded twice: {task:?}");
                    outcomes[match outcome {
                        Outcome::Done => 0,
                        Outcome::Failed => 1,
                        Outcome::Skipped(_) => 2,
                        Outcome::GivenUp(_) => 3,
                    }] += 1;
                }
                RunEvent::RunEnded(report) => {
                    let counted = [report.done, report.failed, report.skipped, report.given_up];
                    assert_eq!(counted, outcomes);
                }
                _ => {}
            }
        }
        assert!(running.is_empty(), "never ended: {running:?}");
        // Every task known by its number, none left out.
        let numbers: Vec<u64> = concluded.iter().map(|task| task.0).collect();
        assert_eq!(numbers, (0..concluded.len() as u64).collect::<Vec<_>>());
        assert_eq!(with_mark(id), [0u32; 0], "left behind");
        assert_eq!(groups(id), Vec::<PathBuf>::new(), "left behind");
    }
}

/// The processes that carry a run's mark. Those that have ended have none any more.
pub(crate) fn with_mark(run: &str) -> Vec<u32> {
    let mark = format!("SAFERUN_RUN={run}");
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|dir| dir.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&b| b == 0).any(|e| e == mark.as_bytes())
        })
        .collect()
}

/// The directories of a run's groups that are there.
pub(crate) fn groups(id: &str) -> Vec<PathBuf> {
    let own = saferun_memory::OwnGroups::read(&saferun_memory::Roots::default()).expect("groups");
    [own.memory_v1, own.pids_v1, own.freezer_v1, own.unified]
        .into_iter()
        .flatten()
        .map(|group| group.dir.join(format!("saferun-{id}")))
        .filter(|dir| dir.is_dir())
        .collect()
}

/// A guard: an example of this crate can be one; `cargo test` builds it beside the tests.
pub(crate) fn guard() -> GuardProgram {
    GuardProgram {
        program: example("runner").into(),
        args: vec!["guard".into()],
    }
}

pub(crate) fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("our own path");
    let target = exe
        .parent()
        .and_then(std::path::Path::parent)
        .expect("target/PROFILE/deps");
    let path = target.join("examples").join(name);
    assert!(
        path.exists(),
        "{} isn't built: cargo build -p saferun-executor --examples",
        path.display()
    );
    path
}
