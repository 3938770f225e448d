//! Who holds memory: the processes with the most of it.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use crate::error::ReadError;

/// A process that holds memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub pid: u32,
    /// Its parent's id, where the system tells it.
    pub parent: Option<u32>,
    /// Its name as it is. A process names itself, so it may hold anything: show it through
    /// [`sanitised`].
    pub name: OsString,
    /// Memory that it holds, what it shares with others included: the figures of several
    /// processes don't add up.
    pub rss_bytes: u64,
}

/// The `n` processes that hold most memory, the largest first.
///
/// # Errors
/// When processes can't be read on this system.
pub fn top_holders(n: usize) -> Result<Vec<Holder>, ReadError> {
    const WHAT: &str = "who holds memory";
    let mut system = System::new().map_err(|cause| ReadError::Portable {
        what: WHAT,
        cause: cause.into(),
    })?;
    // Without tasks: threads share their process's memory and would be listed beside it.
    let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
    if system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind) == 0 {
        return Err(ReadError::Unknown { what: WHAT });
    }
    let mut holders: Vec<Holder> = system
        .processes()
        .values()
        .filter(|process| process.thread_kind().is_none() && process.memory() > 0)
        .map(|process| Holder {
            pid: process.pid().as_u32(),
            parent: process.parent().map(sysinfo::Pid::as_u32),
            name: process.name().to_owned(),
            rss_bytes: process.memory(),
        })
        .collect();
    holders.sort_by_key(|holder| (Reverse(holder.rss_bytes), holder.pid));
    holders.truncate(n);
    Ok(holders)
}

/// A name that is safe on a terminal and in a line: control characters, line breaks and what
/// changes the direction of writing are shown as escapes, bytes that are no text as `\u{fffd}`.
pub fn sanitised(name: &OsStr) -> String {
    let mut safe = String::with_capacity(name.len());
    for c in name.to_string_lossy().chars() {
        let turns_text = matches!(c,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || turns_text || c == '\\' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_do_no_harm() {
        for (name, shown) in [
            ("cargo", "cargo"),
            ("naïve 名", "naïve 名"),
            ("a\nb", "a\\nb"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{202e}evil", "\\u{202e}evil"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\\n", "\\\\n"),
        ] {
            assert_eq!(sanitised(OsStr::new(name)), shown);
        }
    }

    #[test]
    fn we_are_among_the_holders_and_the_largest_comes_first() {
        let holders = top_holders(usize::MAX).expect("processes can be read");
        let own = holders.iter().find(|h| h.pid == std::process::id());
        assert!(own.is_some_and(|h| h.rss_bytes > 1 << 20 && h.parent.is_some()));
        assert!(holders.is_sorted_by_key(|h| Reverse(h.rss_bytes)));
        assert_eq!(top_holders(1).expect("the same").len(), 1);
    }
}
