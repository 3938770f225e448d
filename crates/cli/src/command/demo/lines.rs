//! Random lines, as fast as a network brings them.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use saferun_memory::Amount;

use crate::error::CliError;
use crate::exit::Exit;

/// The bytes of a line, its end included.
const LINE: usize = 256;

/// So many bytes come at once.
const BLOCK: usize = 1 << 20;

/// The time from one block to the next.
const PERIOD: Duration = Duration::from_millis(16);

/// Writes lines to standard output.
///
/// # Errors
///
/// It can't be written.
pub(crate) fn receive(amount: Amount) -> Result<Exit, CliError> {
    let wanted = amount.of(0);
    let mut out = io::stdout().lock();
    write_lines(&mut out, wanted, PERIOD)
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

fn write_lines(out: &mut impl Write, wanted: u64, period: Duration) -> io::Result<()> {
    let mut block = vec![b'.'; BLOCK];
    // Nothing depends on the quality of this chance.
    let mut state = wanted.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut left = wanted;
    let mut next = Instant::now();
    while left > 0 {
        for line in block.chunks_exact_mut(LINE) {
            line[..16].copy_from_slice(&random_digits(&mut state));
            line[LINE - 1] = b'\n';
        }
        let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        out.write_all(&block[..size])?;
        left -= size as u64;
        // What was late, since nobody took it, is not brought faster after.
        next = next.max(Instant::now()) + period;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

fn random_digits(state: &mut u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    // xorshift64*
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let value = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes();
    let mut digits = [0; 16];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(value) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_length_and_differ() {
        let mut out = Vec::new();
        let wanted = (BLOCK + 100 * LINE) as u64;
        write_lines(&mut out, wanted, Duration::ZERO).unwrap();
        assert_eq!(out.len() as u64, wanted);
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.len() == LINE - 1));
        let mut lines: Vec<_> = text.lines().collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all);
    }
}
