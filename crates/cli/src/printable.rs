//! Bytes of unknown origin made safe to print in one line.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// The longest name shown to a person, in characters.
pub(crate) const NAME_CHARS: usize = 60;

/// The text with every control character escaped. One of more than `max` characters loses its
/// middle, shown by an ellipsis: what differs from name to name is often at the end. What is not
/// UTF-8 shows as the replacement character.
pub(crate) fn printable(text: &OsStr, max: usize) -> String {
    let bytes = text.as_bytes();
    let mut shown = String::new();
    // A character has at most four bytes, so one of more bytes than this is too long anyway.
    let few = max.saturating_mul(4);
    if bytes.len() <= few {
        let lossy = String::from_utf8_lossy(bytes);
        if lossy.chars().count() <= max {
            lossy.chars().for_each(|c| push_escaped(&mut shown, c));
            return shown;
        }
    }
    let tail = max / 3;
    let head = max - tail;
    let first = String::from_utf8_lossy(&bytes[..bytes.len().min(few)]);
    first
        .chars()
        .take(head)
        .for_each(|c| push_escaped(&mut shown, c));
    shown.push('…');
    let last = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(few)..]);
    let mut last: Vec<char> = last.chars().rev().take(tail).collect();
    last.reverse();
    last.into_iter().for_each(|c| push_escaped(&mut shown, c));
    shown
}

fn push_escaped(shown: &mut String, c: char) {
    match c {
        '\n' => shown.push_str("\\n"),
        '\t' => shown.push_str("\\t"),
        '\r' => shown.push_str("\\r"),
        // Control characters move cursors; direction marks reorder what is read.
        c if c.is_control() || is_direction_mark(c) => {
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
        c => shown.push(c),
    }
}

/// A task's name for people.
pub(crate) fn name(text: &OsStr) -> String {
    printable(text, NAME_CHARS)
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let shown = printable(OsStr::from_bytes(b"a\x1b[31m\nb\xff\xc2\x9bc"), 60);
        assert_eq!(shown, "a\\u{1b}[31m\\nb\u{fffd}\\u{9b}c");
    }

    #[test]
    fn long_names_lose_their_middle() {
        let shown = printable(OsStr::new(&"é".repeat(100)), 10);
        assert_eq!(shown, format!("{}…{}", "é".repeat(7), "é".repeat(3)));
        assert_eq!(printable(OsStr::new("0123456789"), 10), "0123456789");
        assert_eq!(printable(OsStr::new("0123456789a"), 10), "0123456…89a");
        let long = format!("{}z", "é".repeat(10_000));
        assert_eq!(printable(OsStr::new(&long), 6), "éééé…éz");
    }
}
