//! Files of random lines.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::child::{self, Signals};
use super::sort::Work;
use crate::error::CliError;

const MIB: u64 = 1 << 20;

/// The files' sizes in MiB. In the order in which they run small and large ones mix, as in real
/// lists. Sorting takes about four times as much memory, a third of a second for each 10 MiB on
/// a fast machine.
const SIZES_MIB: [u64; 8] = [28, 56, 16, 48, 24, 40, 20, 32];

/// The file that is sorted first, alone, to learn how fast this machine is.
const SMALLEST: usize = 2;

/// What both runs together may take.
const ENOUGH: Duration = Duration::from_secs(40);

/// One file.
#[derive(Debug, Clone)]
pub(super) struct InputFile {
    /// Its name in the directory.
    pub(super) name: OsString,
    /// Its size.
    pub(super) bytes: u64,
}

/// Makes the files.
pub(super) async fn make(dir: &Path, signals: &mut Signals) -> Result<Vec<InputFile>, CliError> {
    let mut files = Vec::new();
    for (number, mib) in (1u64..).zip(SIZES_MIB) {
        let file = InputFile {
            name: format!("lines-{mib}M.txt").into(),
            bytes: mib * MIB,
        };
        let path = dir.join(&file.name);
        let bytes = file.bytes;
        let writing = tokio::task::spawn_blocking(move || write_lines(&path, bytes, number));
        tokio::select! {
            written = writing => written
                .unwrap_or_else(|lost| Err(io::Error::other(lost)))
                .map_err(|cause| CliError::system("the demo's input can't be written", cause))?,
            number = signals.next() => return Err(CliError::Signal(number)),
        }
        files.push(file);
    }
    Ok(files)
}

/// As many of the files as can be sorted twice in time, judged by one of them.
pub(super) async fn that_fit_a_minute(
    work: &Work,
    dir: &Path,
    files: Vec<InputFile>,
    signals: &mut Signals,
) -> Result<Vec<InputFile>, CliError> {
    let smallest = &files[SMALLEST];
    let mut command = work.command(&smallest.name);
    command
        .current_dir(dir)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let begun = Instant::now();
    child::run(command, signals).await?;
    let per_byte = begun.elapsed().as_secs_f64() / smallest.bytes as f64;
    let affordable = ENOUGH.as_secs_f64() / 2.0 / per_byte;
    let mut sum = 0.0;
    Ok(files
        .into_iter()
        .enumerate()
        .take_while(|(place, file)| {
            sum += file.bytes as f64;
            // Fewer than four show nothing, however slow the machine is.
            *place < 4 || sum <= affordable
        })
        .map(|(_, file)| file)
        .collect())
}

/// Lines of fifteen random digits.
fn write_lines(path: &Path, bytes: u64, seed: u64) -> io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut line = [b'\n'; 16];
    for _ in 0..bytes / 16 {
        // xorshift64*: nothing depends on the quality of this chance.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let mut value = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        for digit in &mut line[..15] {
            *digit = DIGITS[(value >> 60) as usize];
            value <<= 4;
        }
        out.write_all(&line)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_length_and_differ() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        write_lines(&path, 1600, 7).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() == 1600 && text.lines().all(|line| line.len() == 15));
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 100);
    }
}
