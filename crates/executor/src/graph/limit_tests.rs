//! Tasks that share places.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use proptest::prelude::*;
use saferun_scheduler::TaskId;

use super::Graph;
use crate::task::Limit;

fn limit(name: &str, most: usize) -> Limit {
    Limit {
        name: Arc::from(name),
        most: NonZeroUsize::new(most).unwrap(),
    }
}

#[test]
fn what_is_beyond_a_limit_waits_and_others_pass_it() {
    let mut graph = Graph::default();
    for task in 0..4 {
        graph
            .add_limited(TaskId(task), &[], &[limit("a", 2)])
            .unwrap();
    }
    graph.add_limited(TaskId(4), &[], &[limit("b", 1)]).unwrap();
    let handed: Vec<_> = std::iter::from_fn(|| graph.next_ready()).collect();
    assert_eq!(handed, [TaskId(0), TaskId(1), TaskId(4)]);
    assert_eq!(graph.waiting(), 2);
    // A failure gives its place back as well.
    graph.conclude(TaskId(1), false);
    assert_eq!(graph.next_ready(), Some(TaskId(2)));
    assert_eq!(graph.next_ready(), None);
    assert_eq!(graph.dissolve(), [TaskId(3)]);
    assert_eq!(graph.waiting(), 0);
}

proptest! {
    /// Whatever order tasks end in, no limit is passed, and all of them come out.
    #[test]
    fn no_limit_is_passed_and_nothing_is_forgotten(
        tasks in prop::collection::vec(
            (prop::collection::vec(0_u64..100, 0..3), prop::collection::btree_set(0_usize..3, 0..3)),
            0..60,
        ),
        most in prop::array::uniform3(1_usize..4),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 60),
        fails in prop::collection::vec(prop::bool::weighted(0.2), 60),
    ) {
        let names = ["a", "b", "c"];
        let mut graph = Graph::default();
        let mut skipped = 0;
        for (place, (ons, groups)) in (0..).zip(&tasks) {
            let ons: Vec<TaskId> = ons.iter().filter(|on| **on < place).map(|on| TaskId(*on)).collect();
            let limits: Vec<Limit> = groups.iter().map(|group| limit(names[*group], most[*group])).collect();
            graph.add_limited(TaskId(place), &ons, &limits).unwrap();
        }
        let (mut out, mut done) = (Vec::new(), 0);
        for (pick, fails) in picks.iter().zip(&fails) {
            while let Some(task) = graph.next_ready() {
                out.push(task);
            }
            let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
            for task in &out {
                for group in &tasks[task.0 as usize].1 {
                    *taken.entry(*group).or_default() += 1;
                }
            }
            for (group, count) in taken {
                prop_assert!(count <= most[group], "{count} of {}", names[group]);
            }
            if out.is_empty() {
                break;
            }
            let task = out.swap_remove(pick.index(out.len()));
            done += 1;
            skipped += graph.conclude(task, !fails).len();
        }
        prop_assert_eq!(done + skipped, tasks.len());
        prop_assert_eq!(graph.waiting(), 0);
    }
}
