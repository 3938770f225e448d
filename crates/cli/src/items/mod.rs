//! From the words of the command line to the stream of tasks.

mod counted;
mod limits;
mod quoting;
mod record;
mod script_error;
mod shell;
mod source;
mod stdin;
mod task_file;
mod template;
mod words;

pub(crate) use source::{ItemTasks, OneTask, TaskRights};
pub(crate) use stdin::Unread;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use saferun_executor::TaskSource;

use record::Delimiter;
use shell::Script;
use source::ItemReader;
use template::{Template, is_shell_form};
use words::{Words, has_mark};

use crate::error::{CliError, plain_cause};
use crate::printable::printable;

/// What separates the command from items on the command line.
const SEPARATOR: &str = ":::";

/// How much of a stream is read at once.
const BLOCK: usize = 64 * 1024;

/// What the command line says about command and items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandLine<'a> {
    /// Everything after the options.
    pub command: &'a [OsString],
    /// `-a`
    pub file: Option<&'a Path>,
    /// `-f`
    pub tasks: Option<&'a Path>,
    /// `-0`
    pub null: bool,
}

/// The tasks that follow from a command line.
pub(crate) struct Work {
    /// Where they come from.
    pub source: Source,
    /// Whether it is a single command without items.
    pub once: bool,
    /// Whether standard input is read as items, and from a person's hands.
    pub typed: bool,
    /// Standard input where it is not read but may hold something.
    pub unread: Option<Unread>,
}

/// Where tasks come from.
pub(crate) enum Source {
    /// From items, which may come as a stream.
    Items(ItemTasks),
    /// From elsewhere; how many there are is known, or need not be.
    Other(Box<dyn TaskSource>),
}

impl Source {
    /// As they come.
    pub(crate) fn streamed(self) -> Box<dyn TaskSource> {
        match self {
            Source::Items(tasks) => Box::new(tasks),
            Source::Other(source) => source,
        }
    }

    /// With their count: a stream is read to its end before the first task.
    ///
    /// # Errors
    ///
    /// It can't be read, or can't be kept meanwhile.
    pub(crate) fn counted(self) -> Result<Box<dyn TaskSource>, CliError> {
        Ok(match self {
            Source::Items(tasks) => Box::new(tasks.counted()?),
            Source::Other(source) => source,
        })
    }
}

/// Where items come from.
enum Input {
    Given(Vec<OsString>),
    File(OsString),
    Stdin,
    None,
}

impl Work {
    /// Opens what has to be opened and checks what can be checked before anything runs.
    ///
    /// # Errors
    ///
    /// Something about the command or its items is wrong.
    pub(crate) fn new(line: CommandLine<'_>, rights: TaskRights) -> Result<Self, CliError> {
        if let Some(path) = line.tasks {
            return Self::of_task_file(path, &line, rights);
        }
        let (command, given) = split(line.command)?;
        let input = input(command, given, &line)?;
        if let Input::None = input {
            let spec = if is_shell_form(command) {
                shell::plain(command[0].clone())
            } else {
                Words::new(command.to_vec()).once()
            };
            let name = command.join(OsStr::new(" "));
            let task = rights.task(name, spec, None);
            return Ok(Self {
                source: Source::Other(Box::new(OneTask(Some(task)))),
                once: true,
                typed: false,
                unread: Some(Unread::new()),
            });
        }
        let template = template(command)?;
        let delimiter = if line.null {
            Delimiter::Nul
        } else {
            Delimiter::Line
        };
        let typed = matches!(input, Input::Stdin) && stdin::is_terminal();
        let items = match input {
            Input::Given(items) => ItemReader::Given(items.into_iter()),
            Input::File(path) => {
                let label = format!("'{}'", printable(&path, 60));
                ItemReader::stream(open(Path::new(&path), &label)?, delimiter, label)
            }
            Input::Stdin | Input::None => {
                let reader: Box<dyn BufRead + Send> =
                    Box::new(BufReader::with_capacity(BLOCK, std::io::stdin()));
                ItemReader::stream(reader, delimiter, String::from("standard input"))
            }
        };
        Ok(Self {
            source: Source::Items(ItemTasks::new(items, template, rights)),
            once: false,
            typed,
            unread: None,
        })
    }
}

