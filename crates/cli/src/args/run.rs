//! The syntax of `saferun run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use saferun_memory::Amount;
use saferun_scheduler::Halt;

use super::values::{Jobs, amount, count, duration, halt, jobs, positive_duration, size};

const EXAMPLES: &str = "\
COMMAND
  Several words run without a shell; {} is replaced by the item within each word, bytes unchanged.
  One quoted string with a blank in it runs under sh -c; there {} stands for one word and must not
  be quoted. Without {} the item is appended. Nothing an item contains can become code.

ITEMS
  ::: ITEM...   the rest of the command line
  -a FILE       the lines of a file (- is standard input)
  -0            records that end with NUL instead of lines
  {}            a COMMAND that holds {} reads standard input when none of the above is given
  no COMMAND    each line is itself a command line for sh -c; {} in it is left alone, and blank
                lines and comments are skipped
  Empty lines are no items; with -0 an empty record is one. A COMMAND with none of these runs once.

EXAMPLES
  saferun run -j auto xz -9 ::: *.tar
  saferun run -j auto --memory 80% -a files.txt convert {} {}.png
  saferun run -j auto 'sort {} | uniq -c > {}.counts' ::: *.txt
  seq 100 | saferun run -j 4 --retries 2 --timeout 2m ./simulate --seed {}
  saferun run --memory 2G make

EXIT STATUS
  0 everything succeeded   1 some task failed   2 usage   3 a task does not fit the budget
  130 interrupted          143 terminated       129 hung up";

/// Everything after `saferun run`.
#[derive(Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    override_usage = "saferun run [OPTIONS] [--] COMMAND [ARG|{}]... [::: ITEM...]"
)]
pub(crate) struct RunArgs {
    /// The command, its arguments, and the items after :::
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,

    /// How many tasks at once: a number, or auto to let memory and cores decide; without it, one
    /// by one
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

    /// How tasks are admitted
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub strategy: Option<StrategyArg>,

    /// How eagerly running tasks are ended to make room, and run again later
    #[arg(long, value_enum, value_name = "WHEN")]
    pub preempt: Option<PreemptArg>,

    /// Never run a task a second time to make room (it has side effects)
    #[arg(long)]
    pub no_restart: bool,

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

    /// Hand on the tasks' output in the order of the items
    #[arg(short, long)]
    pub keep_order: bool,

    /// Begin each line of output with the task's name and a tab
    #[arg(long)]
    pub tag: bool,

    /// Hand on output line by line as it comes, not task by task
    #[arg(long)]
    pub line_buffer: bool,

    /// Read items from a file, one a line (- is standard input)
    #[arg(short, long = "arg-file", value_name = "FILE")]
    pub arg_file: Option<PathBuf>,

    /// Items end with a NUL byte, not with a line end; without -a they come from standard input
    #[arg(short = '0', long = "null")]
    pub null: bool,

    /// Print the commands that would be run, and run none
    #[arg(long)]
    pub dry_run: bool,

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

/// `--strategy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// As many as memory allows at every moment (with -j)
    Continuous,
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

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// One line at the bottom, redrawn
    Bar,
    /// Lines on notable events, and one now and then
    Plain,
    /// Nothing but the summary
    None,
}

/// `--containment`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContainmentArg {
    /// The best that this machine offers
    Best,
    /// Process trees only, no control groups
    Tree,
}
