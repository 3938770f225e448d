//! The stream of tasks that the executor draws from.

use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use saferun_executor::{CommandSpec, Task, TaskSource};

use super::limits::{ArgumentLimits, ONE_ARGUMENT, TooLong};
use super::record::{Delimiter, RecordError, Records};
use super::template::Template;
use crate::error::one_line;
use crate::printable::printable;

/// What all tasks of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskRights {
    /// Whether they may be ended and run again.
    pub restartable: bool,
    /// How often a failed attempt is followed by another.
    pub retries: u32,
    /// How long one attempt may run.
    pub timeout: Option<Duration>,
}

impl TaskRights {
    /// A task with these rights.
    pub(crate) fn task(&self, name: OsString, command: CommandSpec, kind: Option<u64>) -> Task {
        Task {
            restartable: self.restartable,
            retries: self.retries,
            timeout: self.timeout,
            kind,
            ..Task::new(name, command)
        }
    }
}

/// Where items are read from.
pub(crate) enum ItemReader {
    /// They stood on the command line.
    Given(std::vec::IntoIter<OsString>),
    /// They come from a stream that people call `label`.
    Stream {
        /// The records.
        records: Records<Box<dyn BufRead + Send>>,
        /// `Line` or `Nul`: an empty line is no item, an empty record between NULs is one.
        delimiter: Delimiter,
        /// What the stream is called.
        label: String,
    },
}

impl ItemReader {
    /// Reads items from a stream.
    pub(crate) fn stream(
        reader: Box<dyn BufRead + Send>,
        delimiter: Delimiter,
        label: String,
    ) -> Self {
        ItemReader::Stream {
            records: Records::new(reader, delimiter, ONE_ARGUMENT - 1),
            delimiter,
            label,
        }
    }

    fn next_item(&mut self) -> Option<Result<(OsString, String), String>> {
        match self {
            ItemReader::Given(items) => items
                .next()
                .map(|item| Ok((item, String::from("after :::")))),
            ItemReader::Stream {
                records,
                delimiter,
                label,
            } => loop {
                let record = records.next_record()?;
                let place = match delimiter {
                    Delimiter::Line => format!("line {} of {label}", records.number()),
                    Delimiter::Nul => format!("record {} of {label}", records.number()),
                };
                match record {
                    Ok(bytes) if bytes.is_empty() && *delimiter == Delimiter::Line => {}
                    Ok(bytes) => return Some(Ok((OsString::from_vec(bytes), place))),
                    Err(error) => return Some(Err(record_error(error, label, &place))),
                }
            },
        }
    }
}

fn record_error(error: RecordError, label: &str, place: &str) -> String {
    match error {
        RecordError::Read(cause) => one_line(
            &format!("{label} can't be read: {cause}"),
            "give a readable list of items",
        ),
        RecordError::Nul => one_line(
            &format!("{place} holds a NUL byte, which no argument can"),
            "add -0 if the items are separated by NUL bytes",
        ),
        RecordError::TooLong(head) => too_long(
            &OsString::from_vec(head),
            place,
            TooLong {
                bytes: ONE_ARGUMENT,
                limit: ONE_ARGUMENT - 1,
            },
            true,
        ),
    }
}

fn too_long(item: &OsStr, place: &str, by: TooLong, at_least: bool) -> String {
    let least = if at_least { "at least " } else { "" };
    one_line(
        &format!(
            "the item in {place} ('{}') makes a command line of {least}{} bytes, and the system takes {}",
            printable(item, 24),
            by.bytes,
            by.limit
        ),
        "pass long text in a file and give its name as the item",
    )
}

/// One task for each item.
pub(crate) struct ItemTasks {
    pub(super) items: ItemReader,
    pub(super) template: Template,
    rights: TaskRights,
    limits: ArgumentLimits,
    /// How many there are, once they were counted.
    pub(super) count: Option<u64>,
}

impl ItemTasks {
    /// The tasks of these items.
    pub(crate) fn new(items: ItemReader, template: Template, rights: TaskRights) -> Self {
        Self {
            items,
            template,
            rights,
            limits: ArgumentLimits::of_this_process(),
            count: None,
        }
    }
}

impl TaskSource for ItemTasks {
    fn count(&self) -> Option<u64> {
        self.count
    }

    fn next_task(&mut self) -> Option<Result<Task, String>> {
        loop {
            let (item, place) = match self.items.next_item()? {
                Ok(found) => found,
                Err(text) => return Some(Err(text)),
            };
            if !self.template.takes(&item) {
                continue;
            }
            let command = self.template.command(&item);
            if let Some(by) = self.limits.refuses(&command) {
                return Some(Err(too_long(&item, &place, by, false)));
            }
            let kind = self.template.kind(&item);
            return Some(Ok(self.rights.task(item, command, kind)));
        }
    }
}

/// The one task of a command without items.
pub(crate) struct OneTask(pub Option<Task>);

impl TaskSource for OneTask {
    fn count(&self) -> Option<u64> {
        Some(u64::from(self.0.is_some()))
    }

    fn next_task(&mut self) -> Option<Result<Task, String>> {
        let task = self.0.take()?;
        let limits = ArgumentLimits::of_this_process();
        if let Some(by) = limits.refuses(&task.command) {
            return Some(Err(one_line(
                &format!(
                    "the command is {} bytes long, and the system takes {}",
                    by.bytes, by.limit
                ),
                "pass long text in a file",
            )));
        }
        Some(Ok(task))
    }
}
