//! A file of the kernel that is opened once and read many times.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{ReadError, is_gone};
use crate::flaw::Flaw;

/// A kernel file that is kept open. Reading it anew is one `pread` from its start, which saves
/// the walk along the path: 1 µs in place of 4. Should the process or group behind it go and
/// another take its name, the descriptor fails rather than speak of the wrong one.
#[derive(Debug)]
pub(crate) struct Kept {
    file: File,
    path: PathBuf,
}

/// Holds every fixed file that we read but the longest; those take a buffer from the heap.
const BUFFER: usize = 4096;

impl Kept {
    pub(crate) fn open(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let path = path.into();
        match File::open(&path) {
            Ok(file) => Ok(Self { file, path }),
            Err(cause) => Err(ReadError::Io { path, cause }),
        }
    }

    /// The same, where a file that isn't there is an answer.
    pub(crate) fn open_if_there(path: impl Into<PathBuf>) -> Result<Option<Self>, ReadError> {
        match Self::open(path) {
            Ok(kept) => Ok(Some(kept)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The file that holds one number.
    pub(crate) fn number(&self) -> Result<u64, ReadError> {
        let mut buffer = [0; 64];
        let length = self.fill(&mut buffer)?;
        let text = buffer[..length].trim_ascii();
        decimal(text).ok_or_else(|| Flaw::garbage("a number", text).at(&self.path))
    }

    /// Hands the whole text to a parser. All files that are read here are made by the kernel in
    /// one piece, so one `pread` into a buffer that is large enough is a consistent picture.
    pub(crate) fn read<R>(
        &self,
        parse: impl FnOnce(&str) -> Result<R, Flaw>,
    ) -> Result<R, ReadError> {
        self.read_near::<BUFFER, R>(parse)
    }

    /// The same for a file whose text is usually shorter than `N`, which saves clearing a larger
    /// buffer.
    pub(crate) fn read_near<const N: usize, R>(
        &self,
        parse: impl FnOnce(&str) -> Result<R, Flaw>,
    ) -> Result<R, ReadError> {
        let mut small = [0; N];
        let length = self.fill(&mut small)?;
        let mut large;
        let mut text = &small[..length];
        if length == N {
            large = vec![0; 4 * BUFFER];
            loop {
                let length = self.fill(&mut large)?;
                if length < large.len() {
                    large.truncate(length);
                    break;
                }
                large.resize(2 * large.len(), 0);
            }
            text = &large;
        }
        std::str::from_utf8(text)
            .map_err(|_| Flaw::garbage("text", text))
            .and_then(parse)
            .map_err(|flaw| flaw.at(&self.path))
    }

    fn fill(&self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        loop {
            match self.file.read_at(buffer, 0) {
                Ok(length) => return Ok(length),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    return Err(ReadError::Io {
                        path: self.path.clone(),
                        cause,
                    });
                }
            }
        }
    }
}

/// Reads a whole file by its path.
pub(crate) fn slurp(path: &Path) -> Result<Vec<u8>, ReadError> {
    whole(path).map_err(|cause| ReadError::Io {
        path: path.to_path_buf(),
        cause,
    })
}

/// Reads a whole file by its path; `None` when it, or what it speaks of, is gone.
pub(crate) fn slurp_if_there(path: &Path) -> Result<Option<Vec<u8>>, ReadError> {
    match whole(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if is_gone(&cause) => Ok(None),
        Err(cause) => Err(ReadError::Io {
            path: path.to_path_buf(),
            cause,
        }),
    }
}

/// As `std::fs::read`, but without asking for the size first, which files of the kernel don't
/// tell: four calls of the system instead of six.
fn whole(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = vec![0; BUFFER / 4];
    let mut length = 0;
    loop {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => return Err(cause),
        }
        if length == bytes.len() {
            bytes.resize(2 * bytes.len(), 0);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Digits alone: no sign, no blank, no overflow.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for &byte in text {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(number)
}

/// The values of the named keys in lines of `key value`, in the order of `keys`. Lines with
/// other keys are not looked at, so that a kernel may add what it likes.
pub(crate) fn keyed<const N: usize>(text: &str, keys: [&str; N]) -> Result<[Option<u64>; N], Flaw> {
    let mut values = [None; N];
    for line in text.lines() {
        let Some((key, value)) = line.split_once(' ') else {
            continue;
        };
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            let value = decimal(value.trim_ascii().as_bytes());
            values[place] = Some(value.ok_or_else(|| Flaw::garbage("a key and a number", line))?);
        }
    }
    Ok(values)
}

/// The same for lines of `Key:   1234 kB`, in bytes.
pub(crate) fn keyed_kib<const N: usize>(
    text: &str,
    keys: [&str; N],
) -> Result<[Option<u64>; N], Flaw> {
    let mut values = [None; N];
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        if let Some(place) = keys.iter().position(|wanted| *wanted == key) {
            let bytes = kibibytes(value)
                .ok_or_else(|| Flaw::garbage("a line such as MemFree: 1234 kB", line))?;
            values[place] = Some(bytes);
        }
    }
    Ok(values)
}

/// `   1234 kB` in bytes; sums of a few of them never overflow.
fn kibibytes(value: &str) -> Option<u64> {
    let number = value.trim_ascii().strip_suffix("kB")?.trim_ascii_end();
    let bytes = decimal(number.as_bytes())?.checked_mul(1024)?;
    (bytes <= u64::MAX / 8).then_some(bytes)
}
