//! Attempts in lines and one in full.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;
use std::time::{SystemTime, UNIX_EPOCH};

use saferun_history::store::{Filter, Store};
use saferun_history::{End, Row};
use saferun_memory::show as size;

use super::{as_json, refused, say};
use crate::error::CliError;
use crate::exit::Exit;
use crate::printable::printable;

/// Lines of a list for people where nobody said how many.
const LINES: usize = 50;

pub(super) fn list(
    store: &Store,
    text: Option<String>,
    last: Option<usize>,
    json: bool,
) -> Result<Exit, CliError> {
    let filter = Filter {
        text,
        ..Filter::default()
    };
    let most = last.unwrap_or(if json { usize::MAX } else { LINES });
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let mut write = |id: i64, row: &Row| {
        let line = if json {
            as_json(id, row).to_string()
        } else {
            line(id, row)
        };
        written = writeln!(out, "{line}");
        if written.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    if most == usize::MAX {
        // However many there are, none waits in memory for another.
        store.for_each(&filter, |id, row| write(id, &row))
    } else {
        let mut latest: VecDeque<(i64, Row)> = VecDeque::new();
        let read = store.for_each(&filter, |id, row| {
            latest.push_back((id, row));
            if latest.len() > most {
                latest.pop_front();
            }
            ControlFlow::Continue(())
        });
        let _ = latest.iter().try_for_each(|(id, row)| write(*id, row));
        read
    }
    .map_err(|error| refused(&error))?;
    written
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

pub(super) fn show(store: &Store, id: i64, json: bool) -> Result<Exit, CliError> {
    let filter = Filter {
        id: Some(id),
        ..Filter::default()
    };
    let mut found = None;
    store
        .for_each(&filter, |_, row| {
            found = Some(row);
            ControlFlow::Break(())
        })
        .map_err(|error| refused(&error))?;
    let Some(row) = found else {
        return Err(CliError::usage(
            format!("there is no attempt {id}"),
            "saferun history list",
        ));
    };
    if json {
        return say(&format!("{}\n", as_json(id, &row)));
    }
    say(&in_full(id, &row))
}

/// One line: number, age, peak, duration, end, command.
fn line(id: i64, row: &Row) -> String {
    format!(
        "{id:>6}  {:>8}  {:>10}  {:>9}  {:<12} {}",
        age(row.at_ms),
        size(row.peak_bytes),
        format!("{:.1} s", row.seconds),
        ending(row.end),
        command(&row.command, 80)
    )
}

fn in_full(id: i64, row: &Row) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: String| {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    add(
        "attempt",
        format!(
            "{id}: attempt {} of task {} of run {}",
            row.attempt, row.task, row.run
        ),
    );
    add("command", command(&row.command, 1000));
    if let Some(template) = &row.template {
        add("template", command(template, 1000));
        add("items", command(&row.items, 1000));
    }
    add("directory", printable(OsStr::new(&row.directory), 200));
    if let Some(agent) = &row.agent {
        add("agent", printable(OsStr::new(agent), 60));
    }
    add(
        "ended",
        format!("{} ago, {}", age(row.at_ms), ending(row.end)),
    );
    add("peak", size(row.peak_bytes));
    if let Some(average) = row.average_bytes {
        add("average", size(average));
    }
    if let Some(curve) = &row.curve {
        add(
            "over time",
            curve.steps().iter().map(|step| bar(*step)).collect(),
        );
    }
    add(
        "duration",
        format!("{:.2} s, {:.2} s of CPU time", row.seconds, row.cpu_seconds),
    );
    if let Some(input) = row.input_bytes {
        add("input", size(input));
    }
    add("contained by", row.tier.clone());
    text
}

/// A part of a whole as a block of that height.
fn bar(part: f32) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let place = (part * 7.99) as usize;
    BARS.get(place).copied().unwrap_or('█')
}

pub(super) fn command(words: &[String], most: usize) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| {
            if word.is_empty() || word.contains(char::is_whitespace) {
                format!("'{word}'")
            } else {
                word.clone()
            }
        })
        .collect();
    printable(OsStr::new(&quoted.join(" ")), most)
}

fn ending(end: End) -> String {
    match end {
        End::Exited(0) => "done".to_owned(),
        End::Exited(status) => format!("exit {status}"),
        End::Signaled(signal) => format!("signal {signal}"),
        End::TimedOut => "timed out".to_owned(),
        End::Victim => "victim".to_owned(),
        End::Preempted => "preempted".to_owned(),
        End::GivenUp => "given up".to_owned(),
        End::Stopped => "stopped".to_owned(),
    }
}

fn age(at_ms: i64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let seconds = now.saturating_sub(at_ms).max(0) / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
