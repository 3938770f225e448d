//! The end of a run in a few lines.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::Duration;

use saferun_executor::{AttemptEnd, Observer, RunEvent, RunReport, Say};
use saferun_memory::show;
use saferun_scheduler::{Outcome, SkipReason, TaskId};

use super::{line, words};
use crate::printable;

/// So many failed tasks are named; the rest is counted.
const NAMED: usize = 10;

/// The longest name in a list of names, in characters.
const SHORT: usize = 30;

/// In a run of so few tasks, what was said when it happened is still in sight.
const IN_SIGHT: u64 = 20;

/// Collects what the end will tell.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// Whether there are no items, so that a count of one says nothing.
    once: bool,
    /// Whether failures have been named when they happened.
    named_before: bool,
    /// How the last attempt of tasks not yet concluded ended.
    ends: HashMap<TaskId, End>,
    failed: Named,
    victims: Named,
    given_up: Named,
    /// Skipped because of others; those of a run that was ended are only counted.
    skipped: Named,
    restarted: Counted,
    run_again: Counted,
}

#[derive(Debug)]
struct End {
    words: String,
    victim: bool,
}

/// A bounded list of names with reasons.
#[derive(Debug, Default)]
struct Named {
    lines: Vec<String>,
    more: u64,
}

impl Named {
    fn add(&mut self, text: impl FnOnce() -> String) {
        if self.lines.len() < NAMED {
            self.lines.push(text());
        } else {
            self.more += 1;
        }
    }

    fn say(&self, head: &str, say: &mut dyn Say) {
        for text in &self.lines {
            line(say, &format!("{head}: {text}"));
        }
        if self.more > 0 {
            line(say, &format!("{head}: {} more", self.more));
        }
    }
}

/// A bounded list of tasks with how often something happened to each.
#[derive(Debug, Default)]
struct Counted {
    tasks: Vec<(TaskId, Arc<OsString>, u64)>,
    more: u64,
    /// How often it happened, to all together.
    events: u64,
    /// What led to it the last time, in bytes: needed, and free.
    last: Option<(u64, u64)>,
}

impl Counted {
    fn add(&mut self, task: TaskId, name: &Arc<OsString>) {
        self.events += 1;
        if let Some(known) = self.tasks.iter_mut().find(|known| known.0 == task) {
            known.2 += 1;
        } else if self.tasks.len() < NAMED {
            self.tasks.push((task, Arc::clone(name), 1));
        } else {
            self.more += 1;
        }
    }

    fn say(&self, head: &str, say: &mut dyn Say) {
        let mut names: Vec<String> = self
            .tasks
            .iter()
            .map(|(_, name, count)| {
                let name = printable::printable(name, SHORT);
                match count {
                    1 => name,
                    count => format!("{name} ({count} times)"),
                }
            })
            .collect();
        if self.more > 0 {
            names.push(format!("{} more", self.more));
        }
        if !names.is_empty() {
            let why = match self.last {
                None => String::new(),
                Some((needed, free)) => {
                    let last = if self.events > 1 { "last: " } else { "" };
                    format!(" ({last}needed {}, {} free)", show(needed), show(free))
                }
            };
            line(say, &format!("{head}: {}{why}", names.join(", ")));
        }
    }
}

impl Summary {
    /// For a run of a list of tasks, or of a single command (`once`); `named_before` says that
    /// another observer names failures when they happen.
    pub(crate) fn new(once: bool, named_before: bool) -> Self {
        Self {
            once,
            named_before,
            ..Self::default()
        }
    }

