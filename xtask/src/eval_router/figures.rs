//! How well verdicts fit labels.

use std::fmt::Write as _;

use saferun_router::{Category, Mode, Verdict};

use super::labelled::Labelled;

/// Counts over many requests.
#[derive(Debug, Default)]
pub(super) struct Figures {
    requests: usize,
    right_modes: usize,
    right_categories: usize,
    dependent: usize,
    /// Dependent requests that were sent in parallel.
    costly: usize,
    /// Independent ones that were made to wait.
    idle: usize,
    uncertain: usize,
    /// For each category: found rightly, found in all, labelled in all.
    by_category: [(usize, usize, usize); Category::ALL.len()],
}

impl Figures {
    /// Counts one verdict.
    pub(super) fn add(&mut self, labelled: &Labelled, verdict: &Verdict) {
        self.requests += 1;
        let is_dependent = labelled.mode == Mode::Sequential;
        self.dependent += usize::from(is_dependent);
        self.right_modes += usize::from(labelled.mode == verdict.mode);
        self.right_categories += usize::from(labelled.category == verdict.category);
        self.uncertain += usize::from(verdict.is_uncertain);
        match (is_dependent, verdict.mode) {
            (true, Mode::Parallel) => self.costly += 1,
            (false, Mode::Sequential) => self.idle += 1,
            _ => {}
        }
        for (category, (right, found, labelled_so)) in
            Category::ALL.into_iter().zip(&mut self.by_category)
        {
            let (is, was) = (verdict.category == category, labelled.category == category);
            *right += usize::from(is && was);
            *found += usize::from(is);
            *labelled_so += usize::from(was);
        }
    }

    /// The share of right modes.
    #[cfg(test)]
    pub(super) fn right_modes(&self) -> f64 {
        share(self.right_modes, self.requests)
    }

    /// The share of dependent requests that were sent in parallel.
    #[cfg(test)]
    pub(super) fn costly(&self) -> f64 {
        share(self.costly, self.dependent)
    }

    /// As a person reads it.
    pub(super) fn report(&self) -> String {
        let mut text = String::new();
        let independent = self.requests - self.dependent;
        let mut line = |name: &str, part: usize, whole: usize| {
            let percent = 100.0 * share(part, whole);
            let _ = writeln!(text, "{name:<34}{percent:>6.1} %  ({part} of {whole})");
        };
        line("right mode", self.right_modes, self.requests);
        line("right category", self.right_categories, self.requests);
        line(
            "costly: dependent sent in parallel",
            self.costly,
            self.dependent,
        );
        line("idle: independent made to wait", self.idle, independent);
        line("below the least confidence", self.uncertain, self.requests);
        let _ = writeln!(
            text,
            "\n{:<16}{:>6}{:>11}{:>8}{:>9}",
            "category", "F1", "precision", "recall", "labelled"
        );
        for (category, (right, found, labelled)) in Category::ALL.into_iter().zip(self.by_category)
        {
            let (precision, recall) = (share(right, found), share(right, labelled));
            let f1 = share(2 * right, found + labelled);
            let _ = writeln!(
                text,
                "{category:<16}{f1:>6.3}{precision:>11.3}{recall:>8.3}{labelled:>9}"
            );
        }
        text
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
