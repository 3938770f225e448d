//! Why an item has no safe place in a script, and what to do about it.

/// Why a script can't take items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    /// A mark inside quotes.
    #[error(
        "the {{}} at byte {0} of the command is inside quotes, where the shell would not see the item"
    )]
    Quoted(usize),
    /// A mark inside an arithmetic expression, which a shell may evaluate as code.
    #[error("the {{}} at byte {0} of the command is inside an arithmetic expression")]
    Arithmetic(usize),
    /// A here-document: its text is no place for `"$1"`.
    #[error("a command with a here-document (<<) can't take items")]
    HereDocument,
    /// A quote, bracket or brace without its end.
    #[error("the command ends inside {0}")]
    Unfinished(&'static str),
    /// No mark, and the end is no place for an argument.
    #[error("the command has no {{}} and ends {0}, so the item can't be appended")]
    NoPlace(&'static str),
}

impl ScriptError {
    /// The way out.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            ScriptError::Quoted(_) => {
                "leave the quotes around {} out; it is passed as one word whatever it holds"
            }
            ScriptError::Arithmetic(_) => "assign it first: n={}; echo $((n + 1))",
            ScriptError::HereDocument => "put the script in a file: saferun run -- sh FILE {}",
            ScriptError::Unfinished(_) => "complete the command, or give it as several words",
            ScriptError::NoPlace(_) => "write {} where the item belongs",
        }
    }
}