impl Work {
    /// The tasks of a file, which says all that there is to run.
    fn of_task_file(
        path: &Path,
        line: &CommandLine<'_>,
        rights: TaskRights,
    ) -> Result<Self, CliError> {
        let beside = match line.command.first() {
            _ if line.file.is_some() => Some("-a"),
            _ if line.null => Some("-0"),
            Some(word) if word == SEPARATOR => Some("items"),
            Some(_) => Some("a command"),
            None => None,
        };
        if let Some(beside) = beside {
            return Err(CliError::usage(
                format!("-f names a file of tasks, and {beside} is given too"),
                "use one of the two (-a FILE reads items, -f FILE reads tasks)",
            ));
        }
        Ok(Self {
            source: Source::Other(Box::new(task_file::read(path, rights)?)),
            once: false,
            typed: false,
            unread: None,
        })
    }
}

/// The command before the separator, and the items after it.
fn split(words: &[OsString]) -> Result<(&[OsString], Option<Vec<OsString>>), CliError> {
    let Some(at) = words.iter().position(|word| word == SEPARATOR) else {
        return Ok((words, None));
    };
    let items = &words[at + 1..];
    if items.iter().any(|item| item == SEPARATOR) {
        return Err(CliError::usage(
            "there is more than one ::: on the command line",
            "give all items after one :::, or pass ::: itself as an item with -a FILE",
        ));
    }
    Ok((&words[..at], Some(items.to_vec())))
}

fn input(
    command: &[OsString],
    given: Option<Vec<OsString>>,
    line: &CommandLine<'_>,
) -> Result<Input, CliError> {
    if command
        .first()
        .is_some_and(|word| word.as_bytes().trim_ascii().is_empty())
    {
        return Err(CliError::usage(
            "the command is empty",
            "saferun run -j auto COMMAND ::: ITEM...",
        ));
    }
    match (given, line.file) {
        (Some(_), Some(_)) => Err(CliError::usage(
            "items are given both after ::: and with -a",
            "use one of the two",
        )),
        (Some(_), None) if line.null => Err(CliError::usage(
            "items are given after :::, so -0 has nothing to read",
            "leave -0 out",
        )),
        (Some(items), None) => Ok(Input::Given(items)),
        (None, Some(path)) if path == Path::new("-") => Ok(Input::Stdin),
        (None, Some(path)) => Ok(Input::File(path.as_os_str().to_owned())),
        (None, None) if line.null || command.iter().any(|word| has_mark(word)) => Ok(Input::Stdin),
        (None, None) if command.is_empty() => {
            if stdin::may_hold_lines() {
                Ok(Input::Stdin)
            } else {
                Err(CliError::usage(
                    "there is no command, and standard input holds no list of commands",
                    "saferun run -j auto COMMAND ::: ITEM... (or saferun run -j auto < FILE)",
                ))
            }
        }
        (None, None) => Ok(Input::None),
    }
}

fn template(command: &[OsString]) -> Result<Template, CliError> {
    if command.is_empty() {
        return Ok(Template::ItemIsCommand);
    }
    if is_shell_form(command) {
        return match Script::new(&command[0]) {
            Ok(script) => Ok(Template::Shell(script)),
            Err(error) => Err(CliError::usage(error.to_string(), error.fix())),
        };
    }
    Ok(Template::Words(Words::new(command.to_vec())))
}

fn open(path: &Path, label: &str) -> Result<Box<dyn BufRead + Send>, CliError> {
    let unreadable = |cause: &dyn std::fmt::Display| {
        CliError::usage(
            format!("{label} can't be read: {cause}"),
            "give -a a readable file with one item a line, or - for standard input",
        )
    };
    let file = File::open(path).map_err(|error| unreadable(&plain_cause(&error)))?;
    let about = file
        .metadata()
        .map_err(|error| unreadable(&plain_cause(&error)))?;
    if about.is_dir() {
        return Err(unreadable(&"it is a directory"));
    }
    Ok(Box::new(BufReader::with_capacity(BLOCK, file)))
}
