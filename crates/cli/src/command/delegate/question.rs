//! Asking before agents are started.

use std::io::{BufRead, IsTerminal, Write};

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consent {
    /// Yes, or nobody is there to be asked.
    Given,
    /// Somebody said no.
    Refused,
}

/// Asks on a terminal; elsewhere whoever wrote the command has decided.
pub(super) fn ask(agents: usize, yes: bool) -> Consent {
    let (input, mut output) = (std::io::stdin(), std::io::stderr());
    if yes || !input.is_terminal() || !output.is_terminal() {
        return Consent::Given;
    }
    let who = if agents == 1 {
        "this agent".to_owned()
    } else {
        format!("these {agents} agents")
    };
    let mut answer = String::new();
    let asked = write!(output, "Start {who}? [y/N] ").and_then(|()| output.flush());
    let read = input.lock().read_line(&mut answer);
    match (asked, read) {
        (Ok(()), Ok(_)) if matches!(answer.trim(), "y" | "Y" | "yes") => Consent::Given,
        _ => Consent::Refused,
    }
}
