//! The syntax of `saferun artifacts`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Everything after `saferun artifacts`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsArgs {
    /// What is to be done.
    #[command(subcommand)]
    pub command: ArtifactsCommand,
}

/// Which session is meant.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// The session [default: the one that this agent works in, else the latest]
    #[arg(long, value_name = "SESSION")]
    pub session: Option<String>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// The commands of `saferun artifacts`.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List sessions, the latest first
    List {
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a session with its agents, or one agent with a digest of what it wrote
    Show {
        /// A session, an agent, or both
        #[arg(value_name = "SESSION|AGENT")]
        names: Vec<String>,
        /// Which session.
        #[command(flatten)]
        session: SessionArgs,
    },
    /// Print the directory of a session or of an agent
    Path {
        /// A session, an agent, or both
        #[arg(value_name = "SESSION|AGENT")]
        names: Vec<String>,
        /// Which session.
        #[command(flatten)]
        session: SessionArgs,
    },
    /// Print a part of what an agent wrote
    Slice {
        /// The agent, after its session if that is not the latest
        #[arg(value_name = "AGENT", required = true)]
        names: Vec<String>,
        /// A file in its folder
        #[arg(long, value_name = "FILE", default_value = "stdout")]
        file: PathBuf,
        /// These lines, counted from 1: 100-200, 100- or 7
        #[arg(long, value_name = "FROM-TO", value_parser = lines, conflicts_with_all = ["grep", "errors"])]
        lines: Option<(u64, u64)>,
        /// Lines that match a regular expression, with their numbers
        #[arg(
            long,
            value_name = "RE",
            allow_hyphen_values = true,
            conflicts_with = "errors"
        )]
        grep: Option<String>,
        /// Lines that say that something went wrong, with their numbers
        #[arg(long)]
        errors: bool,
        /// Which session.
        #[command(flatten)]
        session: SessionArgs,
    },
    /// Add to the session's decisions or knowledge, for the agents that follow
    Note {
        /// What it is about
        #[arg(value_parser = ["decisions", "knowledge"])]
        kind: String,
        /// The note
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<OsString>,
        /// Which session.
        #[command(flatten)]
        session: SessionArgs,
    },
    /// Remove old sessions; those in use are kept
    Prune {
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Answer as JSON
        #[arg(long)]
        json: bool,
    },
}

/// `100-200`, `100-` or `7`.
fn lines(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number > 0);
    let range = match text.split_once('-') {
        None => number(text).map(|number| (number, number)),
        Some((from, "")) => number(from).map(|from| (from, u64::MAX)),
        Some((from, to)) => number(from).zip(number(to)),
    };
    range
        .filter(|(from, to)| from <= to)
        .ok_or_else(|| String::from("a range such as 100-200, from 1 on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_lines() {
        assert_eq!(lines("100-200"), Ok((100, 200)));
        assert_eq!(lines("7"), Ok((7, 7)));
        assert_eq!(lines("7-"), Ok((7, u64::MAX)));
        for bad in ["", "-", "-5", "0", "0-3", "5-2", "a-b", "1-2-3"] {
            assert!(lines(bad).is_err(), "{bad}");
        }
    }
}
