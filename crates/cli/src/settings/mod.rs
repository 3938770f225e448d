//! Settings: every choice with where it came from.
//!
//! Layers of partial settings lie above one another; for each choice the uppermost layer that
//! makes it wins. The flags are the uppermost, what is built in the lowest.

mod run;

pub(crate) use run::{JsonTarget, Parallel, RunSettings};

use std::fmt;

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag,
    /// What is built in.
    BuiltIn,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Flag => "flag",
            Source::BuiltIn => "built in",
        })
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// The uppermost value among layers.
pub(crate) fn uppermost<T: Clone>(
    layers: &[(Source, run::Layer)],
    choice: impl Fn(&run::Layer) -> &Option<T>,
) -> Option<Sourced<T>> {
    layers.iter().find_map(|(source, layer)| {
        let value = choice(layer).clone()?;
        Some(Sourced {
            value,
            source: *source,
        })
    })
}
