//! What is run for each item: the three forms of a command.

use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;

use saferun_executor::CommandSpec;

use super::shell::{self, Script};
use super::words::Words;

/// How an item becomes a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Template {
    /// Several words, no shell.
    Words(Words),
    /// One string for the shell, the item as its `$1`.
    Shell(Script),
    /// The item is itself a command line for the shell.
    ItemIsCommand,
}

impl Template {
    /// The command for an item.
    pub(crate) fn command(&self, item: &OsStr) -> CommandSpec {
        match self {
            Template::Words(words) => words.with_item(item),
            Template::Shell(script) => script.with_item(item),
            Template::ItemIsCommand => shell::plain(item.to_owned()),
        }
    }

    /// Whether an item is worth a task: a command line without a command is not.
    pub(crate) fn takes(&self, item: &OsStr) -> bool {
        match self {
            Template::Words(_) | Template::Shell(_) => true,
            Template::ItemIsCommand => {
                let first = item
                    .as_bytes()
                    .iter()
                    .find(|byte| !byte.is_ascii_whitespace());
                !matches!(first, None | Some(b'#'))
            }
        }
    }

    /// Which tasks are alike: all of one template, or those that begin with the same program.
    pub(crate) fn kind(&self, item: &OsStr) -> Option<u64> {
        match self {
            Template::Words(_) | Template::Shell(_) => Some(0),
            Template::ItemIsCommand => program_word(item).map(|word| {
                let mut hasher = DefaultHasher::new();
                word.hash(&mut hasher);
                hasher.finish()
            }),
        }
    }
}

/// The first word of a command line, where it is plainly a program's name.
fn program_word(line: &OsStr) -> Option<&[u8]> {
    let word = line
        .as_bytes()
        .split(u8::is_ascii_whitespace)
        .find(|word| !word.is_empty())?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+/@:%,".contains(byte);
    word.iter().all(plain).then_some(word)
}

/// A COMMAND that is one word with a blank in it: a line for the shell.
pub(super) fn is_shell_form(words: &[OsString]) -> bool {
    match words {
        [only] => only.as_bytes().iter().any(u8::is_ascii_whitespace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_alike_by_their_program() {
        let kind = |line: &str| Template::ItemIsCommand.kind(OsStr::new(line));
        assert_eq!(kind("  xz -9 a"), kind("xz b"));
        assert_ne!(kind("xz a"), kind("gzip a"));
        assert_eq!(kind("X=1 xz a"), None);
        assert_eq!(kind("(xz a)"), None);
    }

    #[test]
    fn blank_lines_and_comments_are_no_commands() {
        let takes = |line: &str| Template::ItemIsCommand.takes(OsStr::new(line));
        assert!(!takes("") && !takes(" \t\r") && !takes("  # later"));
        assert!(takes("true # now"));
    }

    #[test]
    fn one_word_with_a_blank_is_for_the_shell() {
        assert!(is_shell_form(&["a b".into()]));
        assert!(!is_shell_form(&["ab".into()]));
        assert!(!is_shell_form(&["a b".into(), "c".into()]));
    }
}
