//! The syntax of the command line, and nothing but the syntax.

mod artifacts;
mod delegate;
mod failure;
mod history;
mod plan;
mod run;
mod settings;
pub(crate) mod values;

pub(crate) use artifacts::{ArtifactsArgs, ArtifactsCommand, SessionArgs};
pub(crate) use delegate::{AgentModeArgs, DelegateArgs};
pub(crate) use failure::from_clap;
pub(crate) use history::{HistoryArgs, HistoryCommand};
pub(crate) use plan::{AgentsArgs, AgentsCommand, PlanArgs};
pub(crate) use run::{ContainmentArg, OrderArg, ProgressArg, RunArgs};
pub(crate) use settings::{IsolateArg, PreemptArg, ScopeArg, SettingsArgs, StrategyArg};

use clap::{Args, Parser, Subcommand};

const EXAMPLES: &str = "\
EXAMPLES
  saferun demo                                   see it work, in under a minute
  saferun run -j auto gzip -9 ::: *.log          one gzip for each file, as many as memory allows
  find . -name '*.wav' -print0 | saferun run -j auto -0 flac {}
  saferun run -j auto --memory 4G < commands.txt each line is a command
  saferun status                                 what memory there is, and what would be done with it

EXIT STATUS
  0 everything succeeded   1 some task failed   2 usage   3 a task does not fit the budget
  130 interrupted          143 terminated       129 hung up";

/// Run many memory-hungry commands side by side inside a memory budget.
#[derive(Debug, Parser)]
#[command(
    name = "saferun",
    version,
    after_long_help = EXAMPLES,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command, or one for each item, inside a memory budget
    Run(Box<RunArgs>),
    /// Say what would be done about a request in words: by whom, in which order, side by side or not
    Plan(Box<PlanArgs>),
    /// Plan a request and have it carried out by agents
    Delegate(Box<DelegateArgs>),
    /// Show what agents have made, whole or in parts
    Artifacts(ArtifactsArgs),
    /// List the agents that plans choose among, or take over a delegation map
    Agents(AgentsArgs),
    /// Say what memory there is, who holds it, and what would be done with it
    Status(StatusArgs),
    /// Show real memory-hungry work one by one, then side by side
    Demo(DemoArgs),
    /// Show the settings and where each comes from, or write a file of them
    Config(ConfigArgs),
    /// Show what earlier attempts needed, and what would be set aside for a command
    History(HistoryArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Become the program of an agent (what delegate runs)
    #[command(name = "__agent", hide = true)]
    AgentMode(AgentModeArgs),
    /// Write random lines as fast as a network brings them (the demo's input)
    #[command(name = "__lines", hide = true)]
    Lines(LinesArgs),
    /// Sort lines in memory (the demo's work where sort is missing)
    #[command(name = "__sort", hide = true)]
    Sort,
}

/// `saferun status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Say where each figure comes from
    #[arg(long)]
    pub why: bool,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `saferun demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Run the same work under xargs and GNU parallel too, where they are installed
    #[arg(long)]
    pub peers: bool,
}

/// `saferun config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: ConfigCommand,
}

/// The commands of `saferun config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting as a run would take it, and where it comes from
    Show(Box<ConfigShowArgs>),
    /// Write a saferun.toml that holds every setting as a comment
    Init(ConfigInitArgs),
    /// Print the JSON schema of saferun.toml, for editors
    Schema,
}

/// `saferun config show`.
#[derive(Debug, Args)]
pub(crate) struct ConfigShowArgs {
    /// Flags of run, to see what they would change.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Answer as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `saferun config init`.
#[derive(Debug, Args)]
pub(crate) struct ConfigInitArgs {
    /// Write the user's file, which applies everywhere, not one for this directory
    #[arg(long)]
    pub user: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

/// `saferun completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `saferun __lines`.
#[derive(Debug, Args)]
pub(crate) struct LinesArgs {
    /// How much
    pub amount: saferun_memory::Amount,
}
