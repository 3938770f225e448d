//! The syntax of `saferun run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::settings::SettingsArgs;

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
  -f FILE       no items but whole tasks, in TOML: docs/task-files.md
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
    override_usage = "saferun run [OPTIONS] [--] COMMAND [ARG|{}]... [::: ITEM...]\n       saferun run [OPTIONS] -f FILE"
)]
pub(crate) struct RunArgs {
    /// The command, its arguments, and the items after :::
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<OsString>,

    /// The choices that may also stand in variables and files.
    #[command(flatten)]
    pub settings: SettingsArgs,

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

    /// Run the tasks of a file in TOML, each with its own rights, some after others (- is standard
    /// input)
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Items end with a NUL byte, not with a line end; without -a they come from standard input
    #[arg(short = '0', long = "null")]
    pub null: bool,

    /// Which waiting tasks are tried first: those that took longest in earlier runs, or in the
    /// order given [default: longest]
    #[arg(long, value_enum, value_name = "ORDER", hide_short_help = true)]
    pub order: Option<OrderArg>,

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

/// `--order`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrderArg {
    /// The longest first, as far as the history knows; shorter ones fill what is left
    Longest,
    /// The first first; a later one starts before it only where it does not fit
    Fifo,
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
