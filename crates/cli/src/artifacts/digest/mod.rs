//! A digest of what a program wrote: what the next one needs to know of it, within a stated size.
//!
//! Errors and the names of changed files come first; then how checks came out and where, the
//! headings, the first and the last lines, and what else speaks of trouble, as far as there is
//! room. What could not be told is counted, with a word on how to get it. Streams are read once
//! and never held whole.
//!
//! ```
//! use saferun_cli::digest::{Digester, Limit};
//!
//! let log = "   Compiling x\n".repeat(50) + "error: no such thing\n";
//! let mut digester = Digester::default();
//! digester.read("stdout", log.as_bytes())?;
//! let digest = digester.finish(Limit::default(), "");
//! assert!(digest.text.contains("error: no such thing"));
//! assert!(digest.text.len() <= log.len() / 10);
//! # Ok::<(), std::io::Error>(())
//! ```

mod changes;
mod compose;
mod errors;
mod essential;
mod lines;
mod more;
mod room;

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use self::changes::Changes;
use self::errors::{Context, Weight, weight};
use self::lines::clean;

pub use self::compose::{Digest, Limit};

/// Whether a line by itself says that something went wrong, as digests see it.
pub fn is_error(line: &[u8]) -> bool {
    weight(&clean(line)) == Weight::Error
}

/// So many bytes of each kind of line are kept; the rest is counted.
const KEPT_BYTES: usize = 64 * 1024;
/// So many distinct errors are told from one another.
const DISTINCT: usize = 1 << 16;
/// Headings that are kept.
const MOST_HEADINGS: usize = 2_000;
/// First lines of each stream.
const FIRST: usize = 3;
/// Last lines of each stream.
const LAST: usize = 12;

/// Distinct lines, as many as there is room for.
#[derive(Debug, Default)]
struct Lines {
    kept: Vec<String>,
    kept_bytes: usize,
    seen: HashSet<u64>,
    /// Distinct lines, and those beyond [`DISTINCT`] each time they came.
    distinct: u64,
    all: u64,
}

impl Lines {
    fn add(&mut self, line: &str) {
        let line = line.trim();
        self.all += 1;
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let is_new = if self.seen.len() < DISTINCT {
            self.seen.insert(hasher.finish())
        } else {
            !self.seen.contains(&hasher.finish())
        };
        if !is_new {
            return;
        }
        self.distinct += 1;
        if self.kept_bytes + line.len() <= KEPT_BYTES {
            self.kept_bytes += line.len();
            self.kept.push(line.to_owned());
        }
    }
}

/// A heading and its level, 1 for the highest.
type Heading = (usize, String);

/// What a stream is called, how much it held, and its ends.
#[derive(Debug, Default)]
struct Part {
    name: String,
    totals: lines::Totals,
    first: Vec<String>,
    last: VecDeque<String>,
}

/// Reads streams and makes one digest of them all.
#[derive(Debug, Default)]
pub struct Digester {
    errors: Lines,
    details: Lines,
    mentions: Lines,
    changes: Changes,
    headings: Vec<Heading>,
    parts: Vec<Part>,
}

impl Digester {
    /// Reads a stream to its end.
    ///
    /// # Errors
    ///
    /// The reader's. What was read before counts.
    pub fn read(&mut self, name: &str, reader: impl Read) -> io::Result<()> {
        let mut part = Part {
            name: name.to_owned(),
            ..Part::default()
        };
        let mut context = Context::default();
        let mut fence: Option<&'static str> = None;
        let totals = lines::each_line(reader, |line| {
            part.take(line);
            if self.changes.take(line) {
                return;
            }
            fence = match (fence, fence_of(line)) {
                (None, mark) => mark,
                (Some(open), Some(mark)) if open == mark => None,
                (open, _) => open,
            };
            match context.weight(line) {
                Weight::Error => self.errors.add(line),
                Weight::Detail => self.details.add(line),
                Weight::Mention => self.mentions.add(line),
                Weight::Plain => {}
            }
            if fence.is_none()
                && let Some(level) = heading_level(line)
                && self.headings.len() < MOST_HEADINGS
            {
                self.headings.push((level, line.trim().to_owned()));
            }
        });
        if let Ok(totals) = totals {
            part.totals = totals;
        }
        self.parts.push(part);
        totals.map(drop)
    }

    /// Makes the digest. `retrieve` says how to get what is left out; it is told only where
    /// something is.
    pub fn finish(self, limit: Limit, retrieve: &str) -> Digest {
        compose::compose(&self, limit, retrieve)
    }

    fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.totals.bytes).sum()
    }
}

impl Part {
    fn take(&mut self, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        if self.first.len() < FIRST {
            self.first.push(line.to_owned());
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
    }
}

/// The mark with which a block of program text begins or ends in a document.
fn fence_of(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    ["```", "~~~"]
        .into_iter()
        .find(|mark| line.starts_with(mark))
}

/// The level of a heading of a document: `# x` is 1.
fn heading_level(line: &str) -> Option<usize> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let is_heading = (1..=6).contains(&level) && text.starts_with(' ') && !text.trim().is_empty();
    is_heading.then_some(level)
}

#[cfg(test)]
mod tests;
