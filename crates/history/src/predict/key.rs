//! What a task is known by, from the most specific key to none at all.

use std::fmt;

/// How specific evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The very same command in the same directory.
    Command,
    /// The same template with the same items.
    Items,
    /// The same template with any items; the size of the input is taken into account.
    Template,
    /// The same program with any arguments.
    Program,
    /// The same agent.
    Agent,
    /// Nothing of its like: what first tasks of other templates needed, or a first guess.
    Prior,
}

impl Level {
    /// All that have keys, most specific first.
    pub(super) const KEYED: [Self; 5] = [
        Self::Command,
        Self::Items,
        Self::Template,
        Self::Program,
        Self::Agent,
    ];

    /// From how many rows on it is believed before a less specific one is asked. The same
    /// command again may still meet other input: two rows are a coincidence, three a habit. A
    /// template counts its items' inputs, so that its first row says more than its program's
    /// hundred.
    pub(super) fn enough(self) -> u64 {
        match self {
            Self::Command | Self::Items => 3,
            Self::Template => 1,
            Self::Program | Self::Agent => 2,
            Self::Prior => 0,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Command => "command",
            Self::Items => "items",
            Self::Template => "template",
            Self::Program => "program",
            Self::Agent => "agent",
            Self::Prior => "prior",
        })
    }
}

/// The keys of one task; those that don't apply are `None`. They are hashes: see [`hash`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Keys {
    /// Of the whole command and its directory.
    pub command: Option<u64>,
    /// Of the template and its items.
    pub items: Option<u64>,
    /// Of the template.
    pub template: Option<u64>,
    /// Of the program.
    pub program: Option<u64>,
    /// Of the agent.
    pub agent: Option<u64>,
}

impl Keys {
    /// The key at a level.
    pub(super) fn at(&self, level: Level) -> Option<u64> {
        match level {
            Level::Command => self.command,
            Level::Items => self.items,
            Level::Template => self.template,
            Level::Program => self.program,
            Level::Agent => self.agent,
            Level::Prior => None,
        }
    }
}

/// A hash that is the same in every process and version, so that it may be stored: 64 bits of
/// FNV-1a (Fowler, Noll, Vo), each part ended by its length so that parts can't run together.
pub fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |byte: u8| {
        state ^= u64::from(byte);
        state = state.wrapping_mul(0x0100_0000_01b3);
    };
    for part in parts {
        part.iter().copied().for_each(&mut eat);
        (part.len() as u64)
            .to_le_bytes()
            .into_iter()
            .for_each(&mut eat);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(hash([&b"ab"[..], b"c"]), hash([&b"a"[..], b"bc"]));
        assert_ne!(hash([&b"a"[..], b""]), hash([&b"a"[..]]));
    }

    #[test]
    fn a_hash_never_changes() {
        assert_eq!(hash(std::iter::empty()), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash([&b"xz"[..], b"-9"]), hash([&b"xz"[..], b"-9"]));
    }
}
