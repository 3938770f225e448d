//! What can go wrong before, beside and after the tasks themselves, told in one line.

use std::fmt;

use saferun_executor::RunError;

use crate::exit::Exit;

/// An error of `saferun` itself: the cause and a way out.
#[derive(Debug)]
pub enum CliError {
    /// The command line or its input is wrong.
    Usage {
        /// What is wrong.
        cause: String,
        /// What to do about it.
        fix: String,
    },
    /// The run could not be begun or carried on.
    Run(RunError),
    /// The reader of standard output has gone: nothing to say and nobody to hear it.
    OutputClosed,
    /// A signal ended the command before there was a result.
    Signal(i32),
}

impl CliError {
    /// A usage error.
    pub fn usage(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        CliError::Usage {
            cause: cause.into(),
            fix: fix.into(),
        }
    }

    /// Something that the system refused.
    pub(crate) fn system(what: &'static str, cause: std::io::Error) -> Self {
        CliError::Run(RunError::System { what, cause })
    }

    /// A failed write to standard output, where a closed pipe is no error worth a word.
    pub fn output(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => CliError::OutputClosed,
            _ => CliError::usage(
                format!("standard output can't be written: {}", plain_cause(error)),
                "send it somewhere else",
            ),
        }
    }

    /// The one match from error to exit code.
    pub fn exit(&self) -> Exit {
        match self {
            CliError::Usage { .. } => Exit::Usage,
            CliError::Run(error) => match error {
                RunError::Source(_)
                | RunError::Memory(_)
                | RunError::Budget(_)
                | RunError::Isolation(_)
                | RunError::System { .. } => Exit::Usage,
            },
            CliError::OutputClosed => Exit::Success,
            CliError::Signal(signal) => Exit::of_signal(*signal),
        }
    }

    /// Whether there is anything to tell.
    pub fn is_silent(&self) -> bool {
        matches!(self, CliError::OutputClosed | CliError::Signal(_))
    }
}

/// The system's words without its number.
pub(crate) fn plain_cause(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(_) => plain(&error.to_string()).to_lowercase(),
        None => error.to_string(),
    }
}

/// A text without the numbers of the system's errors, which say nothing to people.
pub(crate) fn plain(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(" (os error ") {
        out.push_str(before);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Cause and way out in one line, for wherever only one text fits.
pub(crate) fn one_line(cause: &str, fix: &str) -> String {
    format!("{cause}; try: {fix}")
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Usage { cause, fix } => f.write_str(&one_line(cause, fix)),
            CliError::Run(error) => match error {
                // These name their way out themselves.
                RunError::Source(text) | RunError::Budget(text) => f.write_str(text),
                RunError::Isolation(refused) => f.write_str(&plain(&refused.to_string())),
                RunError::Memory(_) => {
                    f.write_str(&one_line(&error.to_string(), "saferun status --why"))
                }
                RunError::System { .. } => f.write_str(&one_line(
                    &error.to_string(),
                    "free what is missing, or see saferun status --why",
                )),
            },
            CliError::OutputClosed => f.write_str("standard output is closed"),
            CliError::Signal(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_left_out() {
        let text = "a (Permission denied (os error 13)); b: No such file (os error 2)";
        assert_eq!(plain(text), "a (Permission denied); b: No such file");
        assert_eq!(plain("nothing"), "nothing");
    }
}
