//! Who waits for memory: the kernel's pressure stall information (PSI).

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::Kept;
use crate::roots::Roots;

/// For how much of the time work stood still for want of memory.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// At least one task stood still.
    pub some: Stall,
    /// All tasks that were not idle stood still at once.
    pub full: Stall,
}

/// One line of pressure.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stall {
    /// The share of the last ten seconds, in percent.
    pub avg10: f64,
    /// All the time there was since the system's start or the group's making.
    pub total: Duration,
}

/// Reads the pressure of the machine or of one v2 group on a kept descriptor.
#[derive(Debug)]
pub struct PressureReader {
    file: Kept,
}

impl PressureReader {
    /// The machine's pressure. `None` where the kernel doesn't tell it: before 4.20, or when it
    /// was built or started without.
    ///
    /// # Errors
    /// When the file is there and can't be opened.
    pub fn machine(roots: &Roots) -> Result<Option<Self>, ReadError> {
        Self::open(&roots.proc.join("pressure/memory"))
    }

    /// The pressure of the v2 group with this directory; it is told for every group of the
    /// unified hierarchy, with the memory controller or without. `None` where it isn't.
    ///
    /// # Errors
    /// When the file is there and can't be opened.
    pub fn group(dir: &Path) -> Result<Option<Self>, ReadError> {
        Self::open(&dir.join("memory.pressure"))
    }

    fn open(path: &Path) -> Result<Option<Self>, ReadError> {
        match Kept::open_if_there(path) {
            Ok(file) => Ok(file.map(|file| Self { file })),
            Err(error) if is_switched_off(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads it now. `None` where pressure is switched off for this group.
    ///
    /// # Errors
    /// When it can't be read or understood.
    pub fn read(&self) -> Result<Option<Pressure>, ReadError> {
        match self.file.read(parse) {
            Ok(pressure) => Ok(Some(pressure)),
            Err(error) if is_switched_off(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A kernel started with `psi=0`, or a group with `cgroup.pressure` 0, has the file and refuses
/// it.
fn is_switched_off(error: &ReadError) -> bool {
    match error {
        ReadError::Io { cause, .. } => Errno::from_io_error(cause) == Some(Errno::OPNOTSUPP),
        _ => false,
    }
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same with `full`.
fn parse(text: &str) -> Result<Pressure, Flaw> {
    let mut some = None;
    let mut full = None;
    for line in text.lines() {
        if let Some(fields) = line.strip_prefix("some ") {
            some = Some(stall(fields, line)?);
        } else if let Some(fields) = line.strip_prefix("full ") {
            full = Some(stall(fields, line)?);
        }
    }
    Ok(Pressure {
        some: some.ok_or(Flaw::Missing("some"))?,
        full: full.ok_or(Flaw::Missing("full"))?,
    })
}

fn stall(fields: &str, line: &str) -> Result<Stall, Flaw> {
    let flaw = || Flaw::garbage("a line with avg10= and total=", line);
    let mut avg10 = None;
    let mut total = None;
    for field in fields.split_ascii_whitespace() {
        match field.split_once('=') {
            Some(("avg10", value)) => avg10 = value.parse::<f64>().ok().filter(|v| *v >= 0.0),
            Some(("total", value)) => total = value.parse().ok(),
            _ => {}
        }
    }
    Ok(Stall {
        avg10: avg10.ok_or_else(flaw)?,
        total: Duration::from_micros(total.ok_or_else(flaw)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine() {
        let text = "some avg10=1.25 avg60=0.00 avg300=0.00 total=1500\n\
            full avg10=0.50 avg60=0.00 avg300=0.00 total=700\n";
        let pressure = parse(text).expect("fine");
        assert_eq!(pressure.some.avg10, 1.25);
        assert_eq!(pressure.full.total, Duration::from_micros(700));
    }

    #[test]
    fn garbage_and_gaps_are_said() {
        assert_eq!(parse(""), Err(Flaw::Missing("some")));
        assert_eq!(
            parse("some avg10=0.00 total=0\n"),
            Err(Flaw::Missing("full"))
        );
        for line in [
            "some avg10=x total=0",
            "some avg10=0.0 total=-1",
            "some avg10=nan total=1",
            "some ",
        ] {
            assert!(matches!(parse(line), Err(Flaw::Garbage { .. })), "{line}");
        }
    }
}
