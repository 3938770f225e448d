//! Ending leftovers: listed, asked for, done.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use saferun_memory::Roots;
use saferun_memory::leftovers::{Ended, Leftover, Rule, end_leftover};

/// How long they may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// A leftover and what became of it.
#[derive(Debug)]
pub(super) struct Gone {
    /// Which.
    pub(super) leftover: Leftover,
    /// What it held before.
    pub(super) before_bytes: u64,
    /// What its processes that are still there hold.
    pub(super) after_bytes: u64,
    /// What became of it.
    pub(super) ended: Ended,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// Yes.
    Given,
    /// Somebody said no.
    Refused,
    /// Nobody is there to ask.
    NobodyThere,
}

/// Asks on the terminal. The question goes to standard error: the answer of this command may be
/// going elsewhere.
pub(super) fn ask(question: &str, yes: bool) -> Consent {
    if yes {
        return Consent::Given;
    }
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if !input.is_terminal() || !output.is_terminal() {
        return Consent::NobodyThere;
    }
    let mut answer = String::new();
    let asked = write!(output, "{question} [y/N] ").and_then(|()| output.flush());
    let read = input.lock().read_line(&mut answer);
    match (asked, read) {
        (Ok(()), Ok(_)) if matches!(answer.trim(), "y" | "Y" | "yes") => Consent::Given,
        _ => Consent::Refused,
    }
}

/// Ends them, one after another.
pub(super) fn end(found: &[Leftover], rules: &[Rule], roots: &Roots) -> Vec<Gone> {
    found
        .iter()
        .map(|leftover| {
            let before_bytes = leftover.held_bytes(roots);
            let ended = end_leftover(leftover, rules, GRACE, roots);
            Gone {
                leftover: leftover.clone(),
                before_bytes,
                after_bytes: leftover.held_bytes(roots),
                ended,
            }
        })
        .collect()
}
