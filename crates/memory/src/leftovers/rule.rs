//! Which programs are helpers that nobody wants to outlive whoever started them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::program::Program;

/// A kind of helper.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// What people call it.
    pub name: String,
    /// File names of executables.
    pub programs: Vec<Glob>,
    /// Scripts that an interpreter runs: the last parts of a path, as many as the pattern has.
    pub scripts: Vec<Glob>,
    /// Each of these must match one of the arguments, if there are any.
    pub arguments: Vec<Glob>,
    /// Younger ones are left alone.
    pub older_than: Duration,
    /// Whether it listens by nature, so that a listening socket with nobody connected to it is
    /// no reason to keep it.
    pub may_listen: bool,
}

impl Rule {
    /// Whether it names this program.
    pub fn matches(&self, program: &Program, arguments: &[OsString]) -> bool {
        let by_program = || {
            self.programs
                .iter()
                .any(|glob| glob.matches(&program.executable))
        };
        let by_script = || {
            program.script.as_ref().is_some_and(|script| {
                self.scripts
                    .iter()
                    .any(|glob| glob.matches_end_of(script.as_os_str()))
            })
        };
        let has = |glob: &Glob| arguments.iter().skip(1).any(|arg| glob.matches(arg));
        (by_program() || by_script()) && self.arguments.iter().all(has)
    }
}

/// A pattern for a whole text, in which `*` stands for any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    /// Of a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether it matches all of the text.
    pub fn matches(&self, text: &OsStr) -> bool {
        matches(self.0.as_bytes(), text.as_bytes())
    }

    /// Whether it matches the last parts of a path, as many as it has itself.
    fn matches_end_of(&self, path: &OsStr) -> bool {
        let parts = self.0.bytes().filter(|&b| b == b'/').count() + 1;
        let path = path.as_bytes();
        let start = path
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'/')
            .nth(parts - 1)
            .map_or(0, |(place, _)| place + 1);
        matches(self.0.as_bytes(), path.get(start..).unwrap_or_default())
    }
}

/// Each star takes as little as will do; on a mismatch the last one takes one byte more.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while let Some(byte) = text.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if wanted == byte => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    at = place + 1;
                    read = taken + 1;
                    star = Some((place, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(at..)
        .is_none_or(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::PathBuf;

    fn rule() -> Rule {
        Rule {
            programs: vec![Glob::new("mcp-server-*"), Glob::new("gopls")],
            scripts: vec![Glob::new("@modelcontextprotocol/*/dist/index.js")],
            ..Rule::default()
        }
    }

    fn named(executable: &str, script: Option<&str>) -> bool {
        let program = Program {
            executable: executable.into(),
            script: script.map(PathBuf::from),
        };
        rule().matches(&program, &[])
    }

    #[test]
    fn whole_names_match_and_parts_of_names_do_not() {
        assert!(named("mcp-server-git", None));
        assert!(named("gopls", None));
        assert!(named(
            "node",
            Some("/x/node_modules/@modelcontextprotocol/server-git/dist/index.js")
        ));
        for (executable, script) in [
            ("my-mcp-server-git", None),
            ("mcp-server", None),
            ("goplsx", None),
            ("node", Some("/x/mcp-server-git")),
            ("node", Some("/x/not@modelcontextprotocol/a/dist/index.js")),
            ("vim", None),
        ] {
            assert!(!named(executable, script), "{executable} {script:?}");
        }
    }

    #[test]
    fn all_arguments_must_be_there() {
        let rule = Rule {
            programs: vec![Glob::new("chrome")],
            arguments: vec![Glob::new("--headless*")],
            ..Rule::default()
        };
        let program = Program {
            executable: "chrome".into(),
            script: None,
        };
        let arguments = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(rule.matches(&program, &arguments(&["chrome", "--headless=new"])));
        assert!(!rule.matches(&program, &arguments(&["--headless", "x"])));
    }

    proptest! {
        #[test]
        fn stars_match_what_they_stand_for(parts in prop::collection::vec("[a-c]{0,3}", 1..5), between in "[a-c]{0,4}") {
            let text = parts.join(&between);
            prop_assert!(matches(parts.join("*").as_bytes(), text.as_bytes()));
            prop_assert!(matches(text.as_bytes(), text.as_bytes()));
            let longer = format!("{text}d");
            prop_assert!(!matches(text.as_bytes(), longer.as_bytes()));
        }
    }
}
