//! What is read for the answer, each figure once.

use std::num::NonZeroUsize;

use saferun_executor::{BudgetBinding, Containment, LEAST_BUDGET, Survey};
use saferun_memory::{
    Holder, MachineReading, Pressure, PressureReader, Roots, SessionUse, session_use, top_holders,
};

use super::admissions;
use super::tiers::Tiers;
use crate::args::{ScopeArg, SettingsArgs};
use crate::command::scope;
use crate::error::{CliError, plain};
use crate::settings::{Configuration, Key, Source};

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
    /// The settings that somebody has made, or what is wrong with one.
    pub(super) settings: Result<Vec<Setting>, String>,
    /// What a run would do.
    pub(super) plan: Plan,
    /// Which containment could be had.
    pub(super) tiers: Tiers,
}

/// A setting that somebody has made.
#[derive(Debug)]
pub(super) struct Setting {
    /// Its name.
    pub(super) name: &'static str,
    /// Its value, as a file would hold it.
    pub(super) value: serde_json::Value,
    /// Where it comes from.
    pub(super) source: String,
}

/// What `saferun run -j auto` would do now.
#[derive(Debug)]
pub(super) struct Plan {
    /// The containment.
    pub(super) containment: String,
    /// Whether growth stops at the budget by itself.
    pub(super) hard_limit: bool,
    /// What is missing, and what would improve it.
    pub(super) notes: Vec<String>,
    /// What all tasks together could use, in bytes.
    pub(super) budget_bytes: u64,
    /// What the budget follows from.
    pub(super) binding: BudgetBinding,
    /// What would be left free for everything else, in bytes.
    pub(super) reserve_bytes: u64,
    /// How far below the budget growth begins to be held back, in bytes.
    pub(super) brake_margin_bytes: u64,
    /// The number of cores.
    pub(super) cores: NonZeroUsize,
    /// How many unknown tasks would be started at once.
    pub(super) first_starts: usize,
}

impl Facts {
    /// Reads all of it. Without the first figures there is no answer; the others may be unknown.
    pub(super) fn gather() -> Result<Self, CliError> {
        let configuration = Configuration::gather(&SettingsArgs::default());
        let (memory, reserve) = match &configuration {
            Ok(configuration) => configuration.amounts(),
            Err(_) => (None, None),
        };
        let survey =
            saferun_executor::survey(Containment::Best, memory, reserve).map_err(CliError::Run)?;
        let roots = Roots::default();
        let pressure = PressureReader::machine(&roots)
            .and_then(|reader| reader.map_or(Ok(None), |reader| reader.read()))
            .unwrap_or(None);
        Ok(Self {
            holders: top_holders(HOLDERS).map_err(|error| error.to_string()),
            session: session_use(&roots).map_err(|error| error.to_string()),
            pressure,
            settings: match &configuration {
                Ok(configuration) => Ok(configuration.made().map(Setting::of).collect()),
                Err(error) => Err(error.to_string()),
            },
            plan: Plan::of(&survey),
            tiers: tiers(
                configuration
                    .ok()
                    .and_then(|configuration| configuration.layer.scope)
                    .map_or(ScopeArg::Never, |scope| scope.value),
                &survey,
            ),
            reading: survey.reading,
        })
    }
}

fn tiers(scope: ScopeArg, survey: &Survey) -> Tiers {
    let facts = scope::Facts {
        group: survey.group.clone(),
        ..scope::Facts::gather(scope)
    };
    let if_asked = scope::Facts {
        asked: true,
        ..facts.clone()
    };
    Tiers {
        taken: survey.tier,
        group: survey.group.clone(),
        isolation: survey
            .isolation
            .clone()
            .map_err(|why| plain(&why.to_string())),
        scope: scope::decide(&facts),
        scope_if_asked: scope::decide(&if_asked),
    }
}

impl Setting {
    fn of((key, value, source): (Key, serde_json::Value, &Source)) -> Self {
        Self {
            name: key.name(),
            value,
            source: source.to_string(),
        }
    }
}

impl Plan {
    fn of(survey: &Survey) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let budget_bytes = survey.budget.limit_bytes;
        let usable = budget_bytes.saturating_sub(survey.brake_margin_bytes);
        Self {
            containment: survey.tier.to_string(),
            hard_limit: survey.hard_limit,
            notes: survey.notes.iter().map(|note| plain(note)).collect(),
            budget_bytes,
            binding: survey.budget.binding,
            reserve_bytes: survey.budget.reserve_bytes,
            brake_margin_bytes: survey.brake_margin_bytes,
            cores,
            first_starts: if usable < LEAST_BUDGET {
                0
            } else {
                admissions::first(usable, survey.hard_limit, cores)
            },
        }
    }
}
