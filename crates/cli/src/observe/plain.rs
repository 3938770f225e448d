//! Lines on notable events, and one now and then: for pipes and logs.

use std::collections::HashMap;
use std::time::Duration;

use saferun_executor::{AttemptEnd, Figures, Observer, RunEvent, Say};
use saferun_memory::show;
use saferun_scheduler::{Outcome, SkipReason, TaskId};

use super::{figures, line, words};
use crate::error::plain;
use crate::printable;

/// How often the state is said at the beginning; later ever more rarely, so that a long run's
/// log stays short.
const FIRST_PERIOD: Duration = Duration::from_secs(10);
const LAST_PERIOD: Duration = Duration::from_secs(300);

/// After so many lines of one sort the rest is only counted (the summary has the figures).
const LINES_OF_A_SORT: u64 = 20;

/// Says what is notable.
#[derive(Debug)]
pub(crate) struct Plain {
    /// Whether the state is said now and then (not beside a bar).
    periodic: bool,
    next: Duration,
    period: Duration,
    said: Option<Figures>,
    /// How the last attempt of tasks not yet concluded ended, and whether for want of memory.
    ends: HashMap<TaskId, (String, bool)>,
    failures: u64,
    skips: u64,
    preemptions: u64,
    stopping: bool,
}

impl Plain {
    /// All of it.
    pub(crate) fn new() -> Self {
        Self {
            periodic: true,
            next: FIRST_PERIOD,
            period: FIRST_PERIOD,
            said: None,
            ends: HashMap::new(),
            failures: 0,
            skips: 0,
            preemptions: 0,
            stopping: false,
        }
    }

    /// Without the state now and then.
    pub(crate) fn beside_a_bar() -> Self {
        Self {
            periodic: false,
            ..Self::new()
        }
    }

    fn periodically(&mut self, figures: &Figures, at: Duration, say: &mut dyn Say) {
        if !self.periodic || at < self.next || self.said.as_ref() == Some(figures) {
            return;
        }
        line(say, &figures::state(figures));
        self.said = Some(*figures);
        self.period = (self.period * 3 / 2).min(LAST_PERIOD);
        self.next = at + self.period;
    }
}

/// Counts one more; the line itself, the last line with a word on the rest, or nothing.
fn rationed(count: &mut u64, text: String, say: &mut dyn Say) {
    *count += 1;
    if *count < LINES_OF_A_SORT {
        line(say, &text);
    } else if *count == LINES_OF_A_SORT {
        line(say, &format!("{text} (more of this sort is only counted)"));
    }
}

impl Observer for Plain {
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say) {
        match event {
            RunEvent::AttemptEnded { task, end, .. } => match end {
                AttemptEnd::Exited(0) => {
                    self.ends.remove(task);
                }
                end => {
                    let victim = matches!(end, AttemptEnd::Victim(_));
                    self.ends.insert(*task, (words::end(end), victim));
                }
            },
            RunEvent::TaskConcluded {
                task,
                name,
                outcome,
                culprit,
            } => {
                let end = self.ends.remove(task);
                let name = printable::name(name);
                match outcome {
                    Outcome::Skipped(reason @ SkipReason::Dependency { .. }) => {
                        let why = words::skip(*reason, culprit.as_deref());
                        rationed(&mut self.skips, format!("skipped: {name}: {why}"), say);
                    }
                    Outcome::Done | Outcome::Skipped(_) => {}
                    Outcome::Failed => {
                        let text = match end {
                            Some((how, true)) => format!(
                                "failed for want of memory, not by its own fault: {name} ({how})"
                            ),
                            Some((how, false)) => format!("failed: {name} ({how})"),
                            None => format!("failed: {name}"),
                        };
                        rationed(&mut self.failures, text, say);
                    }
                    Outcome::GivenUp(reason) => {
                        let text = format!("given up: {name}: {}", words::give_up(reason));
                        rationed(&mut self.failures, text, say);
                    }
                }
            }
            RunEvent::Preempting {
                name,
                needed_bytes,
                free_bytes,
                ..
            } => {
                let text = format!(
                    "ended to make room, will be run again: {} ({} needed at once, {} free)",
                    printable::name(name),
                    show(*needed_bytes),
                    show(*free_bytes)
                );
                rationed(&mut self.preemptions, text, say);
            }
            RunEvent::Stopping { signal } => {
                let again = std::mem::replace(&mut self.stopping, true);
                line(say, &words::stopping(*signal, again));
            }
            RunEvent::Note(text) => line(say, &plain(text)),
            RunEvent::Figures(figures) => self.periodically(figures, at, say),
            RunEvent::RunStarted { .. }
            | RunEvent::TaskAdded { .. }
            | RunEvent::TaskStarted { .. }
            | RunEvent::Alone { .. }
            | RunEvent::Frozen { .. }
            | RunEvent::Thawed { .. }
            | RunEvent::BrakeEngaged(_)
            | RunEvent::Holding { .. }
            | RunEvent::Reclaimed { .. }
            | RunEvent::Session(_)
            | RunEvent::RunEnded(_) => {}
        }
    }
}
