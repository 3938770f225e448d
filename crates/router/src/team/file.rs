//! How a team is written down.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::agent::Changes;
use crate::category::Category;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TeamFile {
    pub agents: BTreeMap<String, Changes>,
    pub categories: BTreeMap<Category, Choice>,
    pub keywords: Vec<KeywordsEntry>,
    pub rule: Vec<RuleEntry>,
    pub touch: Vec<TouchEntry>,
    pub phase: Vec<PhaseEntry>,
}

/// Who does a kind of work.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    pub primary: String,
    #[serde(default)]
    pub validators: Vec<String>,
}

/// Words that choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeywordsEntry {
    pub name: String,
    #[serde(default)]
    pub categories: Vec<Category>,
    pub words: Vec<String>,
    pub primary: String,
    #[serde(default)]
    pub validators: Vec<String>,
}

/// Files that choose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub name: String,
    pub pattern: Patterns,
    #[serde(default)]
    pub exclude: Patterns,
    pub primary: String,
    #[serde(default)]
    pub validators: Vec<String>,
}

/// Files that make work dependent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TouchEntry {
    pub name: String,
    pub pattern: Patterns,
    #[serde(default)]
    pub exclude: Patterns,
    pub category: Category,
    pub why: String,
}

/// A phase of one's own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PhaseEntry {
    pub name: String,
    pub agents: Vec<String>,
    #[serde(default)]
    pub after: Vec<String>,
    #[serde(default)]
    pub categories: Vec<Category>,
}

/// One pattern or several.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns(pub Vec<String>);

impl<'de> Deserialize<'de> for Patterns {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }
        Ok(match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(one) => Self(vec![one]),
            OneOrMore::More(more) => Self(more),
        })
    }
}
