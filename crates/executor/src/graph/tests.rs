use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use saferun_scheduler::TaskId;

use super::*;
use crate::task::{CommandSpec, Task};

/// What a task depends on, for lists without cycles whose order is not that of the list.
fn any_dag() -> impl Strategy<Value = Vec<Vec<usize>>> {
    (1_usize..40)
        .prop_flat_map(|count| {
            let rank = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
            let edges = prop::collection::vec((0..count, 0..count), 0..count * 3);
            (rank, edges)
        })
        .prop_map(|(rank, edges)| {
            let mut after = vec![Vec::new(); rank.len()];
            for (a, b) in edges {
                // Only from the higher rank to the lower, so there is no cycle.
                match rank[a].cmp(&rank[b]) {
                    std::cmp::Ordering::Greater => after[a].push(b),
                    std::cmp::Ordering::Less => after[b].push(a),
                    std::cmp::Ordering::Equal => {}
                }
            }
            after
        })
}

/// The slow and plain way: always the first of the list that misses nothing.
fn order_by_looking(after: &[Vec<usize>]) -> Vec<usize> {
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    while let Some(next) = (0..after.len())
        .find(|task| !done.contains(task) && after[*task].iter().all(|on| done.contains(on)))
    {
        done.insert(next);
        order.push(next);
    }
    order
}

fn ids(places: &[usize]) -> Vec<TaskId> {
    places.iter().map(|&place| TaskId(place as u64)).collect()
}

/// A dependency list whose order is already that of the list.
fn sorted(after: &[Vec<usize>]) -> Vec<Vec<TaskId>> {
    let order = order(after).unwrap();
    let place: BTreeMap<usize, usize> = order.iter().copied().zip(0..).collect();
    let renumbered = |old: &usize| after[*old].iter().map(|on| place[on]).collect::<Vec<_>>();
    order.iter().map(|old| ids(&renumbered(old))).collect()
}

/// Where a task is in the walk below.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Handed,
    Succeeded,
    Lost,
}

proptest! {
    #[test]
    fn the_order_is_the_first_possible(after in any_dag()) {
        let order = order(&after).unwrap();
        prop_assert_eq!(&order, &order_by_looking(&after));
        // What is in order already is left as it is.
        let again: Vec<Vec<usize>> = sorted(&after).iter()
            .map(|ons| ons.iter().map(|on| on.0 as usize).collect())
            .collect();
        let same: Vec<usize> = (0..again.len()).collect();
        prop_assert_eq!(super::order(&again).unwrap(), same);
    }

    #[test]
    fn a_cycle_is_shown_as_one(after in any_dag(), chain in prop::collection::vec(0_usize..40, 1..8)) {
        let mut after = after;
        let chain: Vec<usize> = chain.into_iter().map(|place| place % after.len()).collect();
        for (task, on) in chain.iter().zip(chain.iter().cycle().skip(1)) {
            after[*task].push(*on);
        }
        let Err(OrderError::Cycle(cycle)) = order(&after) else {
            return Err(TestCaseError::fail("no cycle was found"));
        };
        for (task, on) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            prop_assert!(after[*task].contains(on), "{task} is not after {on}: {cycle:?}");
        }
        let members: BTreeSet<_> = cycle.iter().collect();
        prop_assert_eq!(members.len(), cycle.len());
    }

    /// Tasks are drawn, handed out and concluded in any order that a run could bring about.
    #[test]
    fn each_task_comes_out_once_and_never_before_what_it_depends_on(
        after in any_dag(),
        steps in prop::collection::vec((0_u8..4, any::<prop::sample::Index>()), 0..200),
        dissolve_at in prop::option::of(0_usize..200),
    ) {
        let after = sorted(&after);
        let mut graph = Graph::default();
        let mut places: BTreeMap<TaskId, Place> = BTreeMap::new();
        let mut next = 0;
        let mut dissolved = false;
        let mut steps: Vec<(u8, Option<prop::sample::Index>)> =
            steps.into_iter().map(|(what, index)| (what, Some(index))).collect();
        // Whatever is left is done in the end.
        steps.extend((0..after.len() * 3).flat_map(|_| [(0, None), (1, None), (2, None)]));
        for (number, (what, index)) in steps.into_iter().enumerate() {
            if dissolve_at == Some(number) {
                for task in graph.dissolve() {
                    prop_assert_eq!(places.insert(task, Place::Lost), None);
                }
                dissolved = true;
            }
            match what {
                0 if next < after.len() => {
                    let task = TaskId(next as u64);
                    let ons = &after[next];
                    next += 1;
                    match graph.add(task, ons).unwrap() {
                        Admission::Ready if dissolved => {
                            prop_assert_eq!(places.insert(task, Place::Lost), None);
                        }
                        Admission::Ready => {
                            let is_done = |on| places.get(on) == Some(&Place::Succeeded);
                            prop_assert!(ons.iter().all(is_done));
                        }
                        Admission::Waits => {
                            let is_open = |on| !matches!(places.get(on), Some(Place::Succeeded | Place::Lost));
                            prop_assert!(ons.iter().any(is_open));
                        }
                        Admission::Skipped(failed) => {
                            prop_assert_eq!(places.get(&failed), Some(&Place::Lost));
                            prop_assert_eq!(places.insert(task, Place::Lost), None);
                        }
                    }
                }
                1 => if let Some(task) = graph.next_ready() {
                    prop_assert_eq!(places.insert(task, Place::Handed), None);
                    let ons = &after[task.0 as usize];
                    let is_done = |on| places.get(on) == Some(&Place::Succeeded);
                    prop_assert!(ons.iter().all(is_done), "{task:?} came too early");
                },
                2 | 3 => {
                    let handed: Vec<TaskId> = places.iter()
                        .filter(|(_, place)| **place == Place::Handed)
                        .map(|(task, _)| *task)
                        .collect();
                    let Some(task) = index.map_or(handed.first(), |index| {
                        (!handed.is_empty()).then(|| index.get(&handed))
                    }) else { continue };
                    let succeeded = what == 2;
                    places.insert(*task, if succeeded { Place::Succeeded } else { Place::Lost });
                    let skipped = graph.conclude(*task, succeeded);
                    prop_assert!(!succeeded || skipped.is_empty());
                    for Skipped { task: other, failed } in skipped {
                        prop_assert_eq!(failed, *task);
                        prop_assert_eq!(places.insert(other, Place::Lost), None);
                    }
                }
                _ => {}
            }
            let handed_out = places.len();
            prop_assert_eq!(graph.waiting(), next - handed_out);
        }
        prop_assert_eq!(places.len(), after.len());
        prop_assert!(places.values().all(|place| *place != Place::Handed));
        prop_assert_eq!(graph.next_ready(), None);
        prop_assert_eq!(graph.waiting(), 0);
        // Where nothing failed, nothing is skipped.
        if !dissolved {
            for (task, place) in &places {
                let ons = &after[task.0 as usize];
                let one_lost = ons.iter().any(|on| places[on] == Place::Lost);
                prop_assert!(!one_lost || *place == Place::Lost);
            }
        }
    }
}

