//! The steps: which there are, which are asked for, what they did.

use saferun_memory::reclaim::{
    About, Allocator, Jvm, Measured, Node, Outcome, PageCache, PageOut, Prospect, Step, Taken,
    measured, room,
};
use saferun_memory::{Census, Roots, show};

use super::args::Args;
use super::artifacts::Artifacts;
use super::history::History;
use super::tmpfs::Tmpfs;

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
pub(super) fn chosen(
    args: &Args,
    signal_node: bool,
    census: Option<&Census>,
    roots: &Roots,
) -> Vec<Box<dyn Step>> {
    let mut node = Node::new(roots, signal_node);
    let mut jvm = Jvm::new(roots);
    if let Some(census) = census {
        node = node.seen_in(census);
        jvm = jvm.seen_in(census);
    }
    let named = |list: &[String], name: &str| list.iter().any(|word| word == name);
    // In the order of `args::STEPS`.
    let all: [Box<dyn Step>; 8] = [
        Box::new(Allocator),
        Box::new(Tmpfs::new(roots)),
        Box::new(Artifacts),
        Box::new(History::new()),
        Box::new(node),
        Box::new(jvm),
        Box::new(PageCache::new(roots)),
        Box::new(PageOut::new(roots, named(&args.only, "page-out"))),
    ];
    all.into_iter()
        .filter(|step| args.only.is_empty() || named(&args.only, step.name()))
        .filter(|step| !named(&args.skip, step.name()))
        .collect()
}

/// Looks at each, changing nothing.
pub(super) fn plan(steps: &mut [Box<dyn Step>], args: &Args, roots: &Roots) -> Vec<Planned> {
    steps
        .iter_mut()
        .map(|step| Planned {
            name: step.name(),
            about: step.about(),
            prospect: match enough(args.target, roots) {
                Some(outcome) => Prospect::none(outcome),
                None => step.look(),
            },
        })
        .collect()
}

/// Takes each, until enough can be used.
pub(super) fn take(steps: &mut [Box<dyn Step>], args: &Args, roots: &Roots) -> Vec<Done> {
    steps
        .iter_mut()
        .map(|step| Done {
            name: step.name(),
            about: step.about(),
            measured: match enough(args.target, roots) {
                Some(outcome) => Measured {
                    taken: Taken::not(outcome),
                    room_before_bytes: None,
                    room_after_bytes: None,
                },
                None => measured(step.as_mut(), roots),
            },
        })
        .collect()
}

/// That the target is reached, if there is one and it is.
fn enough(target_bytes: Option<u64>, roots: &Roots) -> Option<Outcome> {
    let target = target_bytes?;
    let room = room(roots).ok()?;
    (room >= target).then(|| {
        Outcome::nothing(format!(
            "{} can be used, the target is {}",
            show(room),
            show(target)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cleanup::args::STEPS;
    use clap::Parser;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let args = Args::parse_from([&["memory-cleanup"], arguments].concat());
        let steps = chosen(&args, false, None, &Roots::default());
        steps.iter().map(|step| step.name()).collect()
    }

    #[test]
    fn steps_are_chosen_by_name_and_taken_in_their_order() {
        assert_eq!(names(&[]), STEPS);
        assert_eq!(names(&["--only", "jvm,allocator"]), ["allocator", "jvm"]);
        assert_eq!(names(&["--only", "jvm,node", "--skip", "jvm"]), ["node"]);
    }

    #[test]
    fn nothing_is_done_once_enough_can_be_used() {
        let args = Args::parse_from(["memory-cleanup", "--target", "1"]);
        let roots = Roots::default();
        let mut steps = chosen(&args, false, None, &roots);
        for done in take(&mut steps, &args, &roots) {
            let outcome = done.measured.taken.outcome;
            assert!(
                matches!(outcome, Outcome::NothingToGain { .. }),
                "{outcome:?}"
            );
        }
    }
}