    fn concluded(
        &mut self,
        task: TaskId,
        name: &OsStr,
        outcome: &Outcome,
        culprit: Option<&OsString>,
    ) {
        let end = self.ends.remove(&task);
        match outcome {
            Outcome::Skipped(reason @ SkipReason::Dependency { .. }) => {
                let why = || words::skip(*reason, culprit);
                self.skipped
                    .add(|| format!("{}: {}", printable::name(name), why()));
            }
            Outcome::Done | Outcome::Skipped(_) => {}
            Outcome::GivenUp(reason) => self
                .given_up
                .add(|| format!("{}: {}", printable::name(name), words::give_up(reason))),
            Outcome::Failed => {
                let list = match &end {
                    Some(end) if end.victim => &mut self.victims,
                    _ => &mut self.failed,
                };
                list.add(|| match end {
                    Some(end) => format!("{} ({})", printable::name(name), end.words),
                    None => printable::name(name),
                });
            }
        }
    }

    fn end(&self, report: &RunReport, say: &mut dyn Say) {
        let total = report.done + report.failed + report.skipped + report.given_up;
        if total == 0 && report.signal.is_none() {
            // Either there were no items or what was wrong with them is told elsewhere.
            return;
        }
        if !self.named_before || total > IN_SIGHT {
            self.failed.say("failed", say);
            self.victims
                .say("failed for want of memory, not by its own fault", say);
            self.given_up.say("given up", say);
            self.skipped.say("skipped", say);
        }
        if report.output_closed {
            line(
                say,
                "nobody reads the output any more, so the run was ended",
            );
        }
        if let Some(signal) = report.signal {
            line(say, &format!("ended by {}", words::signal(signal)));
        }
        line(
            say,
            &format!(
                "{} in {}; {}",
                self.counts(report),
                words::length(report.wall),
                peak(report)
            ),
        );
        if !self.once {
            self.restarted.say("restarted to make room", say);
            self.run_again.say("run again after pressure", say);
        }
        if !self.once && report.heaviest.len() > 1 && report.peak_bytes > 0 {
            let heaviest: Vec<String> = report
                .heaviest
                .iter()
                .map(|task| {
                    format!(
                        "{} {}",
                        printable::printable(&task.name, SHORT),
                        show(task.peak_bytes)
                    )
                })
                .collect();
            line(say, &format!("heaviest: {}", heaviest.join(", ")));
        }
    }

    fn counts(&self, report: &RunReport) -> String {
        if self.once && report.done == 1 && report.restarted + report.victims == 0 {
            return String::from("done");
        }
        let mut parts = vec![
            format!("{} done", report.done),
            format!("{} failed", report.failed),
        ];
        for (count, what) in [
            (report.given_up, "given up"),
            (report.skipped, "skipped"),
            (report.restarted, "restarted to make room"),
            (report.victims, "run again after pressure"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

fn peak(report: &RunReport) -> String {
    format!(
        "peak {} of a budget of {}",
        show(report.peak_bytes),
        show(report.budget_bytes)
    )
}

impl Observer for Summary {
    fn on(&mut self, event: &RunEvent, _: Duration, say: &mut dyn Say) {
        match event {
            RunEvent::TaskStarted { task, name, .. }
                if self.ends.get(task).is_some_and(|end| end.victim) =>
            {
                self.run_again.add(*task, name);
            }
            RunEvent::Preempting {
                needed_bytes,
                free_bytes,
                ..
            } => self.restarted.last = Some((*needed_bytes, *free_bytes)),
            RunEvent::AttemptEnded {
                task, name, end, ..
            } => match end {
                AttemptEnd::Exited(0) => {
                    self.ends.remove(task);
                }
                AttemptEnd::Preempted => self.restarted.add(*task, name),
                end => {
                    let victim = matches!(end, AttemptEnd::Victim(_));
                    self.ends.insert(
                        *task,
                        End {
                            words: words::end(end),
                            victim,
                        },
                    );
                }
            },
            RunEvent::TaskConcluded {
                task,
                name,
                outcome,
                culprit,
            } => {
                self.concluded(*task, name, outcome, culprit.as_deref());
            }
            RunEvent::RunEnded(report) => self.end(report, say),
            _ => {}
        }
    }
}
