//! The run: one loop that waits for whatever happens next and hands it on.

mod attempt;
mod carry_out;
mod clock;
mod copy;
mod dependencies;
mod ending;
mod feed;
pub(crate) mod launch;
mod pipe;
mod reaper;
mod sample;
mod session;
mod signals;
mod state;
mod stop;
mod tally;
mod watch;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use saferun_memory::{Machine, Roots};
use saferun_scheduler::{Config, Scheduler, Strategy};
use tokio::sync::mpsc;

use self::clock::RunClock;
use self::dependencies::Dependencies;
use self::feed::Feed;
use self::launch::Launcher;
use self::session::Session;
use self::signals::{Signals, Wish};
use self::state::Run;
use self::tally::Tally;
use crate::RunError;
use crate::brake::{Brake, BrakeParams};
use crate::budget::{BudgetRules, BudgetTracker};
use crate::event::{Figures, Observer, RunEvent, RunReport};
use crate::guard::{Guard, Isolation};
use crate::options::{Concurrency, RunOptions};
use crate::output::sequence::Sequence;
use crate::output::spool::Spool;
use crate::output::spooler::Spooler;
use crate::output::writer::Writer;
use crate::readiness::Readable;
use crate::run_id::RunId;
use crate::task::TaskSource;

/// What must be left for tasks below the brake, in bytes: a smaller budget can't run anything of
/// use, and a run refuses it.
pub const LEAST_BUDGET: u64 = 8 << 20;

/// A guard that is gone is replaced so often in so long; one that never stays is no guard.
const REPLACED_AT_MOST: usize = 3;
const REPLACING: Duration = Duration::from_secs(10);

/// Runs every task of `source` and reports how it went.
///
/// Must be called inside a tokio runtime with I/O and time enabled (a current-thread runtime is
/// meant). Dropping the future ends all that runs, which may block for two seconds.
/// The soft limit of open files is raised for this process, not for its tasks.
/// As process 1 with [`RunOptions::handle_signals`], the statuses of all children that have ended
/// are taken while it runs, as nobody else waits for orphans there.
///
/// # Errors
///
/// See [`RunError`]. A task's failure is no error but a figure in the report.
pub async fn run(
    source: Box<dyn TaskSource>,
    options: RunOptions,
    observer: &mut dyn Observer,
) -> Result<RunReport, RunError> {
    let system = |what| move |cause| RunError::System { what, cause };
    crate::descriptors::raise();
    let signals = options
        .handle_signals
        .then(Signals::listen)
        .transpose()
        .map_err(system("signals can't be listened to"))?;
    let id = RunId::new();
    let opened = crate::guard::open_isolated(
        options.containment,
        options.isolation,
        &id,
        options.guard.as_ref(),
    )
    .map_err(|error| match error.downcast() {
        Ok(refused) => RunError::Isolation(refused),
        Err(error) => system("tasks can't be contained")(error),
    })?;
    // Dropped after the slots, whatever happens, so that what they still hold is watched.
    let mut guard = opened.1;
    let slots = opened.0;
    let (writer, writer_thread) =
        Writer::start(options.sinks).map_err(system("no thread for output"))?;
    let (ended, ended_receiver) = mpsc::unbounded_channel();

    let rules = BudgetRules {
        configured: options.memory,
        reserve: options.reserve,
        hard_limit: slots.has_hard_limit(),
    };
    let mut machine = Machine::open(&Roots::default())?;
    let mut budget = BudgetTracker::new(rules);
    let brake = Brake::new(BrakeParams::of_tier(slots.has_hard_limit()));
    let current = budget.update(&machine.read()?, 0, brake.margin_bytes());
    if current.limit_bytes < LEAST_BUDGET + brake.margin_bytes() {
        return Err(RunError::Budget(format!(
            "only {} would be left for tasks, which is too little to run anything; raise --memory, lower --reserve, or free memory (see `saferun status --why`)",
            saferun_memory::show(current.limit_bytes)
        )));
    }
    let concurrency = match (options.strategy, options.concurrency) {
        (Strategy::Sequential, _) => Some(NonZeroUsize::MIN),
        (_, Concurrency::Count(count)) => Some(count),
        (_, Concurrency::Auto) => None,
    };
    let threshold = Session::threshold(options.strategy, options.threshold);
    let (measured, measured_receiver) = mpsc::unbounded_channel();
    let mut run = Run {
        clock: RunClock::start(),
        scheduler: Scheduler::new(Config {
            strategy: options.strategy,
            preempt: options.preempt,
            order: options.order,
            concurrency,
            cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            // Where the kernel has no limit for us, our own readings and SIGSTOP are the brake: the
            // margins for that are the brake's, not the scheduler's.
            brake: true,
            halt: options.halt,
            threshold_bytes: threshold,
            assumed_bytes: options.assumed_bytes,
        }),
        machine,
        budget,
        current,
        brake,
        launcher: Launcher::new(id.as_str()).map_err(system("/dev/null can't be opened"))?,
        tasks: HashMap::new(),
        names: HashMap::new(),
        unlimited: options.strategy == Strategy::Unlimited,
        active: BTreeMap::new(),
        next_task: 0,
        drained: false,
        dependencies: source.has_dependencies().then(|| {
            let alone = concurrency == Some(NonZeroUsize::MIN);
            Dependencies::new(alone && options.strategy != Strategy::Batch)
        }),
        output: options.output,
        sequential: concurrency == Some(NonZeroUsize::MIN),
        sequence: Sequence::new(writer.clone(), options.output.keep_order),
        writer,
        reaper: reaper::Reaper::new(options.handle_signals),
        spooler: Spooler::new(Spool::find().ok()),
        ended,
        tally: Tally::default(),
        observer,
        grace: options.grace,
        figures: Figures::default(),
        sampling: sample::Sampling::default(),
        session: Session::new(
            options.strategy,
            options.concurrency,
            threshold,
            source.count(),
            measured,
        ),
        last_hold: None,
        source_error: None,
        stop_count: 0,
        last_signal: None,
        last_suspend: None,
        actions: Vec::new(),
        slots,
    };
    run.emit(&RunEvent::RunStarted {
        run: id.as_str().to_owned(),
        tier: run.slots.tier(),
        notes: notes(&*run.slots, options.isolation),
        budget_bytes: current.limit_bytes,
        reserve_bytes: current.reserve_bytes,
    });
    run.look(true);
    run.open_session();
    let feed = Feed::start(source).map_err(system("no thread for the input"))?;
    let watched = Watched {
        signals,
        children: (run.reaper.listen()).map_err(system("signals can't be listened to"))?,
        feed,
        ended: ended_receiver,
        measured: measured_receiver,
        breach: watch_fd(run.slots.breach())?,
        program: options.guard,
        isolation: options.isolation,
        id,
        replaced: Vec::new(),
    };
    let mut signals = drive(&mut run, watched, &mut guard).await?;

    run.close_session();
    let clean = run.slots.shutdown();
    if let Some(guard) = guard {
        // Only now, so that what happens until here is still watched.
        guard.finish();
    }
    let report = run.tally.report();
    if let Err(error) = clean {
        run.emit(&RunEvent::Note(format!(
            "something of the run could not be removed: {error}"
        )));
    }
    run.emit(&RunEvent::RunEnded(report.clone()));
    let source_error = run.source_error.take();
    drop(run);
    // Whoever reads our output may have stopped reading; a signal ends the wait.
    let written = tokio::task::spawn_blocking(move || writer_thread.join());
    tokio::select! {
        _ = written => {}
        _ = next_wish(&mut signals) => {}
    }
    match source_error {
        Some(error) => Err(RunError::Source(error)),
        None => Ok(report),
    }
}

