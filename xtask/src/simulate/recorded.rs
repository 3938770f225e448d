//! Tasks as they were recorded: what `saferun history export` writes, or a table.

use std::collections::HashMap;
use std::path::Path;

use saferun_history::Row;
use saferun_history::predict::{Curve, hash};
use saferun_scheduler::Hint;
use serde::Deserialize;

use super::demand::{Demand, Shape};

const MIB: f64 = 1024.0 * 1024.0;

/// Reads a file: lines of JSON if it begins with a brace, else comma-separated values.
///
/// Of a history those attempts count that came to an end of their own. A table has the columns
/// `template`, `peak_bytes` and `seconds`, and if it likes `curve`: parts of the peak (0 to 1) in
/// use over the life, separated by blanks; without, the peak is used from start to end.
///
/// # Errors
///
/// The file can't be read, a line is none, or no task is left.
pub(crate) fn read(path: &Path) -> Result<Vec<Demand>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let tasks = parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if tasks.is_empty() {
        return Err(format!(
            "{} holds no attempt that ended by itself, with a peak and a duration",
            path.display()
        ));
    }
    Ok(tasks)
}

fn parse(text: &str) -> Result<Vec<Demand>, String> {
    if text.trim_start().starts_with('{') {
        of_history(text)
    } else {
        of_table(text)
    }
}

fn of_history(text: &str) -> Result<Vec<Demand>, String> {
    let mut tasks = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        let row: Row = serde_json::from_str(line)
            .map_err(|error| format!("line {number} is no attempt: {error}"))?;
        let kind = (row.keys.template)
            .or(row.keys.program)
            .or(row.keys.command);
        if row.end.is_whole() {
            let curve = row.curve.unwrap_or(Curve::FLAT);
            let task = demand(row.peak_bytes as f64, row.seconds, curve.steps(), kind);
            tasks.extend(task);
        }
    }
    Ok(tasks)
}

#[derive(Deserialize)]
struct Recorded {
    template: String,
    peak_bytes: f64,
    seconds: f64,
    curve: Option<String>,
}

fn of_table(text: &str) -> Result<Vec<Demand>, String> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut kinds: HashMap<String, u64> = HashMap::new();
    let mut tasks = Vec::new();
    for recorded in reader.deserialize::<Recorded>() {
        let recorded = recorded.map_err(|error| error.to_string())?;
        let curve = match recorded.curve.as_deref() {
            None | Some("") => vec![1.0],
            Some(text) => text
                .split_whitespace()
                .map(str::parse)
                .collect::<Result<Vec<f32>, _>>()
                .map_err(|error| format!("the curve '{text}': {error}"))?,
        };
        let kind = *kinds
            .entry(recorded.template)
            .or_insert_with_key(|template| hash([template.as_bytes()]));
        let (peak, seconds) = (recorded.peak_bytes, recorded.seconds);
        tasks.extend(demand(peak, seconds, &curve, Some(kind)));
    }
    Ok(tasks)
}

/// A task, if it used anything for any time. A curve of any length is read in sixteenths, each as
/// high as the highest part that it touches.
fn demand(peak_bytes: f64, seconds: f64, curve: &[f32], kind: Option<u64>) -> Option<Demand> {
    let is_some = |number: f64| number.is_finite() && number > 0.0;
    if !is_some(peak_bytes) || !is_some(seconds) || curve.is_empty() {
        return None;
    }
    let steps = std::array::from_fn(|step| {
        let from = step * curve.len() / Hint::STEPS;
        let to = ((step + 1) * curve.len()).div_ceil(Hint::STEPS);
        let parts = curve.get(from..to).unwrap_or_default();
        let most = parts.iter().copied().fold(0.0, f32::max);
        // A cast from floating point saturates.
        (most * 255.0).ceil() as u8
    });
    Some(Demand {
        shape: Shape::Recorded(steps),
        peak: peak_bytes / MIB,
        seconds,
        kind: kind.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use saferun_history::{End, Ran};

    #[test]
    fn a_history_is_read_as_it_is_exported() -> Result<(), Box<dyn std::error::Error>> {
        let command = ["xz".to_owned(), "a".to_owned()];
        let mut row = Row::of(&Ran {
            command: &command,
            ..Ran::default()
        });
        (row.peak_bytes, row.seconds) = (100 << 20, 2.0);
        row.curve = Curve::of_readings(&[(0.0, 50 << 20), (0.6, 100 << 20)]);
        let mut text = serde_json::to_string(&row)?;
        // What was ended to make room does not count, and neither does what was never watched.
        row.end = End::Preempted;
        text.push_str(&format!("\n{}\n\n", serde_json::to_string(&row)?));
        (row.end, row.peak_bytes) = (End::Exited(0), 0);
        text.push_str(&serde_json::to_string(&row)?);
        let tasks = parse(&text)?;
        assert_eq!(tasks.len(), 1);
        let task = tasks[0];
        assert!((task.at(1.0) - 50.0).abs() < 0.3 && (task.at(1.9) - 100.0).abs() < 0.3);
        assert_eq!(Some(task.kind), row.keys.program);
        Ok(())
    }

    #[test]
    fn a_table_may_have_curves() -> Result<(), String> {
        let text = "template,peak_bytes,seconds,curve\n\
                    sort,104857600,1.5,0.25 1\nsort,1048576,1,\ngcc,0,1,\n";
        let tasks = parse(text)?;
        assert_eq!(tasks.len(), 2);
        assert_eq!(tasks[0].kind, tasks[1].kind);
        assert!((tasks[0].at(0.2) - 25.0).abs() < 0.3);
        assert_eq!(tasks[1].at(0.0), 1.0);
        Ok(())
    }

    #[test]
    fn what_is_no_record_is_named_by_its_line() {
        assert!(parse("{\"at_ms\": 1}").is_err_and(|error| error.contains("line 1")));
        assert!(parse("a,b\n1,2\n").is_err_and(|error| error.contains("template")));
        let text = "template,peak_bytes,seconds,curve\nsort,1,1,a b\n";
        assert!(parse(text).is_err_and(|error| error.contains("'a b'")));
    }
}
