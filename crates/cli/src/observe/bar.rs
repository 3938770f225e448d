//! One line at the bottom of the terminal.

use std::sync::Arc;
use std::time::Duration;

use saferun_executor::{Figures, Observer, RunEvent, Say};

use super::figures;
use super::terminal::BarText;

/// The widest the drawn part gets, in characters.
const WIDEST: usize = 24;

/// Turns figures into the line; a [`super::Terminal`] draws it.
#[derive(Debug)]
pub(crate) struct Bar {
    text: Arc<BarText>,
}

impl Bar {
    /// A bar whose text goes there.
    pub(crate) fn new(text: Arc<BarText>) -> Self {
        Self { text }
    }
}

impl Observer for Bar {
    fn on(&mut self, event: &RunEvent, at: Duration, _: &mut dyn Say) {
        match event {
            RunEvent::Figures(figures)
            | RunEvent::BrakeEngaged(figures)
            | RunEvent::Holding { figures, .. } => self.text.set(bar(figures, at)),
            RunEvent::RunEnded(_) => self.text.clear(),
            _ => {}
        }
    }
}

/// `[####----] 3 of 8 done, 2 running, 410 MiB of 600 MiB used, 12 s`
fn bar(figures: &Figures, at: Duration) -> String {
    let mut text = String::new();
    if let Some(total) = figures.total.filter(|&total| total > 0) {
        let done = figures.concluded.min(total);
        let filled = usize::try_from(done * WIDEST as u64 / total).unwrap_or(WIDEST);
        text.push_str(&format!(
            "[{}{}] ",
            "#".repeat(filled),
            "-".repeat(WIDEST - filled)
        ));
    }
    text.push_str(&figures::state(figures));
    text.push_str(&format!(", {} s", at.as_secs()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_needs_a_total() {
        let mut figures = Figures {
            budget_bytes: 600 << 20,
            used_bytes: 410 << 20,
            running: 3,
            held: 1,
            concluded: 6,
            total: Some(8),
            ..Figures::default()
        };
        let at = Duration::from_secs(12);
        assert_eq!(
            bar(&figures, at),
            "[##################------] 6 of 8 done, 3 running (1 held), 410 MiB of 600 MiB used, 12 s"
        );
        figures.total = None;
        assert!(bar(&figures, at).starts_with("6 done"));
    }
}
