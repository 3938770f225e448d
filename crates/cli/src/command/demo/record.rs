//! What the events of a run tell, read back from their lines.

use std::io::{BufRead, BufReader};
use std::path::Path;

use saferun_scheduler::Hold;
use serde::Deserialize;

use crate::error::CliError;

/// One line of events, as far as the demo uses it.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    RunStarted {
        containment: String,
    },
    TaskStarted {
        at_ms: u64,
        task: u64,
        name: String,
    },
    AttemptEnded {
        at_ms: u64,
        task: u64,
        end: String,
        peak_bytes: u64,
    },
    Preempting {
        at_ms: u64,
        name: String,
        needed_bytes: u64,
        free_bytes: u64,
    },
    Holding {
        at_ms: u64,
        reason: String,
        needed_bytes: Option<u64>,
        headroom_bytes: Option<u64>,
    },
    BrakeEngaged {
        at_ms: u64,
    },
    RunEnded {
        done: u64,
        failed: u64,
        given_up: u64,
        restarted: u64,
        victims: u64,
        wall_ms: u64,
        peak_bytes: u64,
        budget_bytes: u64,
        signal: Option<i32>,
    },
    #[serde(other)]
    Other,
}

/// From when to when an attempt ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    /// Whether it was ended to make room.
    pub(super) lost: bool,
}

/// One task's life.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) task: u64,
    pub(super) name: String,
    pub(super) spans: Vec<Span>,
    pub(super) peak_bytes: u64,
}

/// Something worth a line of its own.
#[derive(Debug)]
pub(super) enum Notable {
    /// Nothing more was started.
    Held(Hold),
    /// A task was ended to make room.
    Ended {
        name: String,
        needed_bytes: u64,
        free_bytes: u64,
    },
    /// Growth was held back.
    Braked,
}

/// A run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) containment: String,
    pub(super) lives: Vec<Life>,
    pub(super) notable: Vec<(u64, Notable)>,
    pub(super) done: u64,
    pub(super) not_done: u64,
    pub(super) restarted: u64,
    pub(super) wall_ms: u64,
    pub(super) peak_bytes: u64,
    pub(super) budget_bytes: u64,
    pub(super) ended: bool,
}

impl Record {
    /// Reads a file of events.
    ///
    /// # Errors
    ///
    /// It can't be read, or the run has not ended by itself.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let broken = |cause: &dyn std::fmt::Display| {
            CliError::usage(
                format!("the demo's run left no record ({cause})"),
                "see what it said above; saferun status --why",
            )
        };
        let file = std::fs::File::open(path).map_err(|error| broken(&error))?;
        let mut record = Self::default();
        for line in BufReader::new(file).lines() {
            let line = line.map_err(|error| broken(&error))?;
            let event = serde_json::from_str(&line).map_err(|error| broken(&error))?;
            record.add(event)?;
        }
        if record.ended {
            Ok(record)
        } else {
            Err(broken(&"it has no end"))
        }
    }

    /// Whether every task was done.
    pub(super) fn succeeded(&self) -> bool {
        self.not_done == 0
    }

    fn add(&mut self, event: Event) -> Result<(), CliError> {
        match event {
            Event::RunStarted { containment } => self.containment = containment,
            Event::TaskStarted { at_ms, task, name } => {
                let span = Span {
                    from_ms: at_ms,
                    to_ms: at_ms,
                    lost: false,
                };
                match self.lives.iter_mut().find(|life| life.task == task) {
                    Some(life) => life.spans.push(span),
                    None => {
                        self.lives.push(Life {
                            task,
                            name,
                            spans: vec![span],
                            peak_bytes: 0,
                        });
                    }
                }
            }
            Event::AttemptEnded {
                at_ms,
                task,
                end,
                peak_bytes,
            } => {
                if let Some(life) = self.lives.iter_mut().find(|life| life.task == task) {
                    life.peak_bytes = life.peak_bytes.max(peak_bytes);
                    if let Some(span) = life.spans.last_mut() {
                        span.to_ms = at_ms;
                        span.lost = end != "exited";
                    }
                }
            }
            Event::Preempting {
                at_ms,
                name,
                needed_bytes,
                free_bytes,
            } => {
                self.notable.push((
                    at_ms,
                    Notable::Ended {
                        name,
                        needed_bytes,
                        free_bytes,
                    },
                ));
            }
            Event::Holding {
                at_ms,
                reason,
                needed_bytes,
                headroom_bytes,
            } => {
                if let Some(hold) = hold(&reason, needed_bytes, headroom_bytes) {
                    self.notable.push((at_ms, Notable::Held(hold)));
                }
            }
            Event::BrakeEngaged { at_ms } => self.notable.push((at_ms, Notable::Braked)),
            Event::RunEnded {
                done,
                failed,
                given_up,
                restarted,
                victims,
                wall_ms,
                peak_bytes,
                budget_bytes,
                signal,
            } => {
                if let Some(signal) = signal {
                    return Err(CliError::Signal(signal));
                }
                self.done = done;
                self.not_done = failed + given_up;
                self.restarted = restarted + victims;
                (self.wall_ms, self.peak_bytes, self.budget_bytes) =
                    (wall_ms, peak_bytes, budget_bytes);
                self.ended = true;
            }
            Event::Other => {}
        }
        Ok(())
    }
}

/// The holds that say something about memory or cores.
fn hold(reason: &str, needed: Option<u64>, headroom: Option<u64>) -> Option<Hold> {
    Some(match reason {
        "cores" => Hold::Cores,
        "memory" => Hold::Memory {
            needed_bytes: needed?,
            headroom_bytes: headroom?,
        },
        "stalled" => Hold::Stalled,
        "alone" => Hold::Alone,
        "ended" => Hold::Ended,
        _ => return None,
    })
}
