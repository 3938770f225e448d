//! What can be wrong with a file of rules.

use thiserror::Error;

/// Why a file of rules was not taken. Each names the rule.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// The text is no TOML, or has keys or types that no rule has.
    #[error("{file}: {what}")]
    Syntax {
        /// Which file.
        file: String,
        /// The parser's complaint, with the line.
        what: String,
    },
    /// A rule means something that can't be.
    #[error("{file}: {kind} '{rule}': {what}")]
    Rule {
        /// Which file.
        file: String,
        /// `phrase`, `frame`, `verbs` and so on.
        kind: &'static str,
        /// The rule's own name.
        rule: String,
        /// What is wrong with it.
        what: String,
    },
    /// A setting is out of its range.
    #[error("{file}: {key}: {what}")]
    Setting {
        /// Which file.
        file: String,
        /// Which key.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
}
