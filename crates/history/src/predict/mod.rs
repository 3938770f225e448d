//! Predicting what a task will need: pure, without clock, files or randomness.
//!
//! [`Predictor::predict`] answers from the most specific key of a task with enough evidence;
//! [`Predictor::learn`] takes in a finished one. `docs/prediction.md` names where the ideas are
//! from and what they are worth.

mod bases;
mod charge;
mod key;
mod pool;
mod regression;
mod selector;
mod shape;

pub use charge::{Charge, GROWTH, charge};
pub use key::{Keys, Level, hash};
pub use shape::{Curve, STEPS};

use std::collections::HashMap;

use bases::{NAMES, Sample};
use pool::Pool;
use selector::{Choice, Selector};

/// After a task ran out of memory, at least so many times more than it had is expected of its
/// like (the Kubernetes vertical autoscaler's bump-up).
const BUMP: f64 = 1.2;
/// A curve moves towards the latest one by at least this part.
const CURVE_PART: f32 = 0.25;
/// The latest rows of the same task whose peaks are averaged.
const LATEST_PEAKS: usize = 5;
/// Inputs that differ by less than this part are the same for all that is known of a task.
const SAME_INPUT: f64 = 0.1;
/// The rows nearest in input whose durations are averaged.
const NEAREST_DURATIONS: usize = 5;

/// How a predictor behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// What is expected of the very first task, in bytes.
    pub first_guess_bytes: u64,
    /// What a failure costs beyond its waste, in peaks x time: the higher, the fewer failures.
    pub failure_weight: f64,
    /// Keys that are kept at most; the one not used for longest goes first. Each takes up to
    /// 10 KiB.
    pub most_keys: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            first_guess_bytes: 1 << 30,
            failure_weight: 1.0,
            most_keys: 512,
        }
    }
}

/// A task to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Question {
    /// What it is known by.
    pub keys: Keys,
    /// The size of its input in bytes, if that is known.
    pub input_bytes: Option<u64>,
}

/// What an attempt needed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Needed {
    /// The peak in bytes.
    pub peak_bytes: u64,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// How its use went, where it was watched.
    pub curve: Option<Curve>,
}

/// What is expected of a task, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// What to set aside, in bytes.
    pub peak_bytes: u64,
    /// What it is most likely to use, in bytes: without what is set aside for the case that it
    /// uses more. Who packs tasks and watches them wants this figure.
    pub likely_bytes: u64,
    /// How long it is expected to take, in seconds; `None` where nothing is known.
    pub seconds: Option<f64>,
    /// How its use is expected to go, in parts of the peak.
    pub curve: Curve,
    /// What the answer rests on.
    pub level: Level,
    /// How many finished tasks that is.
    pub evidence: u64,
    /// The largest peak among them, in bytes.
    pub largest_bytes: u64,
    /// The simple predictor that weighed most, in words.
    pub by: &'static str,
}

/// What one key knows.
#[derive(Debug, Clone)]
struct Known {
    selector: Selector,
    curve: Option<Curve>,
    curves: u32,
    used: u64,
}

impl Known {
    /// Whether this key may answer before a less specific one. The very same task says more of
    /// itself after one row than all others of its template, unless its input has changed.
    fn is_enough(&self, level: Level, input: Option<f64>) -> bool {
        let same = || match (self.selector.rows().back().map(|row| row.input), input) {
            (Some(Some(before)), Some(now)) => (before - now).abs() <= SAME_INPUT * before.max(now),
            (Some(before), now) => before.is_none() && now.is_none(),
            (None, _) => false,
        };
        let is_task = matches!(level, Level::Command | Level::Items);
        self.selector.count() >= level.enough() || (is_task && same())
    }
}

/// Learns what tasks need and says what the next one will need. Its memory is bounded by
/// [`Options::most_keys`].
#[derive(Debug, Clone)]
pub struct Predictor {
    options: Options,
    known: HashMap<(Level, u64), Known>,
    pool: Pool,
    /// What the first task of each template needed.
    firsts: Selector,
    firsts_pool: Pool,
    clock: u64,
}

