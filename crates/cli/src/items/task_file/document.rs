//! From TOML to entries, each a task whose `after` still holds names.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use saferun_executor::{CommandSpec, Task};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fields::{Shared, TASK_KEYS, defaults, in_order, nul, some_text};
use super::problem::{self, at, bad_value, unknown_key};
use super::text::Text;
use crate::error::CliError;
use crate::items::limits::ArgumentLimits;
use crate::items::shell;
use crate::items::source::TaskRights;
use crate::items::template::Template;

/// A task as it stands in the file.
#[derive(Debug)]
pub(super) struct Entry {
    /// What it is, but for what it depends on.
    pub(super) task: Task,
    /// Its name, if it has one of its own, and where that stands.
    pub(super) name: Option<(String, usize)>,
    /// The names of what it depends on, each with its place.
    pub(super) after: Vec<(String, usize)>,
}

const TABLES: [&str; 2] = ["task", "defaults"];
const RUN: &str = "a command line in quotes, or a list of words: [\"make\", \"all\"]";
const AFTER: &str = "a task's name in quotes, or a list of names: [\"fetch\", \"build\"]";

/// All tasks of a file. Paths in it are meant from `base`.
pub(super) fn entries(
    text: &Text,
    base: &Path,
    rights: TaskRights,
) -> Result<Vec<Entry>, CliError> {
    let document = DeTable::parse(&text.text).map_err(|error| problem::syntax(text, &error))?;
    let mut shared = Shared::default();
    let mut tasks = None;
    for (key, place, value) in in_order(document.get_ref()) {
        match key {
            "defaults" => shared = defaults(text, base, value)?,
            "task" => tasks = Some(value),
            _ => return Err(misplaced(text, place, key)),
        }
    }
    let Some(tasks) = tasks else {
        return Err(CliError::usage(
            format!("{} holds no [[task]]", text.label()),
            "a [[task]] line with run = \"...\" below it (task = [] is a list without any)",
        ));
    };
    let Some(list) = tasks.get_ref().as_array() else {
        return Err(at(
            text,
            tasks.span().start,
            "task is no list of tasks",
            "[[task]], in double brackets, once for each",
        ));
    };
    let reader = Reader {
        text,
        base,
        rights,
        shared,
        limits: ArgumentLimits::of_this_process(),
    };
    list.iter().map(|value| reader.entry(value)).collect()
}

/// A key at the top of the file that doesn't belong there.
fn misplaced(text: &Text, place: usize, key: &str) -> CliError {
    if TASK_KEYS.contains(&key) {
        return at(
            text,
            place,
            &format!("{key} belongs to a task"),
            "write [[task]] above it",
        );
    }
    if key == "tasks" {
        return at(text, place, "there is no key 'tasks' here", "[[task]]");
    }
    unknown_key(text, place..place, key, "the file", &TABLES)
}

struct Reader<'t> {
    text: &'t Text,
    base: &'t Path,
    rights: TaskRights,
    shared: Shared,
    limits: ArgumentLimits,
}

impl Reader<'_> {
    fn entry(&self, value: &Spanned<DeValue<'_>>) -> Result<Entry, CliError> {
        let text = self.text;
        let Some(table) = value.get_ref().as_table() else {
            return Err(bad_value(text, "a task", value, "[[task]]"));
        };
        let mut shared = Shared::default();
        let (mut name, mut run, mut after) = (None, None, Vec::new());
        for (key, place, value) in in_order(table) {
            match key {
                "name" => {
                    let written = some_text(text, key, value, "a name in quotes")?;
                    name = Some((written.to_owned(), value.span().start));
                }
                "run" => run = Some((self.command(value)?, value.span().start)),
                "after" => after = self.after(value)?,
                _ if shared.take(text, self.base, key, value)? => {}
                _ => return Err(unknown_key(text, place..place, key, "a task", &TASK_KEYS)),
            }
        }
        let Some(((command, written, kind), place)) = run else {
            let whose = match &name {
                Some((name, _)) => format!("the task '{}'", shown(name)),
                None => String::from("this task"),
            };
            let cause = format!("{whose} has no run");
            return Err(at(text, value.span().start, &cause, "run = \"...\""));
        };
        let called = match &name {
            Some((name, _)) => OsString::from(name),
            None => written,
        };
        let task = self.task(called, command, kind, shared.over(&self.shared));
        if let Some(by) = self.limits.refuses(&task.command) {
            let cause = format!(
                "run makes a command line of {} bytes, and the system takes {}",
                by.bytes, by.limit
            );
            return Err(at(text, place, &cause, "pass long text in a file"));
        }
        Ok(Entry { task, name, after })
    }

    fn task(
        &self,
        name: OsString,
        mut command: CommandSpec,
        kind: Option<u64>,
        says: Shared,
    ) -> Task {
        command.workdir = says.workdir;
        command.env = (says.env.into_iter())
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        // What an agent did halfway isn't undone by running it again.
        let restartable = says.restartable.unwrap_or(says.agent.is_none());
        Task {
            declared_bytes: says.memory,
            // Who forbids it for all means all.
            restartable: restartable && self.rights.restartable,
            retries: says.retries.unwrap_or(self.rights.retries),
            timeout: says.timeout.or(self.rights.timeout),
            kind,
            agent: says.agent,
            ..Task::new(name, command)
        }
    }

    /// A command, what it is called where it has no name, and what it is like.
    fn command(
        &self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(CommandSpec, OsString, Option<u64>), CliError> {
        let kind = |line: &OsStr| Template::ItemIsCommand.kind(line);
        let Some(list) = value.get_ref().as_array() else {
            let line = OsString::from(some_text(self.text, "run", value, RUN)?);
            return Ok((shell::plain(line.clone()), line.clone(), kind(&line)));
        };
        let mut words = Vec::with_capacity(list.len());
        for word in list.iter() {
            match word.get_ref().as_str() {
                Some(written) if written.contains('\0') => {
                    return Err(nul(self.text, "run", word));
                }
                Some(written) => words.push(OsString::from(written)),
                None => {
                    let right = "words in quotes: [\"sleep\", \"5\"]";
                    return Err(bad_value(self.text, "run", word, right));
                }
            }
        }
        match words.split_first() {
            Some((program, args)) if !program.as_encoded_bytes().trim_ascii().is_empty() => {
                let called = words.join(OsStr::new(" "));
                let command = CommandSpec::new(program.clone(), args.iter().cloned());
                Ok((command, called, kind(program)))
            }
            _ => Err(bad_value(self.text, "run", value, RUN)),
        }
    }

    fn after(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<(String, usize)>, CliError> {
        let name = |value: &Spanned<DeValue<'_>>| {
            let written = some_text(self.text, "after", value, AFTER)?;
            Ok((written.to_owned(), value.span().start))
        };
        match value.get_ref().as_array() {
            Some(list) => list.iter().map(name).collect(),
            None => Ok(vec![name(value)?]),
        }
    }
}

/// A name, safe to print.
pub(super) fn shown(name: &str) -> String {
    crate::printable::printable(OsStr::new(name), 40)
}