/// What is said of where tasks run.
fn notes(slots: &dyn crate::slot::Slots, isolation: Isolation) -> Vec<String> {
    let mut notes = slots.notes();
    if isolation == Isolation::Pid {
        notes.push("tasks run in a PID namespace of their own, which ends with the guard".into());
    }
    notes
}

/// Everything the loop waits for.
struct Watched {
    signals: Option<Signals>,
    /// Tells that a child has ended, where orphans fall to us.
    children: Option<tokio::signal::unix::Signal>,
    feed: Feed,
    // Unbounded, but there is at most one message for each active attempt.
    ended: mpsc::UnboundedReceiver<watch::Ended>,
    /// What the session holds: at most one at a time.
    measured: mpsc::UnboundedReceiver<session::Measured>,
    breach: Option<Readable>,
    program: Option<crate::options::GuardProgram>,
    isolation: Isolation,
    id: RunId,
    /// When the guard was replaced by another.
    replaced: Vec<Duration>,
}

/// The loop. Gives back what is needed after it.
async fn drive(
    run: &mut Run<'_>,
    mut watched: Watched,
    guard: &mut Option<Guard>,
) -> Result<Option<Signals>, RunError> {
    let mut guard_gone = guard_watch(guard.as_ref())?;
    while !run.scheduler.is_finished() {
        if run.is_halted() {
            skip_the_rest(run, &mut watched.feed);
            continue;
        }
        if run.report_checkpoint() {
            // What follows may have been the end.
            continue;
        }
        run.measure_when_due();
        let next_look = run.next_look();
        let wants = !run.drained && wants_tasks(run);
        let congested = !run.drained && run.writer.is_congested();
        let writer = run.writer.clone();
        tokio::select! {
            biased;
            wish = next_wish(&mut watched.signals) => match wish {
                Wish::Stop(signal) => run.stop(Some(signal)),
                Wish::Suspend => run.suspend(),
            },
            () = event_of(watched.breach.as_ref()) => run.look_after_breach(),
            () = event_of(guard_gone.as_ref()) => {
                // The watch goes before what it watches.
                drop(guard_gone.take());
                replace_guard(run, &mut watched, guard);
                guard_gone = guard_watch(guard.as_ref())?;
            }
            Some(ended) = watched.ended.recv() => run.on_ended(ended),
            Some(measured) = watched.measured.recv() => run.on_measured(measured),
            () = next_child(&mut watched.children) => run.reaper.reap(),
            () = writer.closed(), if run.stop_count == 0 => {
                run.tally.output_closed();
                run.stop(None);
            }
            () = pause(next_look) => run.look(false),
            // With nothing running, only this tells that input may be taken again.
            () = writer.room(), if congested => {}
            task = watched.feed.next(), if wants => {
                run.on_task(task);
                // What waits for others takes no place, so a long list could go on and on here.
                for _ in 0..feed::AHEAD {
                    if run.drained || run.scheduler.wants_tasks() == 0 {
                        break;
                    }
                    let Some(task) = watched.feed.try_next() else {
                        break;
                    };
                    run.on_task(Some(task));
                }
            }
        }
    }
    Ok(watched.signals)
}

