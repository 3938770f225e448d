//! The kinds of work, and whether each tolerates company.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What kind of work a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// Something new that people see or call.
    Feature,
    /// Something that is wrong and shall be right.
    Bugfix,
    /// Tests, and nothing but tests.
    Test,
    /// Words for people.
    Docs,
    /// Reading what is there and giving an opinion.
    Review,
    /// Finding something out.
    Research,
    /// The same, faster or smaller.
    Performance,
    /// Building, shipping and operating.
    Infrastructure,
    /// Schemas and data change.
    Migration,
    /// Code changes its names, places or shape.
    Refactor,
    /// Public behaviour is removed or changed.
    Breaking,
}

impl Category {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 11] = [
        Self::Feature,
        Self::Bugfix,
        Self::Test,
        Self::Docs,
        Self::Review,
        Self::Research,
        Self::Performance,
        Self::Infrastructure,
        Self::Migration,
        Self::Refactor,
        Self::Breaking,
    ];

    /// The name used in files and in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Bugfix => "bugfix",
            Self::Test => "test",
            Self::Docs => "docs",
            Self::Review => "review",
            Self::Research => "research",
            Self::Performance => "performance",
            Self::Infrastructure => "infrastructure",
            Self::Migration => "migration",
            Self::Refactor => "refactor",
            Self::Breaking => "breaking",
        }
    }

    /// Whether other work must wait for it: side by side it corrupts what others work on.
    pub fn is_dependent(self) -> bool {
        matches!(self, Self::Migration | Self::Refactor | Self::Breaking)
    }

    /// Whether it tolerates company.
    pub fn mode(self) -> Mode {
        if self.is_dependent() {
            Mode::Sequential
        } else {
            Mode::Parallel
        }
    }

    /// Its place in [`Category::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Category {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// A word that names no category, or no mode.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{word}' is none of {known}")]
pub struct UnknownName {
    /// What was read.
    pub word: String,
    /// What could have been.
    pub known: String,
}

impl FromStr for Category {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|one| one.name() == word);
        found.ok_or_else(|| UnknownName {
            word: word.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Whether work tolerates other work beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// One after another.
    Sequential,
    /// Side by side.
    Parallel,
}

impl Mode {
    /// The name used in files and in plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Parallel => "parallel",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl FromStr for Mode {
    type Err = UnknownName;

    fn from_str(word: &str) -> Result<Self, UnknownName> {
        match word {
            "sequential" => Ok(Self::Sequential),
            "parallel" => Ok(Self::Parallel),
            _ => Err(UnknownName {
                word: word.to_owned(),
                known: String::from("sequential, parallel"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for (index, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category.index(), index);
            assert_eq!(category.name().parse(), Ok(category));
        }
        for mode in [Mode::Sequential, Mode::Parallel] {
            assert_eq!(mode.name().parse(), Ok(mode));
        }
        let error = "chore".parse::<Category>().expect_err("no category");
        assert!(
            error
                .to_string()
                .starts_with("'chore' is none of feature, ")
        );
    }
}
