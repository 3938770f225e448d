//! Lines for people.

use super::measure::Line;

/// The names of the columns.
pub(crate) fn print_head() {
    println!(
        "{:12} {:18} {:>7} {:>7} {:>8} {:>8} {:>7} {:>8} {:>8} {:>7}",
        "mix",
        "way",
        "x bound",
        "worst",
        "x clairv",
        "restarts",
        "wasted",
        "given up",
        "over",
        "highest"
    );
}

/// One row.
pub(crate) fn print_line(line: &Line) {
    println!(
        "{:12} {:18} {:>7.3} {:>7.3} {:>8.3} {:>8.1} {:>5.1} % {:>8} {:>4}/{:<3} {:>7.3}",
        line.mix,
        line.way,
        line.makespan_over_bound,
        line.worst_over_bound,
        line.makespan_over_clairvoyant,
        line.restarts,
        100.0 * line.wasted,
        line.given_up,
        line.runs_over_budget,
        line.runs,
        line.highest_use_over_budget,
    );
}
