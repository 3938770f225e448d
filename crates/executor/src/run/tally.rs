//! What the report counts, in bounded memory however many tasks there are.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use saferun_scheduler::Outcome;

use crate::event::{AttemptEnd, HeavyTask, RunReport};

const HEAVIEST: usize = 3;

/// The report in the making.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    report: RunReport,
    first_start: Option<Duration>,
    last_end: Duration,
}

impl Tally {
    pub(crate) fn started(&mut self, now: Duration) {
        self.first_start.get_or_insert(now);
    }

    pub(crate) fn attempt_ended(
        &mut self,
        name: &Arc<OsString>,
        end: &AttemptEnd,
        peak_bytes: u64,
        now: Duration,
    ) {
        self.last_end = now;
        match end {
            AttemptEnd::Preempted => self.report.restarted += 1,
            AttemptEnd::Victim(_) => self.report.victims += 1,
            _ => {}
        }
        let heaviest = &mut self.report.heaviest;
        if let Some(known) = heaviest.iter_mut().find(|h| Arc::ptr_eq(&h.name, name)) {
            known.peak_bytes = known.peak_bytes.max(peak_bytes);
        } else if heaviest.len() < HEAVIEST || heaviest[HEAVIEST - 1].peak_bytes < peak_bytes {
            heaviest.push(HeavyTask {
                name: Arc::clone(name),
                peak_bytes,
            });
        } else {
            return;
        }
        heaviest.sort_by_key(|h| std::cmp::Reverse(h.peak_bytes));
        heaviest.truncate(HEAVIEST);
    }

    pub(crate) fn concluded(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Done => self.report.done += 1,
            Outcome::Failed => self.report.failed += 1,
            Outcome::Skipped(_) => self.report.skipped += 1,
            Outcome::GivenUp(_) => self.report.given_up += 1,
        }
    }

    pub(crate) fn memory(&mut self, used_bytes: u64, budget_bytes: u64) {
        self.report.peak_bytes = self.report.peak_bytes.max(used_bytes);
        self.report.budget_bytes = self.report.budget_bytes.max(budget_bytes);
    }

    pub(crate) fn stopped_by(&mut self, signal: i32) {
        self.report.signal.get_or_insert(signal);
    }

    pub(crate) fn output_closed(&mut self) {
        self.report.output_closed = true;
    }

    pub(crate) fn concluded_count(&self) -> u64 {
        self.report.done + self.report.failed + self.report.skipped + self.report.given_up
    }

    pub(crate) fn report(&self) -> RunReport {
        let mut report = self.report.clone();
        report.wall = self
            .last_end
            .saturating_sub(self.first_start.unwrap_or(self.last_end));
        report
    }
}
