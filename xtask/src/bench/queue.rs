//! What runner and guard hold, by the length of the list that they are given.

use super::million;
use super::programs::Programs;
use super::report::{Ratio, Report};
use crate::Failure;

/// The lists that are tried; a million takes about five minutes and is a scenario of its own.
const LENGTHS: [u64; 3] = [1_000, 10_000, 30_000];

/// One row for each length.
pub(super) fn run(programs: &Programs) -> Result<Report, Failure> {
    let mut report = Report::new("items from stdin, -j2 true {}, by their number");
    for items in LENGTHS {
        let mut one = million::measure(items, programs)?;
        for row in &mut one.rows {
            row.name = format!("{items} items");
        }
        report.rows.append(&mut one.rows);
        report
            .ratios
            .extend(one.ratios.into_iter().map(|ratio| Ratio {
                what: format!("{items} items: {}", ratio.what),
                ..ratio
            }));
        report.notes.append(&mut one.notes);
    }
    Ok(report)
}
