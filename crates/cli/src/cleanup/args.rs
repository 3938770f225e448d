//! The syntax of `memory-cleanup`.

use std::path::PathBuf;

use clap::Parser;
use saferun_memory::parse_size;

/// The steps that there are, in the order in which they are taken: the cheapest first.
pub(super) const STEPS: [&str; 8] = [
    "allocator",
    "tmpfs",
    "artifacts",
    "history",
    "node",
    "jvm",
    "page-cache",
    "page-out",
];

const EXAMPLES: &str = "\
STEPS, in this order
  allocator    free memory that our own allocator keeps
  tmpfs        files in memory that dead saferun processes have left
  artifacts    what expired of what agents have made
  history      what expired of the record of earlier runs
  node         garbage of Node processes of ours whose inspector listens
  jvm          garbage of Java programs of ours
  page-cache   file contents that are kept in memory
  page-out     memory of idle programs of ours, where there is swap

EXAMPLES
  memory-cleanup                          where the memory is, and what could be given back
  memory-cleanup --force                  give back what can safely be given back
  memory-cleanup --force --dry-run        what exactly that would do
  memory-cleanup --force --skip page-cache
  memory-cleanup --leftovers              end what dead runs, agents and editors left behind

EXIT STATUS
  0 done (also when there was nothing to gain)   1 something failed   2 usage";

/// Tell where memory went, and give back what can safely be given back.
///
/// Without --force and --leftovers nothing is changed.
#[derive(Debug, Parser)]
#[command(name = "memory-cleanup", version, after_long_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Args {
    /// Give memory back, and say what that brought
    #[arg(long)]
    pub(super) force: bool,
    /// End what dead runs, agents and editors have left behind, after asking: all of it, or
    /// what is named by the number of its topmost process
    #[arg(long, value_name = "PID", num_args = 0.., require_equals = true, value_delimiter = ',')]
    pub(super) leftovers: Option<Vec<u32>>,
    /// Print exactly what would be done and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Answer as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Take only these steps (see --help)
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = STEPS)]
    pub(super) only: Vec<String>,
    /// Leave these steps out
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = STEPS)]
    pub(super) skip: Vec<String>,
    /// Stop as soon as so much can be used
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(super) target: Option<u64>,
    /// Open the inspector of Node processes that have none open, and close it again. Any program
    /// of this machine can run code in them meanwhile, and one that uses SIGUSR1 for itself does
    /// whatever it does then
    #[arg(long)]
    pub(super) signal_node: bool,
    /// Don't ask
    #[arg(long)]
    pub(super) yes: bool,
    /// Open the rows of those who hold memory: each process of a tree
    #[arg(long)]
    pub(super) tree: bool,
    /// Take the rules for leftovers from this file
    #[arg(long, value_name = "FILE")]
    pub(super) rules: Option<PathBuf>,
    /// Print a completion script for a shell and do nothing else
    #[arg(long, value_name = "SHELL", value_enum)]
    pub(super) completions: Option<clap_complete::Shell>,
}
