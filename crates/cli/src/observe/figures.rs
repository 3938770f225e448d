//! The figures of a moment, in a line.

use saferun_executor::Figures;
use saferun_memory::show;

/// Done of all, running, held, memory.
pub(super) fn state(figures: &Figures) -> String {
    let mut text = match figures.total {
        Some(total) => format!("{} of {total} done", figures.concluded),
        None => format!("{} done", figures.concluded),
    };
    text.push_str(&format!(", {} running", figures.running));
    if figures.held > 0 {
        text.push_str(&format!(" ({} held)", figures.held));
    }
    text.push_str(&format!(
        ", {} of {} used",
        show(figures.used_bytes),
        show(figures.budget_bytes)
    ));
    text
}
