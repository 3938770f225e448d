//! The policy's figures, in virtual time and so the same on every machine. The seeds are none of
//! those with which the numbers of the policy were chosen.

use super::*;

const RUNS: u64 = 15;

const CONDITIONS: Conditions = Conditions {
    first_seed: 5_000_000,
    seeds: RUNS,
    brake: true,
    order: Tried::Longest,
    // Where the clairvoyant does not matter it need not try.
    effort: 0,
};

fn line(name: &str, way: Way, conditions: &Conditions) -> Line {
    let load = Load::named(name).expect("the mix exists").remove(0);
    measure(&load, &Case::all(&load, conditions), way, conditions)
}

fn reaches_its_floor(name: &str, way: Way, most_restarts: f64) {
    let enough = Conditions {
        seeds: goals::Goal::runs(name, RUNS),
        ..CONDITIONS
    };
    let line = line(name, way, &enough);
    let goals = goals::Goal::all();
    let goal = goals
        .iter()
        .find(|goal| goal.mix == name && goal.way == way);
    assert!(
        goal.is_some_and(|goal| goal.is_met(line.makespan_over_bound)),
        "{line:?}"
    );
    assert!(line.restarts <= most_restarts, "{line:?}");
    assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
}

#[test]
fn eager_reaches_its_floors() {
    let eager = Way::continuous(Grade::Eager, None);
    reaches_its_floor("hog", eager, 30.0);
    reaches_its_floor("flat", eager, 65.0);
    reaches_its_floor("late-spike", eager, 10.0);
    reaches_its_floor("heavy", eager, 27.0);
}

#[test]
fn last_reaches_its_floors_with_few_restarts() {
    let last = Way::continuous(Grade::Last, None);
    reaches_its_floor("hog", last, 8.0);
    reaches_its_floor("flat", last, 9.0);
    reaches_its_floor("late-spike", last, 10.0);
    reaches_its_floor("heavy", last, 4.0);
}

#[test]
fn cores_bound_what_is_busy() {
    reaches_its_floor("cpu-bound", Way::continuous(Grade::Eager, None), 5.0);
}

#[test]
fn hints_that_are_somewhat_off_are_worth_their_floors() {
    reaches_its_floor("hog", Way::continuous(Grade::Last, Some(10)), 4.0);
}

#[test]
fn who_knows_everything_packs_as_well_as_expected() {
    let few = Conditions {
        seeds: 2,
        effort: clairvoyant::EFFORT / 4,
        ..CONDITIONS
    };
    for goal in goals::Goal::all() {
        if goal.way == Way::Clairvoyant && ["hog", "leak"].contains(&goal.mix) {
            let line = line(goal.mix, Way::Clairvoyant, &few);
            assert!(goal.is_met(line.makespan_over_bound), "{line:?}");
            assert!(line.makespan_over_bound >= 1.0, "{line:?}");
            assert_eq!(line.makespan_over_clairvoyant, 1.0);
        }
    }
}

#[test]
fn without_a_brake_ramps_stay_within_the_budget() {
    let unbraked = Conditions {
        brake: false,
        ..CONDITIONS
    };
    for grade in [Grade::Eager, Grade::Last] {
        for mix in ["hog", "heavy"] {
            let line = line(mix, Way::continuous(grade, None), &unbraked);
            assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
            assert!(line.makespan_over_bound < 2.3, "{line:?}");
        }
    }
}

/// What batches of old do on the same tasks, for comparison: everything, but later.
#[test]
fn batches_do_everything_and_are_slower() {
    let continuous = line("hog", Way::continuous(Grade::Last, None), &CONDITIONS);
    let sequential = line("hog", Way::sequential(), &CONDITIONS);
    for jobs in [2, 3] {
        let line = line("hog", Way::batch(jobs), &CONDITIONS);
        assert_eq!((line.given_up, line.runs_over_budget), (0, 0), "{line:?}");
        assert!(line.makespan_over_bound > continuous.makespan_over_bound);
        assert!(line.makespan_over_bound < sequential.makespan_over_bound);
    }
}

#[test]
fn never_restarts_nothing_and_loses_little() {
    let line = line("hog", Way::continuous(Grade::Never, None), &CONDITIONS);
    assert_eq!((line.restarts, line.wasted), (0.0, 0.0));
    assert!(line.given_up <= 2 * 24 * RUNS / 100, "{line:?}");
}

#[test]
fn a_seed_gives_the_same_run_for_ever() {
    let few = Conditions {
        seeds: 2,
        ..CONDITIONS
    };
    for way in Way::all(&[30]) {
        assert_eq!(line("hog", way, &few), line("hog", way, &few));
    }
    let other = Conditions {
        first_seed: 9,
        ..few
    };
    let way = Way::continuous(Grade::Eager, None);
    assert_ne!(
        line("hog", way, &few).makespan_over_bound,
        line("hog", way, &other).makespan_over_bound
    );
}
