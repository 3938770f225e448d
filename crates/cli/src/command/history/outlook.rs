//! What the history says of the tasks of a run, as they come.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use saferun_history::predict::{Keys, Level, Options, Prediction, Predictor, Question};
use saferun_history::store::{Store, teach};
use saferun_scheduler::Hint;

/// So many different programs, templates and agents of one run are looked up; what comes beyond
/// them begins without a word from the history.
const MOST_LOOKUPS: usize = 64;
/// A task that takes less (seconds) is over before it could be packed: its like are asked after
/// no more.
const TOO_SHORT: f64 = 0.05;
/// So many predictions of one kind in a row must be that short.
const SHORT_ONES: u32 = 16;

/// Answers from the history. It is read once for each program, template and agent, never once a
/// task: what is found of these holds the same commands and items of earlier runs, too.
pub(super) struct Outlook {
    path: PathBuf,
    /// Whether it may say that the file was damaged.
    speaks: bool,
    /// `None` before the first task, and for good where there is no history yet.
    open: Option<Opened>,
    is_over: bool,
    short_ones: u32,
}

struct Opened {
    store: Store,
    predictor: Predictor,
    looked_up: HashSet<Keys>,
    taught: HashSet<i64>,
}

impl Outlook {
    /// Nothing is opened before the first task.
    pub(super) fn of(path: PathBuf, speaks: bool) -> Self {
        Self {
            path,
            speaks,
            open: None,
            is_over: false,
            short_ones: 0,
        }
    }

    /// What is expected of a task, where the history says enough of its like. Whatever goes wrong
    /// means that nothing is known; whoever writes the history says so, but for a damaged file, which
    /// only the first to open it sees.
    pub(super) fn hint(&mut self, question: &Question, restartable: bool) -> Option<Hint> {
        if self.is_over {
            return None;
        }
        if self.open.is_none() {
            self.open = self.opened();
        }
        let Some(opened) = &mut self.open else {
            self.is_over = true;
            return None;
        };
        if opened.look_up(&question.keys).is_none() {
            self.is_over = true;
            return None;
        }
        let prediction = opened.predict(question, restartable);
        let seconds = prediction.seconds?;
        self.short_ones = match seconds < TOO_SHORT {
            true => self.short_ones + 1,
            false => 0,
        };
        self.is_over = self.short_ones >= SHORT_ONES;
        (prediction.level != Level::Prior).then(|| hint(&prediction, seconds, restartable))
    }

    fn opened(&self) -> Option<Opened> {
        if !self.path.is_file() {
            return None;
        }
        let store = Store::open(&self.path).ok()?;
        if let Some(aside) = store.set_aside() {
            let aside = aside.display();
            let cause = format!("it was damaged and is begun anew; what there was is now {aside}");
            super::record::warn(self.speaks, &cause);
            return None;
        }
        Some(Opened {
            store,
            predictor: Predictor::new(Options::default()),
            looked_up: HashSet::new(),
            taught: HashSet::new(),
        })
    }
}

impl Opened {
    /// One earlier run of the very command says more of how a task is to be packed than a hundred
    /// of its program. What may not be ended has its peak reserved, for which the program and the
    /// agent are better than nothing.
    fn predict(&self, question: &Question, restartable: bool) -> Prediction {
        let close = Question {
            keys: Keys {
                program: None,
                agent: None,
                ..question.keys
            },
            ..*question
        };
        let prediction = self.predictor.predict(&close);
        if restartable || prediction.level != Level::Prior {
            prediction
        } else {
            self.predictor.predict(question)
        }
    }

    /// Teaches the predictor what there is of the program, template and agent, once.
    fn look_up(&mut self, keys: &Keys) -> Option<()> {
        let shared = Keys {
            command: None,
            items: None,
            // A template says more of its tasks than the program that they all share.
            program: keys.program.filter(|_| keys.template.is_none()),
            ..*keys
        };
        if self.looked_up.len() == MOST_LOOKUPS || !self.looked_up.insert(shared) {
            return Some(());
        }
        for (id, row) in self.store.evidence(&shared).ok()? {
            if self.taught.insert(id) {
                teach(&mut self.predictor, &row);
            }
        }
        Some(())
    }
}

/// What may be ended when it uses more than was thought is packed by what it is likely to use;
/// what may not has the peak reserved that covers the doubt.
fn hint(prediction: &Prediction, seconds: f64, restartable: bool) -> Hint {
    Hint {
        peak_bytes: match restartable {
            true => prediction.likely_bytes,
            false => prediction.peak_bytes,
        },
        duration: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        curve: prediction
            .curve
            .steps()
            .map(|share| (255.0 * share).round() as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saferun_history::store::Retention;
    use saferun_history::{End, Ran, Row};

    fn row(command: &[String]) -> Row {
        let mut row = Row::of(&Ran {
            command,
            template: None,
            items: &[],
            directory: "/",
            agent: None,
        });
        row.peak_bytes = 100 << 20;
        row.seconds = 2.0;
        row.end = End::Exited(0);
        row
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn one_run_of_the_same_is_enough_and_of_the_program_only_for_a_reservation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.sqlite");
        let known = row(&words("work 1"));
        let rows = [known.clone(), row(&words("work 2"))];
        let kept = Retention {
            most_days: u32::MAX,
            ..Retention::default()
        };
        Store::open(&path).unwrap().add(&rows, &kept).unwrap();
        let mut outlook = Outlook::of(path, false);
        let hint = outlook.hint(&known.question(), true).unwrap();
        assert_eq!(hint.peak_bytes, 100 << 20);
        let reserved = outlook.hint(&known.question(), false).unwrap().peak_bytes;
        assert!(reserved > 100 << 20 && reserved < 150 << 20);
        assert_eq!(hint.duration.as_secs_f64().round(), 2.0);
        let other = row(&words("work 3")).question();
        assert_eq!(outlook.hint(&other, true), None);
        assert!(outlook.hint(&other, false).is_some());
        let stranger = row(&words("play 3")).question();
        assert_eq!(outlook.hint(&stranger, true), None);
    }

    #[test]
    fn without_a_history_none_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.sqlite");
        let mut outlook = Outlook::of(path.clone(), false);
        assert_eq!(outlook.hint(&row(&words("work 1")).question(), true), None);
        assert!(!path.exists());
    }
}
