//! A `.env` file: three variables of it, and nothing else.
//!
//! Such files hold secrets and lines for other programs. All is read as shells and the usual
//! loaders read it (quotes, which may span lines, `export`, comments), so that nothing inside of
//! another variable's text is taken for ours; but only ours must be right, and nothing is handed
//! on to anybody.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::layer::Layer;
use super::source::{Place, Source};
use super::{problem, variables};
use crate::error::CliError;

/// The layer of this file.
pub(super) fn parse(bytes: &[u8], file: &Arc<Path>) -> Result<Layer, CliError> {
    let mut layer = Layer::default();
    let mut reader = Reader {
        bytes,
        at: if bytes.starts_with(b"\xef\xbb\xbf") {
            3
        } else {
            0
        },
    };
    while let Some(line) = reader.next_line() {
        let Some(name) = ours(line.name) else {
            continue;
        };
        let source = Source::DotEnv(Place::of(file, bytes, line.start));
        match line.value {
            Value::Text(value) => {
                variables::take(&mut layer, name, OsStr::from_bytes(&value), &source)?;
            }
            // It passes on what the shell has already, which is the environment here.
            Value::None if line.export => {}
            Value::None => {
                let fix = format!("{name}=VALUE");
                return Err(problem::bad_value(name, &source, "without a value", &fix));
            }
            Value::Broken(read) => {
                let fix = format!("{name}=VALUE; quotes in pairs, comments after a blank and #");
                let read = String::from_utf8_lossy(read);
                return Err(problem::bad_value(name, &source, &read, &fix));
            }
        }
    }
    Ok(layer)
}

fn ours(name: &[u8]) -> Option<&'static str> {
    variables::NAMES
        .into_iter()
        .find(|ours| ours.as_bytes() == name)
}

/// One assignment, or whatever else stood on a line.
struct Line<'a> {
    start: usize,
    export: bool,
    name: &'a [u8],
    value: Value<'a>,
}

