//! From what was found to a text of at most so many bytes.

use super::Digester;
use super::essential::Essential;
use super::more::{add_more, label};
use super::room::Room;

/// How large a digest may be: the smaller of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// This share of the source, in percent.
    pub percent: u64,
    /// So many bytes.
    pub most_bytes: u64,
}

impl Default for Limit {
    /// A tenth, and 4 KiB.
    fn default() -> Self {
        Self {
            percent: 10,
            most_bytes: 4096,
        }
    }
}

impl Limit {
    /// What a digest of so large a source may have.
    pub fn of(self, source_bytes: u64) -> u64 {
        let share = u128::from(source_bytes) * u128::from(self.percent.min(100)) / 100;
        u64::try_from(share)
            .unwrap_or(u64::MAX)
            .min(self.most_bytes)
    }
}

/// A digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// The text; each line ends with a line end.
    pub text: String,
    /// The size of what it is made of.
    pub source_bytes: u64,
    /// Distinct errors that are not in it, or not whole.
    pub errors_left_out: u64,
    /// Changed files that are not in it.
    pub files_left_out: u64,
}

pub(super) fn compose(found: &Digester, limit: Limit, retrieve: &str) -> Digest {
    let source_bytes = found.bytes();
    let size = limit.of(source_bytes);
    let paths: Vec<&str> = found
        .changes
        .files()
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    let essential = Essential::choose(found, &paths, size, retrieve);
    let mut room = Room(size.saturating_sub(essential.bytes));
    let mut sections = essential.sections;
    let has_all = essential.errors_left_out == 0 && essential.files_left_out == 0;
    if has_all {
        label(found, &mut sections, &mut room);
        add_more(found, &mut sections, &mut room);
    }
    let mut text = String::new();
    for line in sections.iter().flat_map(|section| {
        let label = (!section.label.is_empty()).then_some(&section.label);
        label.into_iter().chain(&section.lines)
    }) {
        text.push_str(line);
        text.push('\n');
    }
    Digest {
        text,
        source_bytes,
        errors_left_out: essential.errors_left_out,
        files_left_out: essential.files_left_out,
    }
}
