//! The composition of saferun: the command line, and what a person sees of a run.
//!
//! Three types in a row: `args` is syntax, `settings` are resolved choices each with its
//! source, and `items` make the tasks that the executor draws from. After the second, no text
//! is parsed again. `observe` turns the run's events into what is said.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod args;
mod artifacts;
mod cleanup;
mod command;
mod delegate;
mod error;
mod exit;
mod items;
mod observe;
mod printable;
mod settings;
mod space;

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use clap::error::ErrorKind;

pub use artifacts::digest;
pub use cleanup::memory_cleanup;
pub use error::CliError;
pub use exit::Exit;

/// The first argument that makes this program the guard of a run.
pub const GUARD_MODE: &str = "__guard";

/// The first argument that makes this program an agent of a session.
const AGENT_MODE: &str = "__agent";

/// The command lines of `saferun` and `memory-cleanup`, for manual pages and completions.
pub fn commands() -> [clap::Command; 2] {
    use clap::CommandFactory;
    [args::Cli::command(), cleanup::Args::command()]
}

/// Reads the command line, does what it says, and answers with the exit code.
pub fn main() -> Exit {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match args::Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error, &arguments),
    };
    match command::dispatch(cli.command) {
        Ok(exit) => exit,
        Err(error) => tell(&error),
    }
}

/// Help and version are answers; the rest is an error in one line.
fn not_parsed(error: &clap::Error, arguments: &[OsString]) -> Exit {
    // Whoever has closed our output (`| head -1`) has read enough.
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = write!(std::io::stdout(), "{}", error.render());
            Exit::Success
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = write!(std::io::stderr(), "{}", error.render());
            Exit::Usage
        }
        _ => tell(&args::from_clap(error, arguments)),
    }
}

fn tell(error: &CliError) -> Exit {
    if !error.is_silent() {
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    error.exit()
}
