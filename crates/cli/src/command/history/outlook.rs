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
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            open: None,
            is_over: false,
            short_ones: 0,
        }
    }

    /// What is expected of a task, where the history says enough of its like. Whatever goes wrong
    /// means that nothing is known; whoever writes the history says so.
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
        let prediction = opened.predictor.predict(question);
        let seconds = prediction.seconds?;
        self.short_ones = match seconds < TOO_SHORT {
            true => self.short_ones + 1,
            false => 0,
        };
        self.is_over = self.short_ones >= SHORT_ONES;
        is_close(prediction.level, restartable).then(|| hint(&prediction, seconds))
    }

    fn opened(&self) -> Option<Opened> {
        if !self.path.is_file() {
            return None;
        }
        Some(Opened {
            store: Store::open(&self.path).ok()?,
            predictor: Predictor::new(Options::default()),
            looked_up: HashSet::new(),
            taught: HashSet::new(),
        })
    }
}

impl Opened {
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

/// Whether evidence of this level says more of a task than what the run itself learns. What may
/// not be ended has its peak reserved, so that less is good enough for it.
fn is_close(level: Level, restartable: bool) -> bool {
    match level {
        Level::Command | Level::Items | Level::Template => true,
        Level::Program | Level::Agent => !restartable,
        Level::Prior => false,
    }
}

fn hint(prediction: &Prediction, seconds: f64) -> Hint {
    Hint {
        peak_bytes: prediction.peak_bytes,
        duration: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        curve: prediction
            .curve
            .steps()
            .map(|share| (255.0 * share).round() as u8),
    }
}
