//! The syntax of `memory-cleanup`.

use clap::Parser;

/// The steps that there are, in the order in which they are taken: the cheapest first.
pub(super) const STEPS: [&str; 2] = ["allocator", "page-cache"];

const EXAMPLES: &str = "\
EXAMPLES
  memory-cleanup                          where the memory is, and what could be given back
  memory-cleanup --force                  give back what can safely be given back
  memory-cleanup --force --dry-run        what exactly that would do

EXIT STATUS
  0 done (also when there was nothing to gain)   1 something failed   2 usage";

/// Tell where memory went, and give back what can safely be given back.
///
/// Without --force nothing is changed.
#[derive(Debug, Parser)]
#[command(name = "memory-cleanup", version, after_long_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Args {
    /// Give memory back, and say what that brought
    #[arg(long)]
    pub(super) force: bool,
    /// Print what would be done and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Answer as one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Take only these steps
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = STEPS)]
    pub(super) only: Vec<String>,
    /// Leave these steps out
    #[arg(long, value_name = "STEPS", value_delimiter = ',', value_parser = STEPS)]
    pub(super) skip: Vec<String>,
}
