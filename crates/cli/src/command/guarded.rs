//! The guard's entry into a run.

use saferun_executor::{Containment, GuardProgram};

use crate::error::CliError;
use crate::exit::Exit;

/// Which of the two this process is, once the guard has been entered.
#[derive(Debug)]
pub(super) enum Guarded {
    /// The runner; it starts this guard, if there is one to start.
    Runner(Option<GuardProgram>),
    /// The guard, and the run is over.
    #[expect(
        dead_code,
        reason = "the guard becomes the tasks' ancestor where there are no groups"
    )]
    Ended(Exit),
}

/// Takes whatever has to be arranged before the run begins.
///
/// # Errors
///
/// The system refused.
pub(super) fn enter(_: Containment) -> Result<Guarded, CliError> {
    Ok(Guarded::Runner(None))
}
