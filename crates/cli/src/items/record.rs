//! Splitting a stream into records, one at a time, whatever its length.

use std::io::{self, BufRead};

/// What ends a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delimiter {
    /// A line feed. A carriage return before it belongs to the record.
    Line,
    /// A NUL byte.
    Nul,
}

impl Delimiter {
    fn byte(self) -> u8 {
        match self {
            Delimiter::Line => b'\n',
            Delimiter::Nul => 0,
        }
    }
}

/// Why a record can't be used.
#[derive(Debug)]
pub(crate) enum RecordError {
    /// The stream could not be read.
    Read(io::Error),
    /// A NUL byte inside a line: no argument can hold one.
    Nul,
    /// The record passes the limit; its beginning is given.
    TooLong(Vec<u8>),
}

/// The records of a stream. Holds one record and one buffer at a time, and never more of a
/// record than the limit.
pub(crate) struct Records<R> {
    reader: R,
    delimiter: Delimiter,
    limit: usize,
    number: u64,
}

impl<R: BufRead> Records<R> {
    /// Splits `reader`; a record longer than `limit` bytes is an error.
    pub(crate) fn new(reader: R, delimiter: Delimiter, limit: usize) -> Self {
        Self {
            reader,
            delimiter,
            limit,
            number: 0,
        }
    }

    /// The stream, as far as it has not been read.
    pub(crate) fn into_reader(self) -> R {
        self.reader
    }

    /// The number of the record read last, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next record without its delimiter; the last one may lack it.
    pub(crate) fn next_record(&mut self) -> Option<Result<Vec<u8>, RecordError>> {
        let end = self.delimiter.byte();
        let mut record = Vec::new();
        let mut begun = false;
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Some(Err(RecordError::Read(error))),
            };
            if buffer.is_empty() {
                return begun.then(|| self.checked(record));
            }
            if !begun {
                begun = true;
                self.number += 1;
            }
            let found = buffer.iter().position(|&byte| byte == end);
            let taken = found.unwrap_or(buffer.len());
            if record.len() + taken > self.limit {
                let room = self.limit - record.len();
                record.extend_from_slice(&buffer[..room.min(taken)]);
                return Some(Err(RecordError::TooLong(record)));
            }
            record.extend_from_slice(&buffer[..taken]);
            self.reader.consume(taken + usize::from(found.is_some()));
            if found.is_some() {
                return Some(self.checked(record));
            }
        }
    }

    fn checked(&self, record: Vec<u8>) -> Result<Vec<u8>, RecordError> {
        if record.contains(&0) {
            Err(RecordError::Nul)
        } else {
            Ok(record)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    fn all(text: &[u8], delimiter: Delimiter) -> Vec<Vec<u8>> {
        // A buffer of three bytes crosses every boundary.
        let mut records = Records::new(BufReader::with_capacity(3, text), delimiter, 100);
        std::iter::from_fn(|| records.next_record())
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn lines() {
        assert_eq!(all(b"", Delimiter::Line), Vec::<Vec<u8>>::new());
        assert_eq!(
            all(b"abcd\n\nef\r\ng", Delimiter::Line),
            [&b"abcd"[..], b"", b"ef\r", b"g"]
        );
        assert_eq!(all(b"\xff\xfe\n", Delimiter::Line), [b"\xff\xfe"]);
    }

    #[test]
    fn nul_separated() {
        assert_eq!(all(b"a\nb\0\0c", Delimiter::Nul), [&b"a\nb"[..], b"", b"c"]);
    }

    #[test]
    fn a_nul_in_a_line_is_an_error_with_its_number() {
        let mut records = Records::new(&b"ok\na\0b\n"[..], Delimiter::Line, 100);
        assert!(records.next_record().unwrap().is_ok());
        assert!(matches!(records.next_record(), Some(Err(RecordError::Nul))));
        assert_eq!(records.number(), 2);
    }

    #[test]
    fn an_endless_record_is_not_collected() {
        let endless = BufReader::new(std::io::Read::take(std::io::repeat(b'x'), 1 << 40));
        let mut records = Records::new(endless, Delimiter::Line, 1000);
        match records.next_record() {
            Some(Err(RecordError::TooLong(head))) => assert_eq!(head.len(), 1000),
            other => panic!("{other:?}"),
        }
    }
}
