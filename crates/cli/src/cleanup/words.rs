//! Names, outcomes and lengths of time in words.

use std::ffi::OsStr;
use std::time::Duration;

use saferun_memory::reclaim::{Figure, Outcome};

use crate::printable::printable;

/// A name as it can be printed, cut to what fits a row.
pub(super) fn safe(name: &OsStr) -> String {
    printable(name, 48)
}

/// An outcome.
pub(super) fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::NothingToGain { why } => format!("nothing to gain: {why}"),
        Outcome::NotPermitted { why, permit } => format!("not permitted: {why} ({permit})"),
        Outcome::NotHere { why } => format!("not on this system: {why}"),
        Outcome::Failed { why } => format!("failed: {why}"),
    }
}

/// What a step's figures count.
pub(super) fn figure(figure: Figure) -> &'static str {
    match figure {
        Figure::Held => "held",
        Figure::Cache => "page cache",
        Figure::Files => "files in memory",
        Figure::Disk => "on disk",
    }
}

/// The largest unit of which there is at least one.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3600 => (seconds / 60, "min"),
        3600..172_800 => (seconds / 3600, "h"),
        _ => (seconds / 86_400, "days"),
    };
    format!("{number} {unit}")
}

/// `1 process`, `2 processes`.
pub(super) fn processes(count: usize) -> String {
    match count {
        1 => "1 process".to_owned(),
        _ => format!("{count} processes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in [
            (59, "59 s"),
            (61, "1 min"),
            (7300, "2 h"),
            (200_000, "2 days"),
        ] {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }
}
