//! The syntax of `saferun delegate`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::run::{ContainmentArg, ProgressArg};
use super::settings::SettingsArgs;

const EXAMPLES: &str = "\
AGENTS
  An agent is a program of yours: agent_command in saferun.toml runs all that have no command of
  their own under [agents.NAME]. In a command {prompt} stands for the request with what came
  before, {artifacts} for the agent's own folder, {workdir} for the working directory.
  docs/agents.md has examples.

EXAMPLES
  saferun delegate --dry-run Add a button to the settings page
  saferun delegate -j 2 --memory 8G Fix the login timeout
  saferun delegate --resume

EXIT STATUS
  0 everything succeeded   1 some agent failed   2 usage   3 an agent does not fit the budget
  130 interrupted          143 terminated        129 hung up";

/// Everything after `saferun delegate`.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    override_usage = "saferun delegate [OPTIONS] REQUEST...\n       saferun delegate [OPTIONS] --resume [SESSION]"
)]
pub(crate) struct DelegateArgs {
    /// What is to be done, in words
    #[arg(value_name = "REQUEST", required_unless_present = "resume")]
    pub request: Vec<OsString>,

    /// The choices that may also stand in variables and files.
    #[command(flatten)]
    pub settings: SettingsArgs,

    /// A file that the work will touch; it need not exist (may be repeated)
    #[arg(long, value_name = "PATH", allow_hyphen_values = true)]
    pub file: Vec<PathBuf>,

    /// Take what has changed since this revision as touched, as git tells it
    #[arg(long, value_name = "REV")]
    pub diff: Option<OsString>,

    /// Who shall do the work, instead of whom the rules choose
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,

    /// Go on with a session from its last finished phase [default: the latest that is not done]
    #[arg(long, value_name = "SESSION", num_args = 0..=1, conflicts_with_all = ["file", "diff", "agent"])]
    pub resume: Option<Option<String>>,

    /// Print the commands that would be run, and run none
    #[arg(long)]
    pub dry_run: bool,

    /// Start without asking
    #[arg(short, long)]
    pub yes: bool,

    /// After agents, end what earlier work left alive, where a restart is advised
    #[arg(long)]
    pub recycle: bool,

    /// How the run is shown on standard error [default: auto, a bar on a terminal, else lines now
    /// and then]
    #[arg(long, value_enum, value_name = "HOW")]
    pub progress: Option<ProgressArg>,

    /// Write every event as a line of JSON to FILE, or to standard error in place of all else
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub json: Option<Option<PathBuf>>,

    /// Tell of every event with its figures
    #[arg(short, long)]
    pub verbose: bool,

    /// Which containment may be used: the best there is, or process trees only
    #[arg(long, value_enum, value_name = "KIND", hide_short_help = true)]
    pub containment: Option<ContainmentArg>,
}

/// `saferun __agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentModeArgs {
    /// The agent's folder
    pub folder: PathBuf,
}
