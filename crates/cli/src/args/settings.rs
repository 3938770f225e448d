//! The flags that are settings: what they say may also stand in variables and files.

use std::time::Duration;

use clap::{Args, ValueEnum};
use saferun_memory::Amount;
use saferun_scheduler::Halt;

use super::values::{
    Jobs, amount, count, duration, halt, jobs, megabytes, positive_duration, size,
};

// No comment for the parser here: it would take the place of the command's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsArgs {
    /// How many tasks at once: a number, or auto to let memory and cores decide; without it, one
    /// by one, unless SAFE_PARALLEL or a profile says otherwise
    #[arg(short, long, value_name = "N|auto", value_parser = jobs, allow_hyphen_values = true)]
    pub jobs: Option<Jobs>,

    /// What all tasks together may use (512M, 4GiB, 80%); by default what is available less the
    /// reserve
    #[arg(short, long, value_name = "SIZE|N%", value_parser = amount, allow_hyphen_values = true)]
    pub memory: Option<Amount>,

    /// What is left free for everything else
    #[arg(long, value_name = "SIZE|N%", value_parser = amount, allow_hyphen_values = true)]
    pub reserve: Option<Amount>,

    /// What a task is expected to need while nothing is known of its like
    #[arg(long, value_name = "SIZE", value_parser = size, allow_hyphen_values = true)]
    pub task_memory: Option<u64>,

    /// While this session's processes use more than so many MB, run one by one
    #[arg(long, value_name = "MB", value_parser = megabytes, allow_hyphen_values = true)]
    pub threshold: Option<u64>,

    /// How tasks are admitted
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub strategy: Option<StrategyArg>,

    /// How eagerly running tasks are ended to make room, and run again later
    #[arg(long, value_enum, value_name = "WHEN")]
    pub preempt: Option<PreemptArg>,

    /// Never run a task a second time to make room (it has side effects)
    #[arg(long)]
    pub no_restart: bool,

    /// Keep no record of this run
    #[arg(long)]
    pub no_history: bool,

    /// Run a failed task again, up to N times
    #[arg(long, value_name = "N", value_parser = count, allow_hyphen_values = true)]
    pub retries: Option<u32>,

    /// End an attempt that takes longer (500ms, 10s, 2m); time spent frozen does not count
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,

    /// How long after TERM a task is killed [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_hyphen_values = true)]
    pub grace: Option<Duration>,

    /// When failures end the run: never, soon (start nothing more) or now (end what runs too),
    /// from N failures on [default: never; fail=1]
    #[arg(long, value_name = "never|soon|now[,fail=N|N%]", value_parser = halt)]
    pub halt: Option<Halt>,

    /// What tasks are kept in beside their groups: none, or a PID namespace, which ends with all
    /// in it even when saferun and its guard are killed at once [default: none]
    #[arg(long, value_enum, value_name = "KIND", hide_short_help = true)]
    pub isolate: Option<IsolateArg>,

    /// Whether to move to a systemd scope of its own where others share our control group, as in
    /// a terminal: never, or auto (cgroup v2) [default: never]
    #[arg(long, value_enum, value_name = "WHEN", hide_short_help = true)]
    pub scope: Option<ScopeArg>,

    /// Take the settings of this profile where nothing else sets them: development, production,
    /// aggressive, ram, or one of a saferun.toml
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,

    /// Read no settings from variables and files
    #[arg(long, hide_short_help = true)]
    pub ignore_config: bool,
}

/// `--strategy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// As many as memory allows at every moment (with -j)
    Continuous,
    /// In batches of twice -j, with memory given back and measured between them
    Batch,
    /// One by one
    Sequential,
    /// As many as -j says, whatever memory says: unsafe, for comparison
    Unlimited,
}

/// `--preempt`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreemptArg {
    /// Only so that the oldest task can go on
    Last,
    /// Whenever ending costs less than waiting: for pure work such as compressing or compiling
    Eager,
    /// Never: a task starts only if all it may need is free
    Never,
}

/// `--isolate`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolateArg {
    /// Nothing
    None,
    /// A PID namespace with a /proc of its own, whose first process is the guard
    Pid,
}

/// `--scope`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    /// Never
    Never,
    /// Where that is what keeps us from limiting memory, and systemd can be asked for one
    Auto,
}