impl Default for Predictor {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

impl Predictor {
    /// A predictor that knows nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            known: HashMap::new(),
            pool: Pool::default(),
            firsts: Selector::new(),
            firsts_pool: Pool::default(),
            clock: 0,
        }
    }

    /// What is expected of a task.
    pub fn predict(&self, question: &Question) -> Prediction {
        let input = question.input_bytes.map(|bytes| bytes as f64);
        // Where no key has enough, the most specific one that has anything.
        let found = self
            .known_keys(question)
            .find(|(level, known)| known.is_enough(*level, input))
            .or_else(|| self.known_keys(question).next());
        if let Some((level, known)) = found
            && let Some(choice) = known.selector.choose(input, &self.pool)
        {
            let seconds = duration(&known.selector, input);
            let curve = known.curve.unwrap_or(Curve::FLAT);
            return answer(choice, &known.selector, level, seconds, curve);
        }
        match self.firsts.choose(input, &self.firsts_pool) {
            Some(choice) => answer(choice, &self.firsts, Level::Prior, None, Curve::FLAT),
            None => Prediction {
                peak_bytes: self.options.first_guess_bytes,
                likely_bytes: self.options.first_guess_bytes,
                seconds: None,
                curve: Curve::FLAT,
                level: Level::Prior,
                evidence: 0,
                largest_bytes: 0,
                by: "a first guess",
            },
        }
    }

    /// Learns what a task needed that ran to its end.
    pub fn learn(&mut self, question: &Question, needed: &Needed) {
        let sample = sample(question, needed);
        self.clock += 1;
        let mut new_kind = question.keys.template.or(question.keys.program).is_none();
        for level in Level::KEYED {
            let Some(key) = question.keys.at(level) else {
                continue;
            };
            let known = self.known.entry((level, key)).or_insert_with(|| Known {
                selector: Selector::new(),
                curve: None,
                curves: 0,
                used: 0,
            });
            known.used = self.clock;
            let kind_level = if question.keys.template.is_some() {
                Level::Template
            } else {
                Level::Program
            };
            new_kind |= level == kind_level && known.selector.count() == 0;
            known
                .selector
                .learn(sample, self.options.failure_weight, &mut self.pool);
            if let Some(curve) = &needed.curve {
                known.curves = known.curves.saturating_add(1);
                let part = (1.0 / known.curves as f32).max(CURVE_PART);
                let before = known.curve.unwrap_or(*curve);
                known.curve = Some(before.blended(curve, part));
            }
        }
        if new_kind {
            let weight = self.options.failure_weight;
            self.firsts.learn(sample, weight, &mut self.firsts_pool);
        }
        self.forget_unused();
    }

    /// Learns that an attempt ran out of memory when it held `reached_bytes`, or was ended there:
    /// its peak is not known, only that it lies above. Nothing is learned when so much was
    /// expected anyway, so that attempts that were cut short never make later ones smaller.
    pub fn learn_shortage(&mut self, question: &Question, reached_bytes: u64, seconds: f64) {
        let least = (reached_bytes as f64 * BUMP) as u64;
        if self.predict(question).peak_bytes < least {
            let needed = Needed {
                peak_bytes: least,
                seconds,
                curve: None,
            };
            self.learn(question, &needed);
        }
    }

    /// How many keys are known.
    pub fn keys(&self) -> usize {
        self.known.len()
    }

    fn known_keys<'a>(
        &'a self,
        question: &'a Question,
    ) -> impl Iterator<Item = (Level, &'a Known)> {
        Level::KEYED.into_iter().filter_map(|level| {
            let key = question.keys.at(level)?;
            Some((level, self.known.get(&(level, key))?))
        })
    }

    fn forget_unused(&mut self) {
        // A quarter at once, so that a run of ever new commands doesn't search each time.
        if self.known.len() <= self.options.most_keys.max(Level::KEYED.len()) {
            return;
        }
        let mut ages: Vec<u64> = self.known.values().map(|known| known.used).collect();
        ages.sort_unstable();
        let oldest_kept = ages.get(ages.len() / 4).copied().unwrap_or(0);
        let now = self.clock;
        self.known
            .retain(|_, known| known.used > oldest_kept || known.used == now);
    }
}

fn sample(question: &Question, needed: &Needed) -> Sample {
    Sample {
        input: question.input_bytes.map(|bytes| bytes as f64),
        peak: (needed.peak_bytes as f64).max(1.0),
        // A clock that went backwards or stood still; a century is no task.
        seconds: if needed.seconds.is_finite() {
            needed.seconds.clamp(1e-6, 4e9)
        } else {
            1e-6
        },
    }
}

fn answer(
    choice: Choice,
    selector: &Selector,
    level: Level,
    seconds: Option<f64>,
    curve: Curve,
) -> Prediction {
    Prediction {
        // A cast from floating point saturates.
        peak_bytes: choice.bytes.ceil() as u64,
        likely_bytes: likely(selector, level).unwrap_or(choice.bytes).ceil() as u64,
        seconds,
        curve,
        level,
        evidence: selector.count(),
        largest_bytes: selector.largest() as u64,
        by: NAMES
            .get(choice.base)
            .copied()
            .unwrap_or("the largest so far"),
    }
}

/// The mean of the latest peaks of the very same task; `None` where tasks differ.
fn likely(selector: &Selector, level: Level) -> Option<f64> {
    if !matches!(level, Level::Command | Level::Items) {
        return None;
    }
    let latest = selector.rows().iter().rev().take(LATEST_PEAKS);
    let count = latest.len() as f64;
    (count > 0.0).then(|| latest.map(|row| row.peak).sum::<f64>() / count)
}

/// The geometric mean of the durations of those nearest in input, or of the latest.
fn duration(selector: &Selector, input: Option<f64>) -> Option<f64> {
    let mut near: Vec<(f64, f64)> = selector
        .rows()
        .iter()
        .rev()
        .map(|row| {
            let distance = match (row.input, input) {
                (Some(a), Some(b)) => (a.max(1.0).ln() - b.max(1.0).ln()).abs(),
                _ => 0.0,
            };
            (distance, row.seconds)
        })
        .collect();
    // Stable: among equals the latest stay first.
    near.sort_by(|a, b| a.0.total_cmp(&b.0));
    near.truncate(NEAREST_DURATIONS);
    let count = near.len() as f64;
    (!near.is_empty()).then(|| (near.iter().map(|(_, s)| s.ln()).sum::<f64>() / count).exp())
}

#[cfg(test)]
mod tests;
