//! Whether each floor is reached.

use super::goals::Goal;
use super::load::Load;
use super::measure::{Case, Conditions, measure};

/// Measures all cells that have a floor, prints them, and says how many were missed.
///
/// # Errors
///
/// A floor is for a mix that does not exist.
pub(crate) fn check(mix: &str, conditions: &Conditions) -> Result<usize, String> {
    println!(
        "{:12} {:15} {:>7} {:>6} {:>6} {:>9} {:>9} {:>8}",
        "mix", "way", "x bound", "floor", "ratio", "restarts", "floor", "makespan"
    );
    let (mut cells, mut missed, mut restless) = (0, Vec::new(), Vec::new());
    let goals = Goal::all();
    for same in goals.chunk_by(|a, b| a.mix == b.mix) {
        let Some(first) = same.first().filter(|goal| mix == "all" || goal.mix == mix) else {
            continue;
        };
        for load in Load::named(first.mix)? {
            let few = Conditions {
                seeds: Goal::runs(first.mix, conditions.seeds),
                ..*conditions
            };
            let cases = Case::all(&load, &few);
            for goal in same {
                let line = measure(&load, &cases, goal.way, &few);
                let is_met = goal.is_met(line.makespan_over_bound)
                    && (line.runs_over_budget, line.given_up) == (0, 0);
                println!(
                    "{:12} {:15} {:>7.3} {:>6.2} {:>6.3} {:>9.1} {:>9} {:>8}",
                    goal.mix,
                    line.way,
                    line.makespan_over_bound,
                    goal.over_bound,
                    line.makespan_over_bound / goal.over_bound,
                    line.restarts,
                    goal.restarts
                        .map_or_else(|| "-".to_owned(), |most| format!("{most:.1}")),
                    if is_met { "met" } else { "MISSED" },
                );
                cells += 1;
                let name = format!("{} {}", goal.mix, line.way);
                if !is_met {
                    missed.push(name.clone());
                }
                // Less than one restart more is within what a median can tell.
                let most = |restarts| Goal::TOLERANCE * restarts + 1.0;
                if goal
                    .restarts
                    .is_some_and(|floor| line.restarts > most(floor))
                {
                    restless.push(name);
                }
            }
        }
    }
    println!("{} of {cells} makespans met", cells - missed.len());
    if !missed.is_empty() {
        println!("missed: {}", missed.join(", "));
    }
    if !restless.is_empty() {
        println!("more restarts than there: {}", restless.join(", "));
    }
    Ok(missed.len())
}
