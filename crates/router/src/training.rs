//! What the trainer of the model needs: the features of a request, and how weights are written.

use crate::category::Category;
use crate::model::PARTS;

/// One clause of a request, ready to learn from.
#[derive(Clone, Debug)]
pub struct Example {
    /// The names of its features, sorted, each once.
    pub features: Vec<String>,
    /// What the rules say of it, by category.
    pub rules: [f32; Category::ALL.len()],
}

/// A line of the file of weights; `None` when the feature says nothing.
pub fn line(feature: &str, weights: &[f32; Category::ALL.len()]) -> Option<String> {
    let parts = weights.map(|weight| (weight * PARTS).round() as i16);
    let fields = parts.map(|part| part.to_string()).join("\t");
    parts
        .iter()
        .any(|part| *part != 0)
        .then(|| format!("{feature}\t{fields}"))
}
