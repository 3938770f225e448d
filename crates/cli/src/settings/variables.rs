//! The three variables, from the environment or from a `.env` file.

use std::ffi::OsStr;
use std::num::NonZeroUsize;

use super::layer::Layer;
use super::problem;
use super::source::{Source, Sourced};
use crate::args::values::{Jobs, megabytes};
use crate::error::CliError;

/// The names of the variables. No others are read.
pub(crate) const NAMES: [&str; 3] = ["SAFE_PARALLEL", "CONCURRENCY_LIMIT", "MEMORY_THRESHOLD"];

/// The layer of the environment.
pub(super) fn of_environment() -> Result<Layer, CliError> {
    let mut layer = Layer::default();
    for name in NAMES {
        if let Some(value) = std::env::var_os(name) {
            take(&mut layer, name, &value, &Source::Environment(name))?;
        }
    }
    Ok(layer)
}

/// Takes one variable. An empty number counts as not set: that is how shells unset what they
/// pass on (`CONCURRENCY_LIMIT= command`).
pub(super) fn take(
    layer: &mut Layer,
    name: &str,
    value: &OsStr,
    source: &Source,
) -> Result<(), CliError> {
    let right = match name {
        "SAFE_PARALLEL" => "true or 1, false or 0",
        "CONCURRENCY_LIMIT" => "a number from 1 on; 1 to 3 suit agents",
        _ => "a whole number of MB from 1 on, such as 4096",
    };
    let bad = || {
        let read = format!("'{}'", value.to_string_lossy());
        problem::bad_value(name, source, &read, right)
    };
    let text = value.to_str().ok_or_else(bad)?;
    let source = || source.clone();
    match name {
        "SAFE_PARALLEL" => {
            layer.parallel = Some(Sourced {
                value: truth(text).ok_or_else(bad)?,
                source: source(),
            });
        }
        _ if text.is_empty() => {}
        "CONCURRENCY_LIMIT" => {
            layer.concurrency = Some(Sourced {
                value: count(text).map(Jobs::Count).ok_or_else(bad)?,
                source: source(),
            });
        }
        _ => {
            layer.memory_threshold = Some(Sourced {
                value: megabytes(text).map_err(|_| bad())?,
                source: source(),
            });
        }
    }
    Ok(())
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" | "" => Some(false),
        _ => None,
    }
}

/// Only digits: the standard parser would take a sign.
fn count(text: &str) -> Option<NonZeroUsize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_true_and_false() {
        for text in ["true", "TRUE", "True", "1"] {
            assert_eq!(truth(text), Some(true), "{text}");
        }
        for text in ["false", "FALSE", "0", ""] {
            assert_eq!(truth(text), Some(false), "{text}");
        }
        for text in ["yes", "on", "2", " true", "01", "t"] {
            assert_eq!(truth(text), None, "{text}");
        }
    }

    #[test]
    fn counts_are_digits() {
        assert_eq!(count("3"), NonZeroUsize::new(3));
        for bad in ["0", "", "+3", "-1", "two", "1.0", "99999999999999999999999"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }
}
