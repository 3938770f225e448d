//! How rules are written down.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::category::Category;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuleFile {
    pub decision: Decision,
    pub reading: Reading,
    pub verbs: BTreeMap<String, Vec<String>>,
    pub objects: BTreeMap<String, Vec<String>>,
    pub signs: BTreeMap<String, Vec<String>>,
    pub names: BTreeMap<String, Vec<String>>,
    pub prefixes: BTreeMap<String, Prefix>,
    pub phrase: Vec<Phrase>,
    pub frame: Vec<Frame>,
}

/// When a verdict is certain enough.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Decision {
    pub least_confidence: Option<f64>,
    pub request_bytes: Option<usize>,
    pub model: Option<bool>,
}

/// Words that steer how a sentence is read.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reading {
    pub polite: Vec<String>,
    pub determiners: Vec<String>,
    pub negators: Vec<String>,
    pub negation_ends: Vec<String>,
    pub no_negation_before: Vec<String>,
    pub connectives: Vec<String>,
    pub fillers: Vec<String>,
    pub embedding: Vec<String>,
    pub known: Vec<String>,
}

/// What the type of a conventional commit says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prefix {
    pub category: Category,
    pub weight: f64,
}

/// Words in a row.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Phrase {
    pub name: String,
    pub category: Category,
    pub weight: f64,
    pub text: Vec<String>,
    #[serde(default)]
    pub unless: Vec<String>,
}

/// What is done to what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub name: String,
    pub category: Category,
    pub weight: f64,
    #[serde(rename = "do")]
    pub verbs: Vec<String>,
    #[serde(default)]
    pub to: Vec<String>,
    #[serde(default)]
    pub with: Vec<String>,
    #[serde(default)]
    pub unless: Vec<String>,
}
