//! The steps: which there are, which are asked for, what they did.

use saferun_memory::Roots;
use saferun_memory::reclaim::{
    About, Allocator, Measured, Outcome, PageCache, Prospect, Step, measured,
};

use super::args::Args;

/// A step with what it would do.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, needs and costs.
    pub(super) about: About,
    /// What it would do now.
    pub(super) prospect: Prospect,
}

/// A step with what it did.
#[derive(Debug)]
pub(super) struct Done {
    /// Its name.
    pub(super) name: &'static str,
    /// What it does, needs and costs.
    pub(super) about: About,
    /// What came of it.
    pub(super) measured: Measured,
}

impl Done {
    /// Whether it went wrong; that something isn't there or not permitted is no failure.
    pub(super) fn failed(&self) -> bool {
        matches!(self.measured.taken.outcome, Outcome::Failed { .. })
    }
}

/// The steps that were asked for, in the order in which they are taken.
pub(super) fn chosen(args: &Args, roots: &Roots) -> Vec<Box<dyn Step>> {
    let all: [Box<dyn Step>; 2] = [Box::new(Allocator), Box::new(PageCache::new(roots))];
    let named = |list: &[String], name: &str| list.iter().any(|word| word == name);
    all.into_iter()
        .filter(|step| args.only.is_empty() || named(&args.only, step.name()))
        .filter(|step| !named(&args.skip, step.name()))
        .collect()
}

/// Looks at each, changing nothing.
pub(super) fn plan(steps: &mut [Box<dyn Step>]) -> Vec<Planned> {
    steps
        .iter_mut()
        .map(|step| Planned {
            name: step.name(),
            about: step.about(),
            prospect: step.look(),
        })
        .collect()
}

/// Takes each.
pub(super) fn take(steps: &mut [Box<dyn Step>], roots: &Roots) -> Vec<Done> {
    steps
        .iter_mut()
        .map(|step| Done {
            name: step.name(),
            about: step.about(),
            measured: measured(step.as_mut(), roots),
        })
        .collect()
}