#[test]
fn a_task_that_is_after_itself_or_after_nothing() {
    assert_eq!(
        order(&[vec![], vec![1]]),
        Err(OrderError::Cycle(vec![1])),
        "itself"
    );
    assert_eq!(
        order(&[vec![7]]),
        Err(OrderError::Unknown { task: 0, on: 7 })
    );
    let cycle = order(&[vec![2], vec![0], vec![1]]).unwrap_err();
    assert_eq!(
        cycle.to_string(),
        "tasks wait for one another: 0 -> 2 -> 1 -> 0"
    );
    let long: Vec<Vec<usize>> = (0..100).map(|task| vec![(task + 1) % 100]).collect();
    assert_eq!(
        order(&long).unwrap_err().to_string(),
        "tasks wait for one another: 0 -> 1 -> 2 -> 3 -> 4 -> 5 -> ... -> 94 -> 95 -> 96 -> 97 -> 98 -> 99 -> 0"
    );
    let mut graph = Graph::default();
    for on in [0, 1, u64::MAX] {
        let refused = graph.add(TaskId(0), &[TaskId(on)]).unwrap_err();
        assert_eq!((refused.task, refused.on), (TaskId(0), TaskId(on)));
    }
    assert_eq!(graph.waiting(), 0);
}

#[test]
fn tasks_are_renumbered_with_their_order() {
    let task = |name: &str, after: &[u64]| {
        let mut task = Task::new(name, CommandSpec::new("true", [""; 0]));
        task.after = after.iter().copied().map(TaskId).collect();
        task
    };
    let tasks = OrderedTasks::new(vec![
        task("last", &[2, 1]),
        task("second", &[2]),
        task("first", &[]),
        task("free", &[]),
    ])
    .unwrap();
    let seen: Vec<_> = tasks
        .tasks()
        .map(|task| (task.name.to_str().unwrap(), task.after.clone()))
        .collect();
    assert_eq!(
        seen,
        [
            ("first", vec![]),
            ("second", vec![TaskId(0)]),
            ("last", vec![TaskId(0), TaskId(1)]),
            ("free", vec![]),
        ]
    );
}

/// Walks through a list, each task failing or not, and counts what came of it.
fn walk(after: &[Vec<TaskId>], fails: impl Fn(TaskId) -> bool) -> (usize, usize) {
    let mut graph = Graph::default();
    let (mut started, mut skipped) = (0, 0);
    for (task, ons) in (0..).map(TaskId).zip(after) {
        if let Admission::Skipped(_) = graph.add(task, ons).unwrap() {
            skipped += 1;
        }
    }
    while let Some(task) = graph.next_ready() {
        started += 1;
        skipped += graph.conclude(task, !fails(task)).len();
    }
    assert_eq!(graph.waiting(), 0);
    (started, skipped)
}

/// Were it quadratic, each of these would take minutes; were it recursive, the stack would end.
#[test]
fn long_chains_and_wide_fans() {
    const MANY: usize = 100_000;
    let chain: Vec<Vec<usize>> = (0..MANY)
        .map(|task| (task + 1..MANY).take(1).collect())
        .collect();
    // The last of the list is the first to run.
    assert_eq!(order(&chain).unwrap()[0], MANY - 1);
    let chain = sorted(&chain);
    assert_eq!(walk(&chain, |_| false), (MANY, 0));
    assert_eq!(walk(&chain, |task| task.0 == 0), (1, MANY - 1));

    let mut fan_in = vec![Vec::new(); MANY];
    fan_in.push((0..MANY).collect());
    let fan_in = sorted(&fan_in);
    assert_eq!(walk(&fan_in, |_| false), (MANY + 1, 0));
    assert_eq!(walk(&fan_in, |_| true), (MANY, 1));

    let mut fan_out = vec![vec![0]; MANY];
    fan_out[0].clear();
    let fan_out = sorted(&fan_out);
    assert_eq!(walk(&fan_out, |_| false), (MANY, 0));
    assert_eq!(walk(&fan_out, |_| true), (1, MANY - 1));

    let round: Vec<Vec<usize>> = (0..MANY).map(|task| vec![(task + 1) % MANY]).collect();
    let Err(OrderError::Cycle(cycle)) = order(&round) else {
        panic!("no cycle was found");
    };
    assert_eq!(cycle.len(), MANY);
}
