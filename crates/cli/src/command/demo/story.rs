//! The demo's result in words.

use std::fmt::Write;
use std::time::Duration;

use saferun_memory::show;
use saferun_scheduler::Hold;

use super::record::{Life, Notable, Record};
use crate::observe::words;

/// The width of the timeline, in characters.
const WIDTH: u64 = 48;

/// So many notable sorts of things are told.
const TOLD: usize = 16;

/// So many moments of one sort are told.
const MOMENTS: usize = 4;

/// What happens again within this time is told once.
const ONE_MOMENT_MS: u64 = 300;

/// Both runs side by side.
pub(super) fn comparison(before: &Record, after: &Record, kills: Option<u64>) -> String {
    let mut text = format!(
        "{:14}{:>9}{:>11}{:>15}{:>8}{:>11}\n",
        "", "time", "peak", "of the budget", "done", "restarted"
    );
    for (title, record) in [("one by one", before), ("side by side", after)] {
        let share = 100 * record.peak_bytes / record.budget_bytes.max(1);
        let _ = writeln!(
            text,
            "{title:14}{:>9}{:>11}{:>14}%{:>8}{:>11}",
            length(record.wall_ms),
            show(record.peak_bytes),
            share,
            record.done,
            record.restarted
        );
    }
    let ratio = before.wall_ms as f64 / after.wall_ms.max(1) as f64;
    let _ = write!(text, "\nSide by side it was {ratio:.1} times as fast");
    if after.peak_bytes <= after.budget_bytes {
        text.push_str(", inside the budget");
    }
    match kills {
        Some(0) => text.push_str("; the kernel killed nothing"),
        Some(count) => {
            let _ = write!(
                text,
                "; on this machine the kernel killed {count} meanwhile"
            );
        }
        None => {}
    }
    let _ = write!(text, ".\nContained by {}.\n", after.containment);
    text
}

/// When each task ran, and what was held back or ended when.
pub(super) fn timeline(record: &Record) -> String {
    let end = record.wall_ms.max(1);
    let mut text = format!(
        "When each ran side by side (the whole line is {}; x is work done again):\n",
        length(end)
    );
    let widest = record
        .lives
        .iter()
        .map(|life| life.name.chars().count())
        .max()
        .unwrap_or(0);
    for life in &record.lives {
        let _ = writeln!(
            text,
            "  {:widest$} |{}| {:>8}{}",
            life.name,
            lane(life, end),
            show(life.peak_bytes),
            match life.spans.iter().filter(|span| span.lost).count() {
                0 => String::new(),
                1 => String::from("  ended once, run again"),
                count => format!("  ended {count} times, run again"),
            }
        );
    }
    text.push_str(&notable(record));
    text
}

/// What was held back or ended, each sort with its moments.
fn notable(record: &Record) -> String {
    let mut sorts: Vec<(String, Vec<u64>)> = Vec::new();
    for (at_ms, notable) in &record.notable {
        let what = match notable {
            Notable::Held(hold) => match started_no_more(hold) {
                Some(why) => why,
                None => continue,
            },
            Notable::Ended {
                name,
                needed_bytes,
                free_bytes,
            } => format!(
                "{name} ended: {} more needed at once, {} free",
                show(*needed_bytes),
                show(*free_bytes)
            ),
            Notable::Braked => String::from("growth held back at the budget"),
        };
        match sorts.iter_mut().find(|(known, _)| *known == what) {
            // Shortly after one another it is one moment.
            Some((_, moments)) => {
                if moments
                    .last()
                    .is_none_or(|last| at_ms - last >= ONE_MOMENT_MS)
                {
                    moments.push(*at_ms);
                }
            }
            None => sorts.push((what, vec![*at_ms])),
        }
    }
    if sorts.is_empty() {
        return String::new();
    }
    let mut text = String::from("\nWhat was held back or ended, and when:\n");
    let more = sorts.len().saturating_sub(TOLD);
    for (what, moments) in sorts.iter().take(TOLD) {
        let told: Vec<String> = moments.iter().take(MOMENTS).map(|&at| length(at)).collect();
        let rest = match moments.len().saturating_sub(MOMENTS) {
            0 => String::new(),
            count => format!(" and {count} times more"),
        };
        let _ = writeln!(text, "  {what:54}  {}{rest}", told.join(", "));
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    text
}

/// In the words of the story: without figures, so that like moments come together.
fn started_no_more(hold: &Hold) -> Option<String> {
    Some(String::from(match hold {
        Hold::Memory { .. } => "no start: the next might not fit",
        Hold::Stalled => "no start: what ran needed all there was",
        Hold::Ended => "no start: the ended waited for others to finish",
        Hold::Alone => "no start: a job ran alone",
        Hold::Cores => "no start: the cores were busy",
        Hold::Refused => "no start: the system could make no further process",
        Hold::Concurrency | Hold::Batch | Hold::Unread | Hold::Stopped => return None,
    }))
}

/// `#` while it ran, `x` where the work was lost.
fn lane(life: &Life, end: u64) -> String {
    let place = |ms: u64| usize::try_from(ms.min(end) * WIDTH / end).unwrap_or(0);
    let mut lane = vec![' '; WIDTH as usize];
    for span in &life.spans {
        let from = place(span.from_ms).min(lane.len() - 1);
        let to = place(span.to_ms).clamp(from + 1, lane.len());
        lane[from..to].fill(if span.lost { 'x' } else { '#' });
    }
    lane.into_iter().collect()
}

fn length(ms: u64) -> String {
    words::length(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::super::record::Span;
    use super::*;

    fn record() -> Record {
        let span = |from_ms, to_ms, lost| Span {
            from_ms,
            to_ms,
            lost,
        };
        let life = |task, name: &str, spans| Life {
            task,
            name: name.into(),
            spans,
            peak_bytes: (task + 1) * (66 << 20),
        };
        Record {
            containment: "process trees".into(),
            lives: vec![
                life(0, "a.txt", vec![span(0, 4000, false)]),
                life(
                    1,
                    "long.txt",
                    vec![span(0, 1000, true), span(4000, 8000, false)],
                ),
            ],
            notable: vec![
                (
                    500,
                    Notable::Held(Hold::Memory {
                        needed_bytes: 230 << 20,
                        headroom_bytes: 90 << 20,
                    }),
                ),
                (
                    1000,
                    Notable::Ended {
                        name: "long.txt".into(),
                        needed_bytes: 50 << 20,
                        free_bytes: 10 << 20,
                    },
                ),
            ],
            done: 2,
            restarted: 1,
            wall_ms: 8000,
            peak_bytes: 390 << 20,
            budget_bytes: 400 << 20,
            ..Record::default()
        }
    }

    #[test]
    fn a_story() {
        let mut before = record();
        before.wall_ms = 15_000;
        before.peak_bytes = 230 << 20;
        insta::assert_snapshot!(comparison(&before, &record(), Some(0)));
        insta::assert_snapshot!(timeline(&record()));
    }
}