/// Takes what the source has ready, so that it is counted as skipped, and nothing more: what
/// has no end must not keep a halted run.
fn skip_the_rest(run: &mut Run<'_>, feed: &mut Feed) {
    for _ in 0..feed::AHEAD {
        match feed.try_next() {
            Some(task) if !run.drained => run.on_task(Some(task)),
            _ => break,
        }
    }
    if !run.drained {
        run.on_task(None);
    }
}

/// Whether to take further input: the scheduler's queue has room (taken in bursts, so that the
/// source's thread is woken once for many) and output isn't held up.
fn wants_tasks(run: &Run<'_>) -> bool {
    let counts = run.scheduler.counts();
    let wanted = run.scheduler.wants_tasks();
    wanted > 0
        && (counts.queued < 4 || wanted >= 32)
        && !run.writer.is_congested()
        && !run.sequence.is_congested()
}

/// A guard that is gone is replaced; the run ends where none can be had or none stays.
fn replace_guard(run: &mut Run<'_>, watched: &mut Watched, guard: &mut Option<Guard>) {
    *guard = None;
    let Some(program) = &watched.program else {
        return;
    };
    let now = run.clock.now();
    if watched.isolation == Isolation::Pid {
        run.lost_namespace();
    }
    watched.replaced.retain(|at| now - *at < REPLACING);
    if watched.replaced.len() >= REPLACED_AT_MOST {
        run.emit(&RunEvent::Note(
            "the guard is gone again and again; the run ends".into(),
        ));
        return run.stop(None);
    }
    watched.replaced.push(now);
    match Guard::restart(&watched.id, program, watched.isolation, &mut *run.slots) {
        Ok(another) => {
            run.emit(&RunEvent::Note(match watched.isolation {
                Isolation::None => "the guard was gone; a new one watches".into(),
                Isolation::Pid => {
                    "the guard was gone, and all tasks with it; there is a new one".into()
                }
            }));
            *guard = Some(another);
        }
        Err(error) => {
            run.emit(&RunEvent::Note(format!(
                "the guard is gone and no new one can be started ({error}); the run ends"
            )));
            run.stop(None);
        }
    }
}

fn watch_fd(fd: Option<BorrowedFd<'_>>) -> Result<Option<Readable>, RunError> {
    let watch = |fd: BorrowedFd<'_>| Readable::new(fd.try_clone_to_owned()?);
    fd.map(watch).transpose().map_err(|cause| RunError::System {
        what: "a descriptor can't be watched",
        cause,
    })
}

fn guard_watch(guard: Option<&Guard>) -> Result<Option<Readable>, RunError> {
    watch_fd(guard.map(Guard::gone))
}

/// Waits for the next event of a descriptor; what is to be read there, its owner reads.
async fn event_of(fd: Option<&Readable>) {
    match fd {
        // An error means that the runtime shuts down: nobody waits any more.
        Some(fd) => drop(fd.became_readable().await),
        None => std::future::pending().await,
    }
}

async fn next_wish(signals: &mut Option<Signals>) -> Wish {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

async fn next_child(children: &mut Option<tokio::signal::unix::Signal>) {
    let told = match children {
        Some(children) => children.recv().await,
        None => None,
    };
    if told.is_none() {
        // Nothing will ever tell.
        std::future::pending().await
    }
}

async fn pause(delay: Option<Duration>) {
    match delay {
        Some(delay) => tokio::time::sleep(delay).await,
        None => std::future::pending().await,
    }
}
