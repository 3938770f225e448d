//! The `saferun` command.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The guard of a run is this same program. It comes first, before anything is opened or much
    // is allocated: descriptors have been left to it under agreed numbers, and it lives as long
    // as the run.
    let mut arguments = std::env::args_os().skip(1);
    if arguments
        .next()
        .is_some_and(|first| first == saferun_cli::GUARD_MODE)
    {
        let rest: Vec<OsString> = arguments.collect();
        return saferun_executor::guard::main(&rest);
    }
    saferun_cli::main().into()
}
