//! The syntax of `saferun plan` and `saferun agents`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::values::{Jobs, jobs, megabytes};

/// Everything after `saferun plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What is to be done, in words
    #[arg(value_name = "REQUEST", required_unless_present_any = ["lines"])]
    pub request: Vec<OsString>,

    /// A file that the work will touch; it need not exist (may be repeated)
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub file: Vec<PathBuf>,

    /// Take what has changed since this revision as touched, as git tells it
    #[arg(long, value_name = "REV")]
    pub diff: Option<OsString>,

    /// Who shall do the work, instead of whom the rules choose
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,

    /// Read requests from standard input, one a line, and answer each with one line of JSON
    #[arg(long, conflicts_with_all = ["request", "file", "diff", "agent", "json"])]
    pub lines: bool,

    /// Answer as JSON on a terminal, too
    #[arg(long)]
    pub json: bool,

    /// How many agents at once; also turns running side by side on
    #[arg(short, long, value_name = "N|auto", value_parser = jobs, allow_hyphen_values = true)]
    pub jobs: Option<Jobs>,

    /// While this session's processes use more than so many MB, run one by one
    #[arg(long, value_name = "MB", value_parser = megabytes, allow_hyphen_values = true)]
    pub threshold: Option<u64>,

    /// Take the settings of this profile where nothing else sets them
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Changes nothing: planning is all that is done
    #[arg(long, hide_short_help = true)]
    pub plan: bool,
}

/// Everything after `saferun agents`.
#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    /// What is to be done; without a word, the agents are listed.
    #[command(subcommand)]
    pub command: Option<AgentsCommand>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// The commands of `saferun agents`.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// Print a delegation map in the form of .saferun/agents.toml
    Import {
        /// The map [default: .claude/agents/delegation-map.json of this project]
        map: Option<PathBuf>,
    },
}
