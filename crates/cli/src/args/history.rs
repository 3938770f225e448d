//! The syntax of `saferun history`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use saferun_history::store::Retention;

/// `saferun history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: HistoryCommand,
}

/// The commands of `saferun history`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List earlier attempts, oldest first
    List {
        /// Only those whose command holds this text
        text: Option<String>,
        /// Only the latest N [default: 50; with --json all]
        #[arg(short = 'n', long, value_name = "N")]
        last: Option<usize>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of one attempt
    Show {
        /// Its number in the list
        id: i64,
        /// Answer as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Say what would be set aside for a command, and why
    Explain {
        /// The command; an item after ::: takes the place of {}
        #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
        command: Vec<OsString>,
        /// Answer as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove attempts
    Forget {
        /// Those whose command holds this text
        text: Option<String>,
        /// This one
        #[arg(long, value_name = "ID", conflicts_with = "text")]
        id: Option<i64>,
        /// All of them
        #[arg(long, conflicts_with_all = ["text", "id"])]
        all: bool,
        /// Answer as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove attempts that are too old or too many, and give space back
    Prune {
        /// Keep the latest N
        #[arg(long, value_name = "N", default_value_t = Retention::MOST_ROWS)]
        keep: u64,
        /// Keep those of the last DAYS [default: the setting history_days, 365]
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
        /// Answer as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write all attempts as lines of JSON
    Export {
        /// Where to; standard output without
        file: Option<PathBuf>,
    },
    /// Add attempts from lines of JSON, as export writes them
    Import {
        /// Where from; - is standard input
        file: PathBuf,
        /// Answer as one JSON object
        #[arg(long)]
        json: bool,
    },
}
