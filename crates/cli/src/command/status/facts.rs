//! What is read for the answer, each figure once.

use std::num::NonZeroUsize;

use saferun_executor::Containment;
use saferun_memory::{
    Holder, Machine, MachineReading, Pressure, PressureReader, ReadError, Roots, SessionUse,
    session_use, top_holders,
};

use super::admissions;
use crate::error::CliError;

/// So many of those who hold memory are named.
const HOLDERS: usize = 5;

/// Everything that the answer is made of.
#[derive(Debug)]
pub(super) struct Facts {
    /// What memory there is.
    pub(super) reading: MachineReading,
    /// Who holds it, or why that can't be told.
    pub(super) holders: Result<Vec<Holder>, String>,
    /// What this session holds, or why that can't be told.
    pub(super) session: Result<SessionUse, String>,
    /// Who waits for memory; `None` where the kernel doesn't say.
    pub(super) pressure: Option<Pressure>,
    /// What a run would do.
    pub(super) plan: Plan,
}

/// What `saferun run -j auto` would do now.
#[derive(Debug)]
pub(super) struct Plan {
    /// The containment.
    pub(super) containment: String,
    /// Whether growth stops at the budget by itself.
    pub(super) brake: bool,
    /// What is missing, and what would improve it.
    pub(super) notes: Vec<String>,
    /// What all tasks together could use, in bytes.
    pub(super) budget_bytes: u64,
    /// What would be left free for everything else, in bytes.
    pub(super) reserve_bytes: u64,
    /// The budget if nobody else used memory, in bytes.
    pub(super) undisturbed_bytes: u64,
    /// The number of cores.
    pub(super) cores: NonZeroUsize,
    /// How many unknown tasks would be started at once.
    pub(super) first_starts: usize,
}

impl Facts {
    /// Reads all of it. Without the first figures there is no answer; the others may be unknown.
    pub(super) fn gather() -> Result<Self, CliError> {
        let roots = Roots::default();
        let failed = |error: ReadError| CliError::Run(error.into());
        let reading = Machine::open(&roots)
            .and_then(|mut m| m.read())
            .map_err(failed)?;
        let pressure = PressureReader::machine(&roots)
            .and_then(|reader| reader.map_or(Ok(None), |reader| reader.read()))
            .unwrap_or(None);
        Ok(Self {
            holders: top_holders(HOLDERS).map_err(|error| error.to_string()),
            session: session_use(&roots).map_err(|error| error.to_string()),
            pressure,
            plan: plan(Containment::Best, &reading)?,
            reading,
        })
    }
}

/// Asks the executor.
fn plan(_: Containment, reading: &MachineReading) -> Result<Plan, CliError> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let reserve_bytes = (reading.total_bytes / 20).max(64 << 20);
    let budget_bytes = reading.room_bytes().saturating_sub(reserve_bytes);
    let undisturbed_bytes = reading.limit_bytes().saturating_sub(reserve_bytes);
    Ok(Plan {
        containment: String::from("process trees"),
        brake: false,
        notes: Vec::new(),
        budget_bytes,
        reserve_bytes,
        undisturbed_bytes,
        cores,
        first_starts: admissions::first(budget_bytes, undisturbed_bytes, false, cores),
    })
}
