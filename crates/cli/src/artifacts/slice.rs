//! A part of a long file, read as a stream.

use std::io::{self, BufRead, Write};

use regex::bytes::Regex;

use super::digest::is_error;

/// Lines are matched up to this length; what is longer is taken for several.
const LINE_BYTES: usize = 1 << 20;

/// Which lines.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    /// From one to another, counted from 1, both included.
    Lines(u64, u64),
    /// Those that match.
    Matching(Regex),
    /// Those that say that something went wrong.
    Errors,
    /// All of them.
    All,
}

/// Hands each chosen line with its number to `take`, its end included.
///
/// # Errors
///
/// The file can't be read, or `take` fails.
pub(crate) fn slice(
    mut reader: impl BufRead,
    which: &Which,
    mut take: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let mut number = 1;
    loop {
        line.clear();
        let is_whole = read_line(&mut reader, &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        let is_chosen = match which {
            Which::Lines(from, to) => {
                if number > *to {
                    return Ok(());
                }
                number >= *from
            }
            Which::Matching(pattern) => pattern.is_match(line.strip_suffix(b"\n").unwrap_or(&line)),
            Which::Errors => is_error(&line),
            Which::All => true,
        };
        if is_chosen {
            take(number, &line)?;
        }
        if is_whole {
            number += 1;
        }
    }
}

/// Reads to the end of a line, or a piece of a very long one; answers whether it ended there.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let available = match reader.fill_buf() {
            Ok([]) => return Ok(true),
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = available.iter().position(|byte| *byte == b'\n');
        let room = LINE_BYTES - line.len().min(LINE_BYTES);
        let count = end.map_or(available.len(), |end| end + 1).min(room.max(1));
        line.extend_from_slice(available.get(..count).unwrap_or_default());
        reader.consume(count);
        if line.ends_with(b"\n") {
            return Ok(true);
        }
        if line.len() >= LINE_BYTES {
            return Ok(false);
        }
    }
}

/// Writes chosen lines as they are; with `numbered` as `number:line`.
pub(crate) fn write(
    reader: impl BufRead,
    which: &Which,
    numbered: bool,
    mut out: impl Write,
) -> io::Result<()> {
    slice(reader, which, |number, line| {
        if numbered {
            write!(out, "{number}:")?;
        }
        out.write_all(line)?;
        if numbered && !line.ends_with(b"\n") {
            out.write_all(b"\n")?;
        }
        Ok(())
    })?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8], which: Which) -> Vec<(u64, Vec<u8>)> {
        let mut found = Vec::new();
        slice(text, &which, |number, line| {
            found.push((number, line.to_vec()));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_by_number_by_pattern_and_by_what_they_say() {
        let text = b"one\ntwo\r\n\xff three\nerror: four";
        let numbers = |which| {
            of(text, which)
                .into_iter()
                .map(|(number, _)| number)
                .collect::<Vec<_>>()
        };
        assert_eq!(numbers(Which::Lines(2, 3)), [2, 3]);
        assert_eq!(numbers(Which::Lines(4, 900)), [4]);
        assert!(numbers(Which::Lines(9, 10)).is_empty());
        assert_eq!(
            numbers(Which::Matching(Regex::new("^t|three$").unwrap())),
            [2, 3]
        );
        assert_eq!(numbers(Which::Errors), [4]);
        let whole: Vec<u8> = of(text, Which::All)
            .into_iter()
            .flat_map(|(_, line)| line)
            .collect();
        assert_eq!(whole, text);
    }

    #[test]
    fn a_very_long_line_comes_in_pieces_of_one_number() {
        let mut text = vec![b'x'; 5 << 20];
        text.extend_from_slice(b"\nend\n");
        let found = of(&text, Which::All);
        assert_eq!(found.iter().filter(|(number, _)| *number == 1).count(), 6);
        assert!(found.iter().all(|(_, line)| line.len() <= LINE_BYTES));
        assert_eq!(found.last().unwrap(), &(2, b"end\n".to_vec()));
        let whole: Vec<u8> = found.into_iter().flat_map(|(_, line)| line).collect();
        assert_eq!(whole, text);
    }
}
