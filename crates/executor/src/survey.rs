//! What a run would find here and do, without running anything.

use saferun_memory::{Amount, Machine, MachineReading, Roots};

use crate::RunError;
use crate::brake::{Brake, BrakeParams};
use crate::budget::{Budget, BudgetRules, BudgetTracker};
use crate::options::Containment;
use crate::run_id::RunId;
use crate::slot::Tier;

/// What a run would find here.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The containment that would be used.
    pub tier: Tier,
    /// What is missing here, and what would improve it.
    pub notes: Vec<String>,
    /// Whether growth would stop at the budget by itself.
    pub hard_limit: bool,
    /// How far below the budget the brake begins to hold growth, in bytes.
    pub brake_margin_bytes: u64,
    /// What the machine and the limits above us say.
    pub reading: MachineReading,
    /// What follows from it for all tasks together.
    pub budget: Budget,
}

/// Finds out what a run with these settings would find here. Where control groups can be made,
/// a group is made for a moment, since nothing else proves that it can.
///
/// # Errors
///
/// Memory can't be read, or not even process trees can be had.
pub fn survey(
    containment: Containment,
    memory: Option<Amount>,
    reserve: Option<Amount>,
) -> Result<Survey, RunError> {
    let system = |cause| RunError::System {
        what: "tasks can't be contained",
        cause,
    };
    let (mut slots, _) = crate::guard::open(containment, &RunId::new(), None).map_err(system)?;
    let hard_limit = slots.has_hard_limit();
    let mut rules = BudgetTracker::new(BudgetRules {
        configured: memory,
        reserve,
        hard_limit,
    });
    let reading = Machine::open(&Roots::default())?.read()?;
    let brake_margin_bytes = Brake::new(BrakeParams::of_tier(hard_limit)).margin_bytes();
    let survey = Survey {
        tier: slots.tier(),
        notes: slots.notes(),
        hard_limit,
        brake_margin_bytes,
        budget: rules.update(&reading, 0, brake_margin_bytes),
        reading,
    };
    slots.shutdown().map_err(system)?;
    Ok(survey)
}