enum Value<'a> {
    /// What follows the equals sign, without its quotes.
    Text(Vec<u8>),
    /// There is no equals sign.
    None,
    /// It can't be understood.
    Broken(&'a [u8]),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next_line(&mut self) -> Option<Line<'a>> {
        self.skip(|byte| byte.is_ascii_whitespace());
        let mut start = self.at;
        self.peek()?;
        let mut name = self.name();
        let mut export = false;
        if name == b"export" && self.skip(is_blank) {
            export = true;
            start = self.at;
            name = self.name();
        }
        self.skip(is_blank);
        let value = match self.peek() {
            Some(b'=') => {
                self.at += 1;
                self.skip(is_blank);
                self.value()
            }
            _ => match self.rest_of_line() {
                [] | [b'#', ..] => Value::None,
                rest => Value::Broken(rest),
            },
        };
        Some(Line {
            start,
            export,
            name,
            value,
        })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over these bytes; whether there were any.
    fn skip(&mut self, which: impl Fn(&u8) -> bool) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| which(byte)).count();
        self.at += count;
        count > 0
    }

    fn name(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// What is left of the line, without blanks at its end.
    fn rest_of_line(&mut self) -> &'a [u8] {
        let start = self.at;
        self.skip(|byte| *byte != b'\n');
        let rest = self.bytes.get(start..self.at).unwrap_or_default();
        rest.trim_ascii_end()
    }

    fn value(&mut self) -> Value<'a> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'' | b'`')) => {
                let start = self.at;
                self.at += 1;
                match self.quoted(quote) {
                    Some(text) => match self.rest_of_line().trim_ascii_start() {
                        [] | [b'#', ..] => Value::Text(text),
                        _ => Value::Broken(self.bytes.get(start..self.at).unwrap_or_default()),
                    },
                    // A quote without its pair ends with its line, as an apostrophe does.
                    None => {
                        self.at = start;
                        Value::Broken(self.rest_of_line())
                    }
                }
            }
            _ => Value::Text(without_comment(self.rest_of_line()).to_vec()),
        }
    }

    /// Up to the closing quote; `None` if there is none.
    fn quoted(&mut self, quote: u8) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                byte if byte == quote => return Some(text),
                b'\\' if quote == b'"' => {
                    let escaped = self.peek()?;
                    self.at += 1;
                    text.push(match escaped {
                        b'n' => b'\n',
                        b't' => b'\t',
                        b'r' => b'\r',
                        other => other,
                    });
                }
                byte => text.push(byte),
            }
        }
    }
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// A value without quotes ends before a comment: `#` after a blank, or at its beginning.
fn without_comment(value: &[u8]) -> &[u8] {
    let comment = (0..value.len()).find(|&at| {
        value.get(at) == Some(&b'#') && at.checked_sub(1).is_none_or(|at| is_blank(&value[at]))
    });
    value
        .get(..comment.unwrap_or(value.len()))
        .unwrap_or_default()
        .trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::args::values::Jobs;

    fn read(text: &str) -> Result<Layer, String> {
        let file: Arc<Path> = Path::new("/p/.env").into();
        parse(text.as_bytes(), &file).map_err(|error| error.to_string())
    }

    fn limit(text: &str) -> Option<(usize, String)> {
        let found = read(text).unwrap().concurrency?;
        match found.value {
            Jobs::Count(count) => Some((count.get(), found.source.to_string())),
            Jobs::Auto => None,
        }
    }

    #[test]
    fn the_usual_ways_to_write_a_value() {
        for (text, value, place) in [
            ("CONCURRENCY_LIMIT=3", 3, "/p/.env:1:1"),
            ("export CONCURRENCY_LIMIT=3", 3, "/p/.env:1:8"),
            ("\u{feff}CONCURRENCY_LIMIT = 3\r\nX=1", 3, "/p/.env:1:2"),
            ("# x\n\n  CONCURRENCY_LIMIT=\"3\" # y", 3, "/p/.env:3:3"),
            ("CONCURRENCY_LIMIT='3'", 3, "/p/.env:1:1"),
            ("CONCURRENCY_LIMIT=3 # not more", 3, "/p/.env:1:1"),
            ("CONCURRENCY_LIMIT=2\nCONCURRENCY_LIMIT=3", 3, "/p/.env:2:1"),
            ("KEY=it's\nCONCURRENCY_LIMIT=3", 3, "/p/.env:2:1"),
            ("KEY='it\nCONCURRENCY_LIMIT=3", 3, "/p/.env:2:1"),
            ("not a line\nCONCURRENCY_LIMIT=3", 3, "/p/.env:2:1"),
        ] {
            assert_eq!(limit(text), Some((value, place.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn other_variables_and_comments_are_not_ours() {
        for text in [
            "",
            "#CONCURRENCY_LIMIT=3",
            "CONCURRENCY_LIMITS=x",
            "MY.CONCURRENCY_LIMIT=x",
            "concurrency_limit=x",
            "KEY=\"a\nCONCURRENCY_LIMIT=x\n\"",
            "KEY='a\nCONCURRENCY_LIMIT=x\n'",
            "KEY=\"a\\\"\nCONCURRENCY_LIMIT=x\n\"",
            "export CONCURRENCY_LIMIT",
            "CONCURRENCY_LIMIT=",
            "CONCURRENCY_LIMIT= # none",
        ] {
            assert_eq!(read(text), Ok(Layer::default()), "{text:?}");
        }
    }

    #[test]
    fn what_is_ours_must_be_right() {
        for (text, holds) in [
            (
                "\nSAFE_PARALLEL=maybe",
                "SAFE_PARALLEL at /p/.env:2:1 can't be 'maybe'; try: true",
            ),
            ("CONCURRENCY_LIMIT=0", "can't be '0'"),
            (
                "CONCURRENCY_LIMIT='3",
                "can't be '3; try: CONCURRENCY_LIMIT=VALUE",
            ),
            ("CONCURRENCY_LIMIT='3'4", "can't be '3'4;"),
            ("CONCURRENCY_LIMIT: 3", "can't be : 3;"),
            ("MEMORY_THRESHOLD", "try: MEMORY_THRESHOLD=VALUE"),
            ("MEMORY_THRESHOLD=4G", "such as 4096"),
            ("MEMORY_THRESHOLD=$X", "can't be '$X'"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(holds), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes: Vec<u8>, ours in "(export )?SAFE_PARALLEL ?[=:]?['\"`]?[a-z\\\\#\n]{0,4}['\"`]?") {
            let file: Arc<Path> = Path::new("/p/.env").into();
            let _ = parse(&[&bytes, ours.as_bytes()].concat(), &file);
        }
    }
}
