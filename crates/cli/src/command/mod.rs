//! The commands.

mod agents;
mod artifacts;
mod completions;
mod config;
mod delegate;
mod demo;
mod dry_run;
mod guarded;
pub(crate) mod history;
mod plan;
mod run;
mod scope;
mod status;

use crate::args::Command;
use crate::error::CliError;
use crate::exit::Exit;

/// Does what was asked.
///
/// # Errors
///
/// What stood in the way.
pub(crate) fn dispatch(command: Command) -> Result<Exit, CliError> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Delegate(args) => delegate::delegate(&args),
        Command::Artifacts(args) => artifacts::artifacts(&args),
        Command::AgentMode(args) => Ok(delegate::agent(&args)),
        Command::Agents(args) => agents::agents(&args),
        Command::Status(args) => status::status(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Config(args) => config::config(&args),
        Command::History(args) => history::history(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Lines(args) => demo::receive(args.amount),
        Command::Sort => demo::sort_in_memory(),
    }
}
