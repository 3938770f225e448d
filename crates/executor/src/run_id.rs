//! What a run is called.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// A run's name: unique on this machine, short, and safe in file names.
///
/// It stands in the names of the run's groups and in `SAFERUN_RUN`, and is what a guard knows
/// its own by. So two runs never share one: the process id tells apart those that live at once,
/// the time those that follow each other, and chance covers clocks that jump and containers
/// whose process ids are counted each for itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunId(String);

impl RunId {
    /// A new name.
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        // The standard library seeds each hasher of a thread anew from the system's randomness.
        let chance = RandomState::new().build_hasher().finish();
        Self(format!(
            "{:x}-{:x}-{:08x}",
            seconds,
            std::process::id(),
            chance & 0xffff_ffff
        ))
    }

    /// Whether a text has the form of a run's name. So much that nobody names things so by
    /// chance: what bears such a name is taken for ours.
    pub(crate) fn is_form(text: &str) -> bool {
        let parts: Vec<&str> = text.split('-').collect();
        let hexadecimal = |part: &&str| {
            !part.is_empty() && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        parts.iter().all(hexadecimal)
            && matches!(parts[..], [time, _, chance] if time.len() >= 8 && chance.len() == 8)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_are_plain() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| RunId::new()).collect();
        assert_eq!(names.len(), 1000);
        for name in &names {
            assert!(name.as_str().len() < 40);
            assert!(RunId::is_form(name.as_str()), "{name}");
        }
    }

    #[test]
    fn other_names_are_not_taken_for_ours() {
        for text in [
            "",
            "cage-bench-5695",
            "cafe",
            "a-b-c",
            "6b05e20b-16b0-7c50b1a",
            "--",
        ] {
            assert!(!RunId::is_form(text), "{text}");
        }
    }
}
