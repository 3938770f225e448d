//! The session's memory in a run: checkpoints between batches, the threshold, and the steps that
//! are said of them.

use std::time::Duration;

use saferun_memory::memory_usage;
use saferun_scheduler::{Batches, Event, Fallback, Strategy, optimal_concurrency_at};
use tokio::sync::mpsc::UnboundedSender;

use super::state::Run;
use crate::event::RunEvent;
use crate::notice::Notice;
use crate::options::{Concurrency, DEFAULT_THRESHOLD_BYTES};

/// Where a threshold binds a run without batches, the session is measured this often,
const PERIOD: Duration = Duration::from_millis(500);
/// and so much more rarely than it takes, on a machine with very many processes.
const TIMES_ITS_COST: u32 = 20;

/// What the session holds, or why that is not known, and how long it took to find out.
pub(crate) type Measured = (Result<u64, String>, Duration);

/// What a run knows of its session's memory.
#[derive(Debug)]
pub(crate) struct Session {
    strategy: Strategy,
    /// As configured; `None` is as many as memory allows.
    concurrency: Option<usize>,
    /// Whether it is measured now and then.
    periodic: bool,
    /// How many tasks the source brings, if it knows.
    total: Option<u64>,
    /// First attempts of tasks begun, and how many of them when the run went to one by one.
    begun: u64,
    alone_since: Option<u64>,
    /// The batch before the checkpoint at hand, and what was measured at it.
    checkpoint: Option<Option<u64>>,
    measured: Option<Result<u64, String>>,
    /// Whether a measurement is under way, and where it comes in.
    measuring: bool,
    sender: UnboundedSender<Measured>,
    next: Duration,
    /// What the session held before the first task.
    initial_bytes: Option<u64>,
    is_told: bool,
    /// The most that all tasks together used since the batch began.
    batch_peak: u64,
    last_error: String,
}

impl Session {
    /// Which threshold binds, if any: what was set, else the default where there are batches.
    pub(crate) fn threshold(strategy: Strategy, set: Option<u64>) -> Option<u64> {
        match strategy {
            Strategy::Batch => Some(set.unwrap_or(DEFAULT_THRESHOLD_BYTES)),
            Strategy::Continuous => set,
            Strategy::Sequential | Strategy::Unlimited => None,
        }
    }

    pub(crate) fn new(
        strategy: Strategy,
        concurrency: Concurrency,
        threshold: Option<u64>,
        total: Option<u64>,
        sender: UnboundedSender<Measured>,
    ) -> Self {
        Self {
            strategy,
            concurrency: match concurrency {
                Concurrency::Auto => None,
                Concurrency::Count(count) => Some(count.get()),
            },
            periodic: strategy == Strategy::Continuous && threshold.is_some(),
            total,
            begun: 0,
            alone_since: (strategy == Strategy::Sequential).then_some(0),
            checkpoint: None,
            measured: None,
            measuring: false,
            sender,
            next: Duration::ZERO,
            initial_bytes: None,
            is_told: false,
            batch_peak: 0,
            last_error: String::new(),
        }
    }

    /// Begins to measure; the loop hears of the result. It looks at every process of the system,
    /// for which the loop has no time.
    fn measure(&mut self) {
        if std::mem::replace(&mut self.measuring, true) {
            return;
        }
        let sender = self.sender.clone();
        // Nobody listens any more where the run is over.
        let thread = std::thread::Builder::new()
            .name("session".into())
            .stack_size(512 * 1024)
            .spawn(move || drop(sender.send(measure())));
        if thread.is_err() {
            // Processes are short: then it is waited for.
            let _ = self.sender.send(measure());
        }
    }

    /// What all tasks together use now.
    pub(crate) fn note_use(&mut self, used_bytes: u64) {
        self.batch_peak = self.batch_peak.max(used_bytes);
    }
}

fn measure() -> Measured {
    let began = std::time::Instant::now();
    let bytes = memory_usage()
        .map(|usage| usage.session_bytes)
        .map_err(|error| error.to_string());
    (bytes, began.elapsed())
}

