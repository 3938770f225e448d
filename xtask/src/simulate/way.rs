//! The ways to run a list of tasks that are compared.

use std::num::NonZeroUsize;

use clap::ValueEnum;
use saferun_scheduler::{Order, Preempt, Strategy};
use serde::Serialize;

/// [`Preempt`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Grade {
    Last,
    Eager,
    Never,
}

impl Grade {
    pub(crate) const ALL: [Self; 3] = [Self::Last, Self::Eager, Self::Never];

    pub(crate) fn preempt(self) -> Preempt {
        match self {
            Self::Last => Preempt::Last,
            Self::Eager => Preempt::Eager,
            Self::Never => Preempt::Never,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Eager => "eager",
            Self::Never => "never",
        }
    }
}

/// The strategies that keep within a budget, as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Admitted {
    Continuous,
    Batch,
    Sequential,
}

impl Admitted {
    pub(crate) fn strategy(self) -> Strategy {
        match self {
            Self::Continuous => Strategy::Continuous,
            Self::Batch => Strategy::Batch,
            Self::Sequential => Strategy::Sequential,
        }
    }
}

/// [`Order`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tried {
    Longest,
    Fifo,
}

impl Tried {
    pub(crate) fn order(self) -> Order {
        match self {
            Self::Longest => Order::Longest,
            Self::Fifo => Order::Fifo,
        }
    }
}

/// A row of a table: the scheduler as somebody may configure it, or one who knows everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Scheduled(Scheduled),
    /// A packer that knows all curves beforehand and never ends anything.
    Clairvoyant,
}

/// How the scheduler is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scheduled {
    pub(crate) admitted: Admitted,
    pub(crate) grade: Grade,
    pub(crate) jobs: Option<NonZeroUsize>,
    /// By how many percent its hints are off; it has none without.
    pub(crate) warm: Option<u32>,
}

impl Way {
    pub(crate) const fn continuous(grade: Grade, warm: Option<u32>) -> Self {
        Self::Scheduled(Scheduled {
            admitted: Admitted::Continuous,
            grade,
            jobs: None,
            warm,
        })
    }

    pub(crate) const fn sequential() -> Self {
        Self::Scheduled(Scheduled {
            admitted: Admitted::Sequential,
            grade: Grade::Last,
            jobs: None,
            warm: None,
        })
    }

    /// The old rule: batches of twice so many, one after the other.
    pub(crate) const fn batch(jobs: usize) -> Self {
        Self::Scheduled(Scheduled {
            admitted: Admitted::Batch,
            grade: Grade::Last,
            jobs: NonZeroUsize::new(jobs),
            warm: None,
        })
    }

    /// All that are compared where nothing else was asked for.
    pub(crate) fn all(warm: &[u32]) -> Vec<Self> {
        let mut all = vec![Self::sequential(), Self::batch(2), Self::batch(3)];
        all.extend(Grade::ALL.map(|grade| Self::continuous(grade, None)));
        for &off in warm {
            all.extend(Grade::ALL.map(|grade| Self::continuous(grade, Some(off))));
        }
        all.push(Self::Clairvoyant);
        all
    }

    /// As a table names it.
    pub(crate) fn name(&self) -> String {
        let Self::Scheduled(way) = self else {
            return "clairvoyant".to_owned();
        };
        let mut name = match way.admitted {
            Admitted::Sequential => "sequential".to_owned(),
            Admitted::Batch => "batch".to_owned(),
            Admitted::Continuous => match way.warm {
                None => format!("cold {}", way.grade.name()),
                Some(off) => format!("warm {off} % {}", way.grade.name()),
            },
        };
        if let Some(jobs) = way.jobs {
            name.push_str(&format!(" N={jobs}"));
        }
        name
    }
}
