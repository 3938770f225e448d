//! Output by which a test sees what reached the process and what came back from it.

use std::fs;
use std::io::{self, Write};

use rustix::process::{getpgrp, getsid};

/// Prints `lines` lines of `bytes` bytes to stdout and as many to stderr, in turn.
pub(super) fn print(lines: u64, bytes: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut err = io::stderr().lock();
    for line in 0..lines {
        out.write_all(&pattern("out", line, bytes))?;
        err.write_all(&pattern("err", line, bytes))?;
    }
    out.flush()
}

/// A line that names its stream and number and is filled up to `bytes`, its newline included.
fn pattern(stream: &str, line: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("{stream} {line:08} ").into_bytes();
    let body = bytes.saturating_sub(1);
    let filler = (b'a'..=b'z').cycle().skip((line % 26) as usize);
    text.extend(filler.take(body.saturating_sub(text.len())));
    text.truncate(body);
    text.push(b'\n');
    text
}

/// Prints what was inherited, one `key value` a line.
///
/// The runtime of this program ignores PIPE before anything of ours runs, so PIPE is left out:
/// ask a program without such a runtime, as in `cat /proc/self/status`.
#[expect(
    clippy::disallowed_methods,
    reason = "a task leads a session of its own, and one that doesn't is to be noticed"
)]
pub(super) fn inherited() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|value| u64::from_str_radix(value.trim(), 16).ok())
            .ok_or_else(|| io::Error::other(format!("/proc/self/status has no {name}")))
    };
    let mut out = io::stdout().lock();
    writeln!(out, "blocked {}", names(mask("SigBlk:")?))?;
    writeln!(out, "ignored {}", names(mask("SigIgn:")? & !pipe_bit()))?;
    writeln!(out, "session {}", getsid(None)?.as_raw_nonzero())?;
    writeln!(out, "group {}", getpgrp().as_raw_nonzero())?;
    for (number, target) in descriptors()? {
        writeln!(out, "descriptor {number} {target}")?;
    }
    Ok(())
}

fn pipe_bit() -> u64 {
    1 << (rustix::process::Signal::PIPE.as_raw() - 1)
}

/// The numbers of the signals in a mask, `none` when it is empty.
fn names(mask: u64) -> String {
    let numbers: Vec<String> = (1..=64)
        .filter(|signal| mask & (1 << (signal - 1)) != 0)
        .map(|signal: u32| signal.to_string())
        .collect();
    if numbers.is_empty() {
        "none".to_owned()
    } else {
        numbers.join(",")
    }
}

/// The open descriptors but the one that is looked through.
fn descriptors() -> io::Result<Vec<(u32, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // The directory itself was opened only for this look and lists itself.
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        if !target.ends_with("/fd") {
            found.push((number, target));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_the_length_asked_for() {
        for bytes in [1, 2, 13, 80] {
            let line = pattern("out", 3, bytes);
            assert_eq!(line.len(), bytes);
            assert_eq!(line.last(), Some(&b'\n'));
        }
        assert!(pattern("err", 12, 40).starts_with(b"err 00000012 m"));
    }

    #[test]
    fn masks_are_read_by_number() {
        assert_eq!(names(0), "none");
        assert_eq!(names(0b100_0000_0000_0001), "1,15");
    }
}
