//! The guard's entry into a run.

use std::ffi::OsString;
use std::io::Write;

use saferun_executor::guard::{self, Role};
use saferun_executor::{GuardProgram, Isolation};

use super::scope;
use crate::GUARD_MODE;
use crate::exit::Exit;
use crate::settings::{JsonTarget, RunSettings};

/// Which of the two this process is.
#[derive(Debug)]
pub(crate) enum Guarded {
    /// The runner; this starts its guard where none is above it.
    Runner(GuardProgram),
    /// The guard, and the run is over.
    Ended(Exit),
}

/// Puts a guard above the run where that is what contains it, in a scope of its own if that is
/// asked for. To be called while this process has no threads and nothing open.
pub(crate) fn enter(settings: &RunSettings) -> Guarded {
    if let Some(text) = scope::settle(settings.scope)
        && settings.json != Some(JsonTarget::Stderr)
    {
        let _ = writeln!(std::io::stderr(), "saferun: {text}");
    }
    let program = GuardProgram {
        program: OsString::from("/proc/self/exe"),
        args: vec![OsString::from(GUARD_MODE)],
    };
    if settings.isolation == Isolation::Pid {
        // Its guard is the first process of the tasks' namespace, below us.
        return Guarded::Runner(program);
    }
    match guard::enter(settings.containment, &program) {
        Ok(Role::Runner) => Guarded::Runner(program),
        Ok(Role::Ended(code)) => Guarded::Ended(Exit::Relayed(code)),
        Err(error) => {
            // A guard below the runner still ends what the run leaves, found by its marks.
            let _ = writeln!(
                std::io::stderr(),
                "saferun: no guard above the run: {error}"
            );
            Guarded::Runner(program)
        }
    }
}
