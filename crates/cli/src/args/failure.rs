//! A command line that can't be understood, told in one line.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::CliError;

/// The parser's complaint in our form; `arguments` are all that were given.
pub(crate) fn from_clap(error: &clap::Error, arguments: &[OsString]) -> CliError {
    let of = |kind| error.get(kind).map(shown).unwrap_or_default();
    let invalid = of(ContextKind::InvalidArg);
    let value = of(ContextKind::InvalidValue);
    let help = help_command(arguments);
    match error.kind() {
        ErrorKind::UnknownArgument if !invalid.starts_with('-') => {
            CliError::usage(format!("'{invalid}' is one word too many"), help)
        }
        ErrorKind::UnknownArgument => CliError::usage(
            format!("there is no option '{invalid}'"),
            match (
                error.get(ContextKind::SuggestedArg),
                command_word(arguments),
            ) {
                (Some(suggestion), _) => format!("{} (or {help})", shown(suggestion)),
                (None, Some("run")) => {
                    format!("{help}; or, if it belongs to the command, write it after the command")
                }
                (None, Some(_)) => help,
                (None, None) => format!("{help}; options of run follow the word run"),
            },
        ),
        ErrorKind::InvalidSubcommand => CliError::usage(
            format!(
                "there is no command '{}'",
                of(ContextKind::InvalidSubcommand)
            ),
            match error.get(ContextKind::SuggestedSubcommand) {
                Some(suggestion) => format!("saferun {}", shown(suggestion)),
                None => match of(ContextKind::InvalidSubcommand).as_str() {
                    "" | "help" => help,
                    word => format!("saferun run {word}"),
                },
            },
        ),
        ErrorKind::ValueValidation => CliError::usage(
            format!("'{value}' is no value for {invalid}"),
            std::error::Error::source(error).map_or(help, ToString::to_string),
        ),
        ErrorKind::InvalidValue if value.is_empty() => CliError::usage(
            format!("{invalid} lacks its value"),
            expected(error).unwrap_or(help),
        ),
        ErrorKind::InvalidValue => CliError::usage(
            format!("'{value}' is no value for {invalid}"),
            expected(error).unwrap_or(help),
        ),
        ErrorKind::InvalidUtf8 => CliError::usage(
            format!("'{}' is not valid UTF-8 text", first_not_text(arguments)),
            "write options as text; the command, its arguments and the items may be any bytes",
        ),
        ErrorKind::ArgumentConflict if of(ContextKind::PriorArg) == invalid => {
            CliError::usage(format!("{invalid} is given twice"), "give it once")
        }
        ErrorKind::ArgumentConflict => CliError::usage(
            format!("{invalid} can't be used with {}", of(ContextKind::PriorArg)),
            "leave one out",
        ),
        ErrorKind::TooManyValues => {
            CliError::usage(format!("{invalid} takes no value '{value}'"), help)
        }
        ErrorKind::MissingRequiredArgument => {
            CliError::usage(format!("{invalid} is missing"), help)
        }
        _ => CliError::usage(first_line(error), help),
    }
}

fn shown(value: &ContextValue) -> String {
    match value {
        ContextValue::String(text) => crate::printable::printable(text.as_ref(), 60),
        ContextValue::Strings(texts) => texts.join(" or "),
        other => other.to_string(),
    }
}

fn expected(error: &clap::Error) -> Option<String> {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => Some(values.join(" or ")),
        _ => None,
    }
}

fn help_command(arguments: &[OsString]) -> String {
    match command_word(arguments) {
        Some(word) => format!("saferun {word} --help"),
        None => String::from("saferun --help"),
    }
}

fn command_word(arguments: &[OsString]) -> Option<&str> {
    let word = arguments.get(1)?.to_str()?;
    [
        "run",
        "plan",
        "agents",
        "status",
        "demo",
        "config",
        "completions",
    ]
    .contains(&word)
    .then_some(word)
}

fn first_not_text(arguments: &[OsString]) -> String {
    let culprit = arguments.iter().find(|word| word.to_str().is_none());
    culprit.map_or_else(String::new, |word| crate::printable::printable(word, 60))
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
