//! A linear model beside the rules: one weight for each feature and category.
//!
//! It is multinomial logistic regression whose starting point is what the rules say, so that it
//! learns only what they don't know yet. `cargo xtask train-router` makes it from
//! `data/requests.tsv`, the same from the same data.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use thiserror::Error;

use crate::category::Category;

/// One figure for each category.
pub(crate) type Scores = [f32; Category::ALL.len()];

/// The model that comes with the crate.
const SHIPPED: &str = include_str!("../model/weights.tsv");

/// Weights are kept as whole numbers of this part.
pub(crate) const PARTS: f32 = 64.0;

/// The weights by the hash of the feature's name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    weights: HashMap<u64, Scores, BuildHasherDefault<Same>>,
}

/// Why a file of weights was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("weights, line {line}: {what}")]
pub struct ModelError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl Model {
    /// The model that comes with the crate.
    pub(crate) fn shipped() -> Result<Self, ModelError> {
        Self::parse(SHIPPED)
    }

    /// Reads lines of a feature's name and, after tabs, a weight for each category.
    pub(crate) fn parse(text: &str) -> Result<Self, ModelError> {
        let mut model = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let error = |what: String| ModelError { line: number, what };
            if line.starts_with('#') {
                continue;
            }
            let mut fields = line.split('\t');
            let name = fields.next().unwrap_or_default();
            let mut scores = Scores::default();
            for score in &mut scores {
                let field = fields
                    .next()
                    .ok_or_else(|| error(String::from("too short")))?;
                let parts: i16 = field
                    .parse()
                    .map_err(|_| error(format!("'{field}' is no whole number")))?;
                *score = f32::from(parts) / PARTS;
            }
            model.weights.insert(hash(name), scores);
        }
        Ok(model)
    }

    /// Adds what one feature says; answers whether the model knows it, and its weights.
    pub(crate) fn add(&self, feature: &str, scores: &mut Scores) -> Option<&Scores> {
        let weights = self.weights.get(&hash(feature))?;
        for (score, weight) in scores.iter_mut().zip(weights) {
            *score += weight;
        }
        Some(weights)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): fast on short names and the same everywhere.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// Turns scores into shares that sum up to 1.
pub(crate) fn shares(scores: &Scores) -> [f64; Category::ALL.len()] {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = scores.map(|score| f64::from(score - highest).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named() {
        let error = Model::parse("w a\t1\t2\n").expect_err("too short");
        assert_eq!(error.to_string(), "weights, line 1: too short");
        let error = Model::parse("# x\nw a\tb").expect_err("no number");
        assert_eq!(error.to_string(), "weights, line 2: 'b' is no whole number");
    }

    #[test]
    fn weights_are_added() {
        let ones = ["1"; Category::ALL.len()].join("\t");
        let model = Model::parse(&format!("w a\t{ones}")).expect("a model");
        let mut scores = Scores::default();
        assert!(model.add("w a", &mut scores).is_some());
        assert!(model.add("w b", &mut scores).is_none());
        assert_eq!(scores, [1.0 / PARTS; Category::ALL.len()]);
        assert!((shares(&scores).iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
