//! The text of a task file, and where in it something stands.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{CliError, plain_cause};
use crate::printable::printable;

/// The longest task file that is taken, in bytes: a million tasks fit, and what has no end
/// doesn't fill memory.
const LONGEST: u64 = 256 << 20;

/// A task file's text and name.
#[derive(Debug)]
pub(super) struct Text {
    label: String,
    pub(super) text: String,
}

impl Text {
    /// Reads a file, or standard input for `-`.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let label = if path == Path::new("-") {
            String::from("standard input")
        } else {
            printable(path.as_os_str(), 100)
        };
        let unreadable = |cause: &dyn std::fmt::Display| {
            CliError::usage(
                format!("the task file '{label}' can't be read: {cause}"),
                "give -f a readable file of tasks, or - for standard input",
            )
        };
        let mut bytes = Vec::new();
        let read = if path == Path::new("-") {
            (std::io::stdin().lock().take(LONGEST + 1)).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| {
                if file.metadata()?.is_dir() {
                    return Err(std::io::Error::other("it is a directory"));
                }
                file.take(LONGEST + 1).read_to_end(&mut bytes)
            })
        };
        read.map_err(|error| unreadable(&plain_cause(&error)))?;
        if bytes.len() as u64 > LONGEST {
            return Err(unreadable(&format!(
                "it is longer than {}",
                saferun_memory::show(LONGEST)
            )));
        }
        Self::new(label, bytes)
    }

    /// A text that people call `label`.
    pub(super) fn new(label: String, bytes: Vec<u8>) -> Result<Self, CliError> {
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..good).unwrap_or_default();
            let before = String::from_utf8_lossy(before);
            CliError::usage(
                format!(
                    "{label}:{} holds a byte that is no UTF-8 text",
                    place(&before, good)
                ),
                "save the file as UTF-8",
            )
        })?;
        // Editors of one system begin a file with a mark.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Ok(Self { label, text })
    }

    /// `file:line:column` of a byte, both from 1; the column counts characters.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.label, place(&self.text, at))
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        line(self.text.get(..at).unwrap_or(&self.text))
    }

    /// The name of the file.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// What was written there, safe to print.
    pub(super) fn written(&self, span: std::ops::Range<usize>) -> String {
        printable(OsStr::new(self.text.get(span).unwrap_or_default()), 40)
    }
}

fn line(before: &str) -> usize {
    before.bytes().filter(|&byte| byte == b'\n').count() + 1
}

fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before[start..].chars().count() + 1;
    format!("{}:{column}", line(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = Text::new("f".into(), "\u{feff}é = 1\nxé\n".into()).unwrap();
        assert_eq!(text.place(0), "f:1:1");
        assert_eq!(text.place(3), "f:1:3");
        assert_eq!(text.place(7), "f:2:1");
        assert_eq!(text.place(10), "f:2:3");
        assert_eq!(text.place(1000), "f:3:1");
        let broken = Text::new("f".into(), b"ab\nc\xff".to_vec()).unwrap_err();
        assert!(broken.to_string().starts_with("f:2:2 holds a byte"));
    }
}
