//! A stream of bytes as clean lines, with a bounded amount of it in memory.

use std::borrow::Cow;
use std::io::{self, Read};

/// So much of a line is looked at; the rest of it is only counted.
pub(super) const LINE_BYTES: usize = 8 * 1024;
/// So much is read at once.
const BLOCK_BYTES: usize = 64 * 1024;

/// How much a stream held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    /// All bytes.
    pub(super) bytes: u64,
    /// Line ends, and a last line that has none.
    pub(super) lines: u64,
}

/// Hands each line to `take` without its end. What a terminal would overwrite (text that ends
/// with a carriage return) counts as a line of its own; empty lines come as well.
pub(super) fn each_line(mut reader: impl Read, mut take: impl FnMut(&str)) -> io::Result<Totals> {
    let mut totals = Totals::default();
    let mut block = vec![0; BLOCK_BYTES];
    let mut line: Vec<u8> = Vec::new();
    let (mut after_return, mut is_begun) = (false, false);
    loop {
        let count = match reader.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut rest = block.get(..count).unwrap_or_default();
        totals.bytes = totals.bytes.saturating_add(count as u64);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            if !part.is_empty() {
                let room = LINE_BYTES.saturating_sub(line.len()).min(part.len());
                line.extend_from_slice(part.get(..room).unwrap_or_default());
                (after_return, is_begun) = (false, true);
            }
            let Some((end, after)) = after.split_first() else {
                break;
            };
            if *end == b'\n' {
                totals.lines += 1;
                is_begun = false;
            }
            // The line end after a carriage return ends what was handed on already.
            if !(after_return && *end == b'\n') {
                take(&clean(&line));
            }
            line.clear();
            after_return = *end == b'\r';
            rest = after;
        }
    }
    if is_begun {
        totals.lines += 1;
        if !line.is_empty() {
            take(&clean(&line));
        }
    }
    Ok(totals)
}

/// The text without what only colours it or moves cursors, and without blanks at its end.
pub(super) fn clean(line: &[u8]) -> Cow<'_, str> {
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte) || *byte == b'\t';
    if line.iter().all(is_plain) {
        // ASCII is UTF-8.
        return String::from_utf8_lossy(line.trim_ascii_end());
    }
    let text = String::from_utf8_lossy(line);
    let is_shown = |c: &char| *c == '\t' || !c.is_control();
    let stripped = anstream::adapter::strip_str(&text);
    let shown: String = stripped.flat_map(str::chars).filter(is_shown).collect();
    Cow::Owned(shown.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader that hands out so many bytes at once.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(count);
            into[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn lines(bytes: &[u8], piece: usize) -> (Vec<String>, Totals) {
        let mut lines = Vec::new();
        let totals = each_line(Pieces(bytes, piece), |line| lines.push(line.to_owned()));
        (lines, totals.unwrap())
    }

    #[test]
    fn ends_of_all_systems_and_colours() {
        let (seen, totals) = lines(
            b"a\r\nb\n\n 10%\r 20%\r\n\x1b[31mred\x1b[0m \n\xff\x07\tx",
            1,
        );
        assert_eq!(seen, ["a", "b", "", " 10%", " 20%", "red", "\u{fffd}\tx"]);
        assert_eq!((totals.bytes, totals.lines), (35, 6));
        assert_eq!(lines(b"", 1), (vec![], Totals::default()));
    }

    #[test]
    fn a_line_without_end_takes_no_more_memory_than_its_start() {
        let endless = vec![b'x'; 50 << 20];
        let (seen, totals) = lines(&endless, 1 << 20);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].len(), totals.lines), (LINE_BYTES, 1));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in prop::collection::vec(prop::sample::select(b"ab\r\n\x1b[m\xc3\xa9 ".to_vec()), 0..200),
            piece in 1_usize..50,
        ) {
            prop_assert_eq!(lines(&bytes, piece), lines(&bytes, bytes.len().max(1)));
            let ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let (_, totals) = lines(&bytes, piece);
            prop_assert!(totals.lines == ends || totals.lines == ends + 1);
        }
    }
}
