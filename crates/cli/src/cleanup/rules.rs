//! The rules by which leftovers are known: shipped, the user's, or named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use saferun_memory::leftovers::{Glob, Rule};
use serde::Deserialize;

use crate::error::plain_cause;
use crate::printable::printable;

/// What is shipped.
const SHIPPED: &str = include_str!("../../../../config/leftovers.toml");

/// The rules, and which of them name agents.
#[derive(Debug)]
pub(super) struct Rules {
    /// For leftovers.
    pub(super) all: Vec<Rule>,
    /// Those of them that name agents.
    pub(super) agents: Vec<Rule>,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    kind: Kind,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default)]
    scripts: Vec<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(deserialize_with = "length")]
    older_than: Duration,
    #[serde(default)]
    may_listen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Agent,
    LanguageServer,
    McpServer,
    Watcher,
    Browser,
}

impl Rules {
    /// Of the file that is named, else of the user's, else those that are shipped.
    ///
    /// # Errors
    /// What is wrong with the file, in one line.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, String> {
        if let Some(path) = named {
            return Self::of_file(path);
        }
        match users_file() {
            Some(path) if path.exists() => Self::of_file(&path),
            _ => Self::parse(SHIPPED),
        }
    }

    fn of_file(path: &Path) -> Result<Self, String> {
        let shown = printable(path.as_os_str(), 60);
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{shown} can't be read: {}", plain_cause(&error)))?;
        Self::parse(&text).map_err(|error| format!("{shown}: {error}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| place(text, &error))?;
        let mut rules = Self {
            all: Vec::new(),
            agents: Vec::new(),
        };
        for written in file.rule {
            let kind = written.kind;
            let rule = written.rule()?;
            if kind == Kind::Agent {
                rules.agents.push(rule.clone());
            }
            rules.all.push(rule);
        }
        Ok(rules)
    }
}

impl Written {
    fn rule(self) -> Result<Rule, String> {
        if self.programs.is_empty() && self.scripts.is_empty() {
            return Err(format!(
                "the rule \"{}\" names neither programs nor scripts",
                self.name
            ));
        }
        // A rule for everything would make a leftover of every orphan.
        let names = self.programs.iter().chain(&self.scripts);
        if let Some(pattern) = names
            .into_iter()
            .find(|pattern| pattern.chars().filter(|c| c.is_alphanumeric()).count() < 2)
        {
            return Err(format!(
                "the pattern \"{pattern}\" of the rule \"{}\" matches nearly everything",
                self.name
            ));
        }
        let globs = |texts: Vec<String>| texts.into_iter().map(Glob::new).collect();
        Ok(Rule {
            name: self.name,
            programs: globs(self.programs),
            scripts: globs(self.scripts),
            arguments: globs(self.arguments),
            older_than: self.older_than,
            may_listen: self.may_listen,
        })
    }
}

/// The parser's word with line and column.
fn place(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return message.to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |last| last.chars().count())
        + 1;
    format!("line {line}, column {column}: {message}")
}

/// `500ms`, `30s`, `10m`, `2h`, `1d`.
fn length<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_length(&text).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{text:?} is no length of time; write for example 30s, 10m, 2h or 1d"
        ))
    })
}

fn parse_length(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `leftovers.toml` in the user's configuration.
fn users_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let dir = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(dir.join("saferun").join("leftovers.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_well_formed() {
        let rules = Rules::parse(SHIPPED).expect("fine");
        assert!(rules.all.len() >= 5 && !rules.agents.is_empty());
        // Ending what was started a moment ago is never right.
        let least = Duration::from_secs(600);
        assert!(rules.all.iter().all(|rule| rule.older_than >= least));
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        let rule = |rest: &str| format!("[[rule]]\nname = \"x\"\nkind = \"watcher\"\n{rest}\n");
        for (text, told) in [
            (rule("older_than = \"1h\""), "neither programs nor scripts"),
            (rule("programs = [\"a\"]\nolder_than = \"soon\""), "line 5"),
            (
                rule("programs = [\"*\"]\nolder_than = \"1h\""),
                "nearly everything",
            ),
            (rule("program = []\nolder_than = \"1h\""), "unknown field"),
            ("rule = 1".to_owned(), "line 1"),
        ] {
            let error = Rules::parse(&text).expect_err(told);
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(parse_length("2h"), Some(Duration::from_secs(7200)));
        for text in ["", "h", "2", "2x", "-1s", "99999999999999999999d", "é"] {
            assert_eq!(parse_length(text), None, "{text}");
        }
    }
}
