//! The keys of a task, and what each may hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{at, bad_value, unknown_key};
use super::text::Text;
use crate::args::values::{positive_duration, size};
use crate::error::CliError;

/// The keys of a task that `[defaults]` may set for all.
pub(super) const SHARED_KEYS: [&str; 7] = [
    "memory",
    "agent",
    "timeout",
    "retries",
    "restartable",
    "workdir",
    "env",
];

/// The keys of a task.
pub(super) const TASK_KEYS: [&str; 10] = [
    "name",
    "run",
    "memory",
    "after",
    "agent",
    "timeout",
    "retries",
    "restartable",
    "workdir",
    "env",
];

/// Variables by which saferun finds what belongs to a run.
const OUR_VARIABLES: [&str; 2] = [
    saferun_executor::RUN_VARIABLE,
    saferun_executor::TASK_VARIABLE,
];

/// What `[defaults]` or a task says of the keys that both have.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    /// Its declared peak in bytes.
    pub(super) memory: Option<u64>,
    /// Which agent does it.
    pub(super) agent: Option<String>,
    /// How long one attempt may run.
    pub(super) timeout: Option<Duration>,
    /// How often a failed attempt is followed by another.
    pub(super) retries: Option<u32>,
    /// Whether it may be ended and run again.
    pub(super) restartable: Option<bool>,
    /// Where it runs.
    pub(super) workdir: Option<PathBuf>,
    /// Variables set on top of our own.
    pub(super) env: BTreeMap<String, String>,
}

impl Shared {
    /// Takes a key; false if it is none of these.
    pub(super) fn take(
        &mut self,
        text: &Text,
        base: &Path,
        key: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<bool, CliError> {
        match key {
            "memory" => self.memory = Some(memory(text, value)?),
            "agent" => {
                let right = "a name such as \"code-reviewer\"";
                self.agent = Some(some_text(text, key, value, right)?.to_owned());
            }
            "timeout" => {
                let right = "a duration above zero in quotes, such as \"90s\" or \"10m\"";
                let written = value.get_ref().as_str();
                let length = written.and_then(|written| positive_duration(written).ok());
                let wrong = || bad_value(text, key, value, right);
                self.timeout = Some(length.ok_or_else(wrong)?);
            }
            "retries" => {
                let number = value.get_ref().as_integer();
                let number = number
                    .and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
                let wrong = || bad_value(text, key, value, "a whole number from 0 on");
                self.retries = Some(number.ok_or_else(wrong)?);
            }
            "restartable" => {
                let wrong = || bad_value(text, key, value, "true or false, without quotes");
                self.restartable = Some(value.get_ref().as_bool().ok_or_else(wrong)?);
            }
            "workdir" => {
                let right = "a directory, from where the task file lies";
                self.workdir = Some(base.join(some_text(text, key, value, right)?));
            }
            "env" => self.env = env(text, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is said here, and where nothing is, what `defaults` say.
    pub(super) fn over(self, defaults: &Self) -> Self {
        let mut env = defaults.env.clone();
        env.extend(self.env);
        Self {
            memory: self.memory.or(defaults.memory),
            agent: self.agent.or_else(|| defaults.agent.clone()),
            timeout: self.timeout.or(defaults.timeout),
            retries: self.retries.or(defaults.retries),
            restartable: self.restartable.or(defaults.restartable),
            workdir: self.workdir.or_else(|| defaults.workdir.clone()),
            env,
        }
    }
}

/// The entries of a table in the order in which they stand in the file, which is that in which
/// people look for what is wrong.
pub(super) fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t str, usize, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = (table.iter())
        .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
        .collect();
    entries.sort_by_key(|(_, at, _)| *at);
    entries
}

/// `[defaults]`
pub(super) fn defaults(
    text: &Text,
    base: &Path,
    value: &Spanned<DeValue<'_>>,
) -> Result<Shared, CliError> {
    let mut shared = Shared::default();
    let Some(table) = value.get_ref().as_table() else {
        return Err(bad_value(text, "defaults", value, "a table: [defaults]"));
    };
    for (key, place, value) in in_order(table) {
        if !shared.take(text, base, key, value)? {
            return Err(match key {
                "name" | "run" | "after" => at(
                    text,
                    place,
                    &format!("{key} can't be the same for all tasks"),
                    "write it below [[task]]",
                ),
                _ => unknown_key(text, place..place, key, "[defaults]", &SHARED_KEYS),
            });
        }
    }
    Ok(shared)
}

/// A text that is not empty and that the system can take.
pub(super) fn some_text<'t>(
    text: &Text,
    key: &str,
    value: &'t Spanned<DeValue<'_>>,
    right: &str,
) -> Result<&'t str, CliError> {
    match value.get_ref().as_str() {
        Some(written) if written.contains('\0') => Err(nul(text, key, value)),
        Some(written) if !written.trim().is_empty() => Ok(written),
        _ => Err(bad_value(text, key, value, right)),
    }
}

/// No argument, variable or path of the system can hold a NUL byte.
pub(super) fn nul(text: &Text, key: &str, value: &Spanned<DeValue<'_>>) -> CliError {
    at(
        text,
        value.span().start,
        &format!("{key} holds a NUL byte, which no program can be given"),
        "leave \\u0000 out",
    )
}

fn memory(text: &Text, value: &Spanned<DeValue<'_>>) -> Result<u64, CliError> {
    let right = "a size in quotes, such as \"512M\" or \"4GiB\"";
    let written = value.get_ref().as_str();
    written
        .and_then(|written| size(written).ok())
        .ok_or_else(|| bad_value(text, "memory", value, right))
}

fn env(text: &Text, value: &Spanned<DeValue<'_>>) -> Result<BTreeMap<String, String>, CliError> {
    let Some(table) = value.get_ref().as_table() else {
        let right = "a table: env = { NAME = \"value\" }";
        return Err(bad_value(text, "env", value, right));
    };
    let mut variables = BTreeMap::new();
    for (name, place, value) in in_order(table) {
        let key = format!("env.{}", crate::printable::printable(name.as_ref(), 40));
        if name.is_empty() || name.contains(['=', '\0']) {
            let cause = format!("{key} is no name of a variable");
            return Err(at(text, place, &cause, "a name without = and NUL"));
        }
        if OUR_VARIABLES.contains(&name) {
            let cause = format!("{key} is set by saferun itself");
            return Err(at(text, place, &cause, "another name"));
        }
        let Some(written) = value.get_ref().as_str() else {
            let right = "text in quotes, such as \"1\"";
            return Err(bad_value(text, &key, value, right));
        };
        if written.contains('\0') {
            return Err(nul(text, &key, value));
        }
        variables.insert(name.to_owned(), written.to_owned());
    }
    Ok(variables)
}
