//! The same load while one thing changes.

use clap::ValueEnum;

use super::load::Load;
use super::measure::{Case, Conditions, Line, measure};
use super::way::{Grade, Way};

/// What changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sweep {
    /// The budget, in parts of the load's own
    Budget,
    /// How much peaks differ, in parts of how much they do (none above 0.95 of the budget)
    Spread,
    /// By how many percent hints are off
    Error,
}

impl Sweep {
    fn values(self) -> &'static [f64] {
        match self {
            Self::Budget => &[0.6, 0.8, 1.0, 1.5, 2.0, 4.0],
            Self::Spread => &[0.0, 0.5, 1.0, 1.5, 2.0],
            Self::Error => &[0.0, 5.0, 10.0, 20.0, 30.0, 50.0, 100.0],
        }
    }

    fn ways(self, value: f64) -> Vec<Way> {
        let warm = match self {
            Self::Error => value as u32,
            Self::Budget | Self::Spread => 10,
        };
        let mut ways = Vec::new();
        if self != Self::Error {
            ways.extend([Grade::Last, Grade::Eager].map(|grade| Way::continuous(grade, None)));
        }
        ways.extend(Grade::ALL.map(|grade| Way::continuous(grade, Some(warm))));
        ways.push(Way::Clairvoyant);
        ways
    }
}

/// Measures at each value and hands each line with its value to `each`.
pub(crate) fn sweep(
    load: &Load,
    sweep: Sweep,
    conditions: &Conditions,
    mut each: impl FnMut(f64, Line),
) {
    let mut cases = Vec::new();
    for &value in sweep.values() {
        let mut load = load.clone();
        match sweep {
            Sweep::Budget => load.budget *= value,
            Sweep::Spread => load.spread = value,
            Sweep::Error => {}
        }
        if cases.is_empty() || sweep != Sweep::Error {
            cases = Case::all(&load, conditions);
        }
        for way in sweep.ways(value) {
            each(value, measure(&load, &cases, way, conditions));
        }
    }
}
