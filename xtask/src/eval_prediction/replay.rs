//! Replaying a trace in order of time, without looking ahead.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use saferun_history::predict::{Keys, Level, Needed, Predictor, Question, charge, hash};

use super::baselines::{NAMES, Seen};
use super::trace::Task;

/// What one way of predicting cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) tasks: u64,
    /// Set aside and unused, or used in vain: bytes x seconds.
    pub(super) waste: f64,
    /// Tasks whose first allocation was too small.
    pub(super) underestimates: u64,
    /// Failed attempts.
    pub(super) restarts: u64,
    /// The time that failed attempts took.
    pub(super) lost_seconds: f64,
}

impl Tally {
    fn add(&mut self, allocated: f64, task: &Task) {
        let charged = charge(allocated, task.peak_bytes as f64, task.seconds);
        self.tasks += 1;
        self.waste += charged.waste;
        self.underestimates += u64::from(charged.failures > 0);
        self.restarts += u64::from(charged.failures);
        self.lost_seconds += f64::from(charged.failures) * task.seconds;
    }
}

/// Every way side by side: ours first, then the baselines.
pub(super) type Tallies = [Tally; NAMES.len() + 1];

/// What a replay showed.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) lag: usize,
    pub(super) guess_bytes: u64,
    /// What was set aside at first for each row, in bytes.
    pub(super) predictions: Vec<u64>,
    pub(super) all: Tallies,
    pub(super) templates: BTreeMap<String, Tallies>,
    /// Tasks of templates of which nothing had been learned yet.
    pub(super) unseen: Tallies,
    /// The time that predicting took, all rows together.
    pub(super) predicting: Duration,
    /// The time that learning took, row by row.
    pub(super) learning: Vec<Duration>,
}

/// Replays `tasks`; each is learned `lag` rows after it was predicted.
pub(super) fn replay(tasks: &[Task], guess_bytes: u64, lag: usize) -> Replayed {
    let mut replayed = Replayed {
        lag,
        guess_bytes,
        ..Replayed::default()
    };
    let mut predictor = Predictor::default();
    let mut seen: HashMap<&str, Seen> = HashMap::new();
    let nothing = Seen::default();
    for (place, task) in tasks.iter().enumerate() {
        let input = input(task);
        let begun = Instant::now();
        let prediction = predictor.predict(&question(task));
        replayed.predicting += begun.elapsed();
        replayed.predictions.push(prediction.peak_bytes);
        let ours = prediction.peak_bytes as f64;
        let is_unseen = prediction.level == Level::Prior;
        // A template of which nothing is known gets the same from every way, so that the ways
        // are compared by what they make of what is known.
        let theirs = seen.get(&*task.template).unwrap_or(&nothing);
        let theirs = theirs.says(input, guess_bytes as f64, ours);
        let of_template = replayed.templates.entry(task.template.clone()).or_default();
        for (way, allocated) in std::iter::once(ours).chain(theirs).enumerate() {
            replayed.all[way].add(allocated, task);
            of_template[way].add(allocated, task);
            if is_unseen {
                replayed.unseen[way].add(allocated, task);
            }
        }
        if let Some(task) = place.checked_sub(lag).and_then(|due| tasks.get(due)) {
            let begun = Instant::now();
            predictor.learn(
                &question(task),
                &Needed {
                    peak_bytes: task.peak_bytes,
                    seconds: task.seconds,
                    curve: None,
                },
            );
            replayed.learning.push(begun.elapsed());
            let (peak, seconds) = (task.peak_bytes as f64, task.seconds);
            let known = seen.entry(&task.template).or_default();
            known.learn(self::input(task), peak, seconds);
        }
    }
    replayed
}

fn question(task: &Task) -> Question {
    Question {
        keys: Keys {
            template: Some(hash([task.template.as_bytes()])),
            ..Keys::default()
        },
        input_bytes: task.input_bytes,
    }
}

fn input(task: &Task) -> f64 {
    task.input_bytes.unwrap_or(0) as f64
}

#[cfg(test)]
mod tests;
