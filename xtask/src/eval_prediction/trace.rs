//! Reading a trace; whatever is wrong is said with its line.

use std::io::Read;

/// A finished task of a trace.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Task {
    pub(super) template: String,
    pub(super) input_bytes: Option<u64>,
    pub(super) peak_bytes: u64,
    pub(super) seconds: f64,
}

const COLUMNS: [&str; 4] = ["template", "input_bytes", "peak_bytes", "seconds"];

/// Reads all tasks. An empty `input_bytes` means that the size isn't known; columns beyond the
/// four are ignored.
///
/// # Errors
///
/// What is wrong, and in which line.
pub(super) fn read(mut input: impl Read) -> Result<Vec<Task>, String> {
    let mut bytes = Vec::new();
    input
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    let bytes = bytes.as_slice();
    let flaw = |error| flaw(error, bytes);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let headers = reader.headers().map_err(flaw)?.clone();
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        *place = headers
            .iter()
            // Spreadsheets write a mark of byte order in front.
            .position(|header| header.trim_start_matches('\u{feff}') == column)
            .ok_or_else(|| {
                format!(
                    "line 1: no column {column}; the header is {}",
                    COLUMNS.join(",")
                )
            })?;
    }
    let mut tasks = Vec::new();
    for record in reader.records() {
        let record = record.map_err(flaw)?;
        let line = || record.position().map_or(0, |start| line_at(bytes, start));
        let field = |column: usize| record.get(places[column]).unwrap_or_default();
        let number = |column: usize| -> Result<f64, String> {
            match field(column).parse::<f64>() {
                Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
                _ => Err(format!(
                    "line {}: {} is '{}', not a number from 0 on",
                    line(),
                    COLUMNS[column],
                    field(column).escape_debug()
                )),
            }
        };
        if field(0).is_empty() {
            return Err(format!("line {}: template is empty", line()));
        }
        // A cast from floating point saturates.
        let input_bytes = match field(1) {
            "" => None,
            _ => Some(number(1)? as u64),
        };
        let peak_bytes = number(2)?;
        if peak_bytes < 1.0 {
            return Err(format!(
                "line {}: peak_bytes is 0, and no process needs nothing",
                line()
            ));
        }
        tasks.push(Task {
            template: field(0).to_owned(),
            input_bytes,
            peak_bytes: peak_bytes as u64,
            seconds: number(3)?,
        });
    }
    if tasks.is_empty() {
        return Err("holds no tasks".to_owned());
    }
    Ok(tasks)
}

/// The line of the first record from a position on: empty lines may lie between, which the
/// reader skips.
fn line_at(bytes: &[u8], start: &csv::Position) -> usize {
    let start = (start.byte() as usize).min(bytes.len());
    let rest = bytes.get(start..).unwrap_or_default();
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    let before = bytes.get(..start + blank).unwrap_or_default();
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn flaw(error: csv::Error, bytes: &[u8]) -> String {
    let line = error.position().map(|start| line_at(bytes, start));
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{len} fields where the header has {expected_len}"),
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    match line {
        Some(line) => format!("line {line}: {what}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Task>, String> {
        read(text.as_bytes())
    }

    #[test]
    fn columns_may_come_in_any_order() {
        let text =
            "seconds,template,extra,peak_bytes,input_bytes\n1.5,a,x,10,\n2,\"b,c\",y,1e3,7\n";
        let tasks = of(text).unwrap();
        assert_eq!(tasks[0].input_bytes, None);
        assert_eq!(
            tasks[1],
            Task {
                template: "b,c".into(),
                input_bytes: Some(7),
                peak_bytes: 1000,
                seconds: 2.0
            }
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let header = "template,input_bytes,peak_bytes,seconds\na,1,2,3\n";
        for (rest, expected) in [
            ("a,1,2\n", "line 3: 3 fields where the header has 4"),
            (
                "a,x,2,3\n",
                "line 3: input_bytes is 'x', not a number from 0 on",
            ),
            (
                "a,1,-2,3\n",
                "line 3: peak_bytes is '-2', not a number from 0 on",
            ),
            (
                "a,1,2,NaN\n",
                "line 3: seconds is 'NaN', not a number from 0 on",
            ),
            ("a,1,2,\n", "line 3: seconds is '', not a number from 0 on"),
            (
                "a,1,0,3\n",
                "line 3: peak_bytes is 0, and no process needs nothing",
            ),
            ("b,1,2,3\n\n,1,2,3\n", "line 5: template is empty"),
        ] {
            assert_eq!(of(&format!("{header}{rest}")), Err(expected.to_owned()));
        }
        assert!(
            of("a,b\n1,2\n").is_err_and(|error| error.starts_with("line 1: no column template"))
        );
        assert_eq!(
            of("template,input_bytes,peak_bytes,seconds\n"),
            Err("holds no tasks".into())
        );
        assert!(of("").is_err());
        let broken = read(&b"template,input_bytes,peak_bytes,seconds\na,1,2,3\n\xff,1,2,3\n"[..]);
        assert_eq!(broken, Err("line 3: not UTF-8".into()));
    }
}
