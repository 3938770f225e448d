//! Rules over touched files and over words.

use std::collections::BTreeSet;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::file::{KeywordsEntry, RuleEntry, TouchEntry};
use crate::category::Category;
use crate::text::stem;

/// A file that a change touches. It need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Its path, relative to the project.
    pub path: String,
    /// The path it had before, when it was renamed.
    pub was: Option<String>,
}

impl Touched {
    /// A file that is changed in place.
    pub fn new(path: impl Into<String>) -> Self {
        let path: String = path.into();
        let plain = path.trim_start_matches("./").to_owned();
        Self {
            path: plain,
            was: None,
        }
    }

    /// A file that is renamed.
    pub fn renamed(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            was: Some(from.into()),
            ..Self::new(to)
        }
    }
}

/// Patterns with exceptions.
#[derive(Clone, Debug)]
pub(super) struct Globs {
    patterns: GlobSet,
    exceptions: GlobSet,
}

impl Globs {
    /// Compiles them; the error names the pattern.
    pub(super) fn new(patterns: &[String], exceptions: &[String]) -> Result<Self, String> {
        if patterns.is_empty() {
            return Err(String::from("has no pattern"));
        }
        Ok(Self {
            patterns: set(patterns)?,
            exceptions: set(exceptions)?,
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.patterns.is_match(path) && !self.exceptions.is_match(path)
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // `*` stays within a directory, as people expect of `src/*.rs`.
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        set.add(glob.map_err(|error| format!("the pattern '{pattern}': {}", error.kind()))?);
    }
    set.build().map_err(|error| error.to_string())
}

/// Files that choose.
#[derive(Clone, Debug)]
pub(super) struct FileRule {
    pub entry: RuleEntry,
    pub globs: Globs,
}

/// Files that make work dependent.
#[derive(Clone, Debug)]
pub(super) struct TouchRule {
    pub entry: TouchEntry,
    pub globs: Globs,
}

/// Words that choose, by their stems.
#[derive(Clone, Debug)]
pub(super) struct Keywords {
    pub entry: KeywordsEntry,
    stems: BTreeSet<String>,
}

impl Keywords {
    pub(super) fn new(entry: KeywordsEntry) -> Self {
        let stems = entry
            .words
            .iter()
            .map(|word| stem(&word.to_lowercase()).0.into_owned());
        Self {
            stems: stems.collect(),
            entry,
        }
    }

    pub(super) fn matches(&self, words: &BTreeSet<String>, category: Category) -> bool {
        let categories = &self.entry.categories;
        (categories.is_empty() || categories.contains(&category))
            && self.stems.iter().any(|stem| words.contains(stem))
    }
}
