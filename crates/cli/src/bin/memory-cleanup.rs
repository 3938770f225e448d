//! The `memory-cleanup` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    saferun_cli::memory_cleanup()
}
