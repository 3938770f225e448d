//! The `saferun` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    saferun_cli::main().into()
}
