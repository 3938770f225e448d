//! What a run would find here and do, without running anything.

use saferun_memory::{Amount, Machine, MachineReading, OwnGroups, Roots};

use crate::RunError;
use crate::brake::{Brake, BrakeParams};
use crate::budget::{Budget, BudgetRules, BudgetTracker};
use crate::guard::IsolationError;
use crate::options::Containment;
use crate::run_id::RunId;
use crate::slot::{Tier, v1, v2};

/// What a run would find here.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The containment that would be used.
    pub tier: Tier,
    /// What is missing here, and what would improve it.
    pub notes: Vec<String>,
    /// Our own group, from which follows which containment can be had.
    pub group: GroupStanding,
    /// Why tasks can't be isolated, if so.
    pub isolation: Result<(), IsolationError>,
    /// Whether growth would stop at the budget by itself.
    pub hard_limit: bool,
    /// How far below the budget the brake begins to hold growth, in bytes.
    pub brake_margin_bytes: u64,
    /// What the machine and the limits above us say.
    pub reading: MachineReading,
    /// What follows from it for all tasks together.
    pub budget: Budget,
}

/// How things stand with our own control group, as far as they can be told without making one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStanding {
    /// Why groups of cgroup v2 can't be had in it, if so.
    pub v2: Result<(), String>,
    /// Why memory groups of cgroup v1 can't be had in it, if so.
    pub v1: Result<(), String>,
    /// Whether the memory controller is, or may be, in the unified tree.
    pub unified_memory: bool,
    /// The controllers of the unified tree that are handed down to it.
    pub controllers: Vec<String>,
}

impl GroupStanding {
    /// As they stand now.
    pub fn read() -> Self {
        match OwnGroups::read(&Roots::default()) {
            Ok(own) => Self {
                v2: match &own.memory_v1 {
                    Some(_) => Err(
                        "the memory controller is in a tree of its own, that of cgroup v1".into(),
                    ),
                    None => v2::home::usable(own.unified.as_ref()).map(drop),
                },
                v1: v1::usable(&own).map(drop),
                unified_memory: own.memory_v1.is_none() && own.unified.is_some(),
                controllers: own.unified.map(|own| own.controllers).unwrap_or_default(),
            },
            Err(error) => Self {
                v2: Err(error.to_string()),
                v1: Err(error.to_string()),
                unified_memory: false,
                controllers: Vec::new(),
            },
        }
    }
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
    // First, as a run in it changes it.
    let group = GroupStanding::read();
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
        group,
        isolation: crate::guard::probe(),
        hard_limit,
        brake_margin_bytes,
        budget: rules.update(&reading, 0, brake_margin_bytes),
        reading,
    };
    slots.shutdown().map_err(system)?;
    Ok(survey)
}
