//! Bytes of unknown origin made safe to print in one line.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// The longest name shown to a person, in characters.
pub(crate) const NAME_CHARS: usize = 60;

/// The text with every control character escaped, cut to `max` characters (the end of the cut
/// part shown by an ellipsis). What is not UTF-8 shows as the replacement character.
pub(crate) fn printable(text: &OsStr, max: usize) -> String {
    // A character has at most four bytes, so nothing past this can show.
    let bytes = text.as_bytes();
    let head = &bytes[..bytes.len().min(max.saturating_mul(4) + 4)];
    let lossy = String::from_utf8_lossy(head);
    let mut shown = String::new();
    for (count, c) in lossy.chars().enumerate() {
        if count >= max {
            shown.push('…');
            break;
        }
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
    shown
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
    fn long_names_are_cut() {
        let shown = printable(OsStr::new(&"é".repeat(100)), 10);
        assert_eq!(shown, format!("{}…", "é".repeat(10)));
        assert_eq!(printable(OsStr::new("0123456789"), 10), "0123456789");
    }
}
