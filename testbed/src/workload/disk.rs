//! Writing real bytes to disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::random::SplitMix64;
use crate::size::MIB;

/// Writes `size` bytes that don't compress and deletes the file, whatever happened.
pub(super) fn write(path: &Path, size: u64) -> io::Result<()> {
    let outcome = fill(path, size);
    let removed = fs::remove_file(path);
    outcome.and(removed)
}

/// Writes `size` bytes and reads them again and again until `time` is over, so that they fill the
/// kernel's file cache; then deletes the file, whatever happened.
pub(super) fn read(path: &Path, size: u64, time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    let outcome = fill(path, size).and_then(|()| {
        while Instant::now() < end {
            let read = io::copy(&mut File::open(path)?, &mut io::sink())?;
            if read != size {
                return Err(io::Error::other(format!("{read} of {size} bytes read")));
            }
        }
        Ok(())
    });
    let removed = fs::remove_file(path);
    outcome.and(removed)
}

fn fill(path: &Path, size: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut random = SplitMix64::new(size);
    let block: Vec<u8> = (0..MIB / 8)
        .flat_map(|_| random.next_u64().to_le_bytes())
        .collect();
    let mut left = size;
    while left > 0 {
        let part = left.min(MIB) as usize;
        file.write_all(&block[..part])?;
        left -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_whole_and_then_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("written");
        fill(&path, MIB + 5).expect("room on disk");
        assert_eq!(fs::metadata(&path).expect("a file").len(), MIB + 5);
        write(&path, 10).expect("room on disk");
        assert!(!path.exists());
        read(&path, MIB + 5, Duration::from_millis(20)).expect("room on disk");
        assert!(!path.exists());
    }
}
