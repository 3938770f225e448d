//! The command of several words: run without a shell, `{}` replaced within each word.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use saferun_executor::CommandSpec;

/// The mark that an item replaces.
pub(super) const MARK: &[u8] = b"{}";

/// Whether the text holds the mark.
pub(super) fn has_mark(text: &OsStr) -> bool {
    text.as_bytes()
        .windows(MARK.len())
        .any(|window| window == MARK)
}

/// A command whose words may hold marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words {
    words: Vec<OsString>,
    marked: bool,
}

impl Words {
    /// A command of at least one word.
    pub(crate) fn new(words: Vec<OsString>) -> Self {
        let marked = words.iter().any(|word| has_mark(word));
        Self { words, marked }
    }

    /// The command as it stands, without an item.
    pub(crate) fn once(&self) -> CommandSpec {
        CommandSpec::new(self.words[0].clone(), self.words[1..].iter().cloned())
    }

    /// The command for an item: in place of every mark, or else as the last word.
    pub(crate) fn with_item(&self, item: &OsStr) -> CommandSpec {
        let mut words = self.words.iter().map(|word| filled(word, item));
        let program = words.next().unwrap_or_default();
        let mut args: Vec<OsString> = words.collect();
        if !self.marked {
            args.push(item.to_owned());
        }
        CommandSpec::new(program, args)
    }
}

fn filled(word: &OsStr, item: &OsStr) -> OsString {
    let word = word.as_bytes();
    let mut bytes = Vec::with_capacity(word.len() + item.len());
    let mut at = 0;
    while at < word.len() {
        if word[at..].starts_with(MARK) {
            bytes.extend_from_slice(item.as_bytes());
            at += MARK.len();
        } else {
            bytes.push(word[at]);
            at += 1;
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Words {
        Words::new(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn every_mark_is_replaced_once() {
        let command = words(&["{}/run", "a{}b{}", "{{}}"]).with_item(OsStr::new("{}x"));
        assert_eq!(command, CommandSpec::new("{}x/run", ["a{}xb{}x", "{{}x}"]));
    }

    #[test]
    fn without_a_mark_the_item_is_appended() {
        let command = words(&["gzip", "-9"]).with_item(OsStr::from_bytes(b"\xff\n"));
        assert_eq!(command.args[1], OsStr::from_bytes(b"\xff\n"));
        assert_eq!(words(&["a", "b"]).once(), CommandSpec::new("a", ["b"]));
    }
}