impl Run<'_> {
    /// Where a threshold binds from the first task on, the session is measured before it.
    pub(crate) fn open_session(&mut self) {
        if self.session.periodic {
            let measured = measure();
            self.on_measured(measured);
        }
    }

    /// Nothing runs, and the next batch waits for a look at memory.
    pub(super) fn reach_checkpoint(&mut self, after: Option<u64>) {
        if after.is_some() {
            self.slots.reclaim();
        }
        self.session.checkpoint = Some(after);
        self.session.measured = None;
        self.session.measure();
    }

    /// Begins a measurement if one is due.
    pub(crate) fn measure_when_due(&mut self) {
        let session = &mut self.session;
        if session.periodic && self.clock.now() >= session.next {
            session.measure();
        }
    }

    /// The session was measured.
    pub(crate) fn on_measured(&mut self, (bytes, took): Measured) {
        self.session.measuring = false;
        self.session.next = self.clock.now() + PERIOD.max(took * TIMES_ITS_COST);
        if let Err(error) = &bytes {
            self.session.last_error.clone_from(error);
        }
        match self.session.checkpoint {
            Some(after) => {
                self.tell_checkpoint(after, bytes.as_ref().ok().copied());
                self.session.measured = Some(bytes);
            }
            None if self.session.periodic => {
                self.decide(Event::SessionMemory(bytes.ok()));
            }
            None => {}
        }
    }

    fn tell_checkpoint(&mut self, after: Option<u64>, bytes: Option<u64>) {
        if let Some(number) = after {
            let left = self.slots.run_usage().ok();
            let peak = self.session.batch_peak;
            let freed_bytes = left.map(|left| peak.saturating_sub(left.used_bytes));
            self.session.batch_peak = 0;
            self.say_step(Notice::BatchComplete {
                number,
                freed_bytes,
            });
        }
        if std::mem::replace(&mut self.session.is_told, true) {
            return;
        }
        if let Some(total) = self.session.total {
            let optimal = || bytes.map_or(1, optimal_concurrency_at);
            let concurrency = self.session.concurrency.unwrap_or_else(optimal);
            self.say_step(Notice::Starting {
                tasks: total,
                concurrency,
            });
        }
        self.session.initial_bytes = bytes;
        if let Some(bytes) = bytes {
            self.say_step(Notice::InitialMemory { bytes });
        }
    }

    /// Reports a checkpoint once it was measured and the queue holds what the next batch can
    /// have. Whether it did.
    pub(crate) fn report_checkpoint(&mut self) -> bool {
        let is_filled = self.drained || self.scheduler.counts().queued >= Batches::LARGEST;
        let Some(bytes) = self.session.measured.take_if(|_| is_filled) else {
            return false;
        };
        self.session.checkpoint = None;
        self.decide(Event::SessionMemory(bytes.ok()));
        true
    }

    pub(super) fn tell_batch(&mut self, number: u64, tasks: usize) {
        self.session.batch_peak = 0;
        self.say_step(Notice::Batch { number, tasks });
    }

    pub(super) fn tell_one_by_one(&mut self, why: Fallback) {
        self.session.alone_since = Some(self.session.begun);
        let reason = std::mem::take(&mut self.session.last_error);
        self.say_step(Notice::of_fallback(why, reason));
    }

    pub(super) fn tell_side_by_side(&mut self, bytes: u64) {
        self.session.alone_since = None;
        self.say_step(Notice::BackToParallel { bytes });
    }

    /// An attempt begins.
    pub(super) fn tell_begun(&mut self, attempt: u32) {
        if attempt > 1 {
            return;
        }
        self.session.begun += 1;
        let session = &self.session;
        if let (Some(since), Some(total)) = (session.alone_since, session.total)
            // Of a single command that was not to run beside others there is nothing to say.
            && (total > 1 || session.strategy != Strategy::Sequential)
        {
            let number = session.begun - since;
            // Tasks that were refused unbegun are missing in what has begun.
            let tasks = total.saturating_sub(since).max(number);
            self.say_step(Notice::Sequential { number, tasks });
        }
    }

    /// The run is over: what the session holds now, where batches were said.
    pub(crate) fn close_session(&mut self) {
        if self.session.strategy == Strategy::Batch && self.session.is_told {
            let notice = Notice::Complete {
                initial_bytes: self.session.initial_bytes,
                final_bytes: measure().0.ok(),
            };
            self.say_step(notice);
        }
    }

    fn say_step(&mut self, notice: Notice) {
        self.emit(&RunEvent::Session(notice));
    }
}
