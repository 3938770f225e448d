//! Every event with its figures.

use std::time::Duration;

use saferun_executor::{AttemptEnd, Observer, RunEvent, Say};
use saferun_memory::show;
use saferun_scheduler::Outcome;

use super::{figures, line, words};
use crate::error::plain;
use crate::printable;

/// How often the state is said while nothing else happens.
const PERIOD: Duration = Duration::from_secs(1);

/// Tells everything.
#[derive(Debug, Default)]
pub(crate) struct Verbose {
    next_state: Duration,
    stopping: bool,
}

impl Observer for Verbose {
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say) {
        if let RunEvent::Figures(_) = event {
            if at < self.next_state {
                return;
            }
            self.next_state = at + PERIOD;
        }
        let again = self.stopping;
        self.stopping |= matches!(event, RunEvent::Stopping { .. });
        for text in told(event, again) {
            line(say, &format!("{:>7.2} s  {text}", at.as_secs_f64()));
        }
    }
}

fn told(event: &RunEvent, again: bool) -> Vec<String> {
    let one = |text: String| vec![text];
    match event {
        RunEvent::RunStarted {
            run,
            tier,
            notes,
            budget_bytes,
            reserve_bytes,
        } => {
            let first = format!(
                "run {run}: budget {}, reserve {}, contained by {tier}",
                show(*budget_bytes),
                show(*reserve_bytes)
            );
            std::iter::once(first)
                .chain(notes.iter().map(|note| plain(note)))
                .collect()
        }
        RunEvent::TaskAdded { .. } => Vec::new(),
        RunEvent::TaskStarted {
            name, attempt, pid, ..
        } => {
            let again = if *attempt > 1 {
                format!(", attempt {attempt}")
            } else {
                String::new()
            };
            one(format!(
                "started {} (process {pid}{again})",
                printable::name(name)
            ))
        }
        RunEvent::AttemptEnded {
            name,
            end,
            peak_bytes,
            elapsed,
            cpu,
            ..
        } => {
            let how = match end {
                AttemptEnd::Exited(0) => String::from("done"),
                other => words::end(other),
            };
            one(format!(
                "ended {}: {how} (peak {}, {}, {} of CPU time)",
                printable::name(name),
                show(*peak_bytes),
                words::length(*elapsed),
                words::length(*cpu)
            ))
        }
        RunEvent::TaskConcluded {
            name,
            outcome,
            culprit,
            ..
        } => match outcome {
            // What ended it has just been said.
            Outcome::Done => Vec::new(),
            Outcome::Failed => one(format!("failed {}", printable::name(name))),
            Outcome::Skipped(reason) => one(format!(
                "skipped {}: {}",
                printable::name(name),
                words::skip(*reason, culprit.as_deref())
            )),
            Outcome::GivenUp(reason) => one(format!(
                "gave up {}: {}",
                printable::name(name),
                words::give_up(reason)
            )),
        },
        RunEvent::Preempting {
            name,
            needed_bytes,
            free_bytes,
            figures: at,
            ..
        } => one(format!(
            "ending {} to make room: {} needed at once, {} free; it will be run again ({})",
            printable::name(name),
            show(*needed_bytes),
            show(*free_bytes),
            figures::state(at)
        )),
        RunEvent::Alone {
            name, figures: at, ..
        } => one(format!(
            "{} runs alone, since memory was short for it before ({})",
            printable::name(name),
            figures::state(at)
        )),
        RunEvent::Frozen {
            name, figures: at, ..
        } => one(format!(
            "froze {} ({})",
            printable::name(name),
            figures::state(at)
        )),
        RunEvent::Thawed {
            name, figures: at, ..
        } => one(format!(
            "thawed {} ({})",
            printable::name(name),
            figures::state(at)
        )),
        RunEvent::BrakeEngaged(at) => {
            one(format!("growth is being held back: {}", figures::state(at)))
        }
        RunEvent::Holding { hold, figures: at } => one(format!(
            "no further start: {} ({})",
            words::hold(hold),
            figures::state(at)
        )),
        RunEvent::Reclaimed {
            freed_bytes,
            figures: at,
        } => one(format!(
            "file cache given back: {} (it was: {})",
            show(*freed_bytes),
            figures::state(at)
        )),
        RunEvent::Figures(at) => one(figures::state(at)),
        RunEvent::Stopping { signal } => one(words::stopping(*signal, again)),
        RunEvent::Note(text) => one(plain(text)),
        // Said by another observer, in the words of a program's own tasks.
        RunEvent::Session(_) | RunEvent::RunEnded(_) => Vec::new(),
    }
}
