//! What this run has taught so far: means, the spread of peaks, and what each kind needs.

use crate::curve::Curve;
use crate::tuning::{PRIOR_PEAK, PRIOR_SECONDS, PRIOR_WEIGHT};

/// Kinds remembered at once; the one unused for longest makes room for a new one.
const KINDS: usize = 128;
/// A kind is trusted once so many of its tasks ended,
const TRUSTED_COUNT: u32 = 2;
/// their peaks differing by no more than this (standard deviation over mean),
const TRUSTED_PEAK_SPREAD: f64 = 0.15;
/// and their durations by no more than this.
const TRUSTED_DURATION_SPREAD: f64 = 0.25;
/// The error assumed of a trusted kind before any of its predictions was tried.
const FIRST_ERROR: f64 = 0.05;
/// A new error weighs so much against those before it.
const ERROR_WEIGHT: f64 = 0.2;

/// Bins of the spread of peaks: four to each doubling, from 4 KiB to 64 PiB.
const BINS: usize = 176;
/// The binary exponent of the first bin.
const FIRST_EXPONENT: u64 = 12;

/// An attempt that ended by itself.
#[derive(Debug)]
pub(crate) struct Lesson {
    pub(crate) kind: Option<u64>,
    pub(crate) peak: f64,
    pub(crate) seconds: f64,
    pub(crate) curve: Curve,
    /// The peak that was expected of it, if anything was known.
    pub(crate) expected: Option<f64>,
}

/// Everything learned; its size does not depend on the number of tasks.
#[derive(Debug, Clone)]
pub(crate) struct Learning {
    ended: Mean,
    seconds: Mean,
    largest: f64,
    bins: Box<[(f64, f64); BINS]>,
    kinds: Vec<Kind>,
    lessons: u64,
    error: f64,
}

impl Learning {
    pub(crate) fn new() -> Self {
        Self {
            ended: Mean::default(),
            seconds: Mean::default(),
            largest: 0.0,
            bins: Box::new([(0.0, 0.0); BINS]),
            kinds: Vec::new(),
            lessons: 0,
            error: FIRST_ERROR,
        }
    }

    /// Learns from an attempt that ended by itself.
    pub(crate) fn learn(&mut self, lesson: Lesson) {
        self.lessons += 1;
        self.ended.add(lesson.peak);
        self.seconds.add(lesson.seconds);
        self.largest = self.largest.max(lesson.peak);
        let bin = &mut self.bins[bin_of(lesson.peak)];
        bin.0 += 1.0;
        bin.1 += lesson.peak;
        if let Some(expected) = lesson.expected
            && expected > 0.0
            && lesson.peak > 0.0
        {
            let error = (lesson.peak / expected).ln().abs().min(3.0);
            self.error += ERROR_WEIGHT * (error - self.error);
        }
        if let Some(kind) = lesson.kind {
            self.learn_kind(kind, &lesson);
        }
    }

    fn learn_kind(&mut self, name: u64, lesson: &Lesson) {
        let place = match self.kinds.iter().position(|kind| kind.name == name) {
            Some(place) => place,
            None if self.kinds.len() < KINDS => {
                self.kinds.push(Kind::new(name, lesson.curve.clone()));
                self.kinds.len() - 1
            }
            None => {
                let oldest = (0..self.kinds.len()).min_by_key(|&place| self.kinds[place].taught);
                let place = oldest.unwrap_or(0);
                self.kinds[place] = Kind::new(name, lesson.curve.clone());
                place
            }
        };
        let kind = &mut self.kinds[place];
        kind.taught = self.lessons;
        kind.peaks.add(lesson.peak);
        kind.seconds.add(lesson.seconds);
        kind.curve.clone_from(&lesson.curve);
    }

    /// What is known of a kind whose tasks are alike.
    pub(crate) fn kind(&self, name: Option<u64>) -> Option<&Kind> {
        let name = name?;
        self.kinds
            .iter()
            .find(|kind| kind.name == name)
            .filter(|kind| kind.is_consistent())
    }

    /// How many attempts have ended by themselves.
    pub(crate) fn count(&self) -> f64 {
        self.ended.count
    }

    /// How far the expectations of this run were off lately, as a logarithm.
    pub(crate) fn error(&self) -> f64 {
        self.error
    }

    /// The mean duration in seconds.
    pub(crate) fn mean_seconds(&self) -> f64 {
        if self.seconds.count == 0.0 {
            PRIOR_SECONDS
        } else {
            self.seconds.mean.max(1e-3)
        }
    }

    /// The mean peak of the tasks that ended and of those `grown` running ones (count and sum)
    /// that have passed it, held up or down by the prior.
    pub(crate) fn mean_peak(&self, prior: f64, grown: (f64, f64)) -> f64 {
        let count = PRIOR_WEIGHT + self.ended.count + grown.0;
        let sum = PRIOR_WEIGHT * prior + self.ended.mean * self.ended.count + grown.1;
        sum / count
    }

    /// The prior of the mean peak where nobody assumed another.
    pub(crate) fn prior_peak(undisturbed: f64) -> f64 {
        PRIOR_PEAK * undisturbed
    }

    /// The largest peak of any task that ended.
    pub(crate) fn largest_peak(&self) -> f64 {
        self.largest
    }

    /// The mean peak of those tasks that went beyond `reached`; `None` if none has.
    pub(crate) fn mean_peak_beyond(&self, reached: f64) -> Option<f64> {
        // The bin of `reached` itself holds smaller ones as well.
        let beyond = &self.bins[(bin_of(reached) + 1).min(BINS - 1)..];
        let (count, sum) = beyond
            .iter()
            .fold((0.0, 0.0), |all, bin| (all.0 + bin.0, all.1 + bin.1));
        (count > 0.0).then(|| sum / count)
    }
}

/// The bin of a peak: its exponent and the two highest bits of its mantissa.
fn bin_of(peak: f64) -> usize {
    let quarter_octaves = peak.max(0.0).to_bits() >> 50;
    let first = (1023 + FIRST_EXPONENT) << 2;
    (quarter_octaves.saturating_sub(first) as usize).min(BINS - 1)
}

/// What the tasks of one kind needed.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    name: u64,
    /// The lesson at which it was last taught.
    taught: u64,
    peaks: Mean,
    seconds: Mean,
    curve: Curve,
}

impl Kind {
    fn new(name: u64, curve: Curve) -> Self {
        Self {
            name,
            taught: 0,
            peaks: Mean::default(),
            seconds: Mean::default(),
            curve,
        }
    }

    /// One command template may be fed with small and large items alike: its mean tells
    /// something only if its tasks are alike.
    fn is_consistent(&self) -> bool {
        self.peaks.count >= f64::from(TRUSTED_COUNT)
            && self.peaks.spread() <= TRUSTED_PEAK_SPREAD
            && self.seconds.spread() <= TRUSTED_DURATION_SPREAD
    }

    pub(crate) fn peak(&self) -> f64 {
        self.peaks.mean
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.seconds.mean.max(1e-3)
    }

    pub(crate) fn curve(&self) -> &Curve {
        &self.curve
    }
}

/// A mean and its spread, without keeping what went into it (Welford).
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    /// The standard deviation over the mean.
    fn spread(&self) -> f64 {
        if self.count < 2.0 || self.mean <= 0.0 {
            return 0.0;
        }
        (self.squares / (self.count - 1.0)).sqrt() / self.mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::Record;

    fn lesson(kind: u64, peak: f64, seconds: f64) -> Lesson {
        let curve = Record::new().curve(1.0, 1.0);
        Lesson {
            kind: Some(kind),
            peak,
            seconds,
            curve,
            expected: None,
        }
    }

    #[test]
    fn a_kind_is_trusted_once_two_of_it_are_alike() {
        let mut learning = Learning::new();
        learning.learn(lesson(1, 100e6, 1.0));
        assert!(learning.kind(Some(1)).is_none());
        learning.learn(lesson(1, 105e6, 1.1));
        assert!(learning.kind(Some(1)).is_some());
        assert!(learning.kind(Some(2)).is_none());
        assert!(learning.kind(None).is_none());
        learning.learn(lesson(1, 300e6, 1.0));
        assert!(
            learning.kind(Some(1)).is_none(),
            "one template, unlike items"
        );
    }

    #[test]
    fn kinds_are_bounded_and_the_latest_stay() {
        let mut learning = Learning::new();
        for name in 0..10 * KINDS as u64 {
            learning.learn(lesson(name, 1e6, 1.0));
            learning.learn(lesson(name, 1e6, 1.0));
        }
        assert_eq!(learning.kinds.len(), KINDS);
        assert!(learning.kind(Some(10 * KINDS as u64 - 1)).is_some());
        assert!(learning.kind(Some(0)).is_none());
    }

    #[test]
    fn the_prior_fades() {
        let mut learning = Learning::new();
        assert_eq!(learning.mean_peak(100.0, (0.0, 0.0)), 100.0);
        for _ in 0..98 {
            learning.learn(lesson(1, 200.0, 1.0));
        }
        assert!((learning.mean_peak(100.0, (0.0, 0.0)) - 198.0).abs() < 1e-9);
        assert!(learning.mean_peak(100.0, (2.0, 1000.0)) > 200.0);
    }

    #[test]
    fn those_beyond_are_larger() {
        let mut learning = Learning::new();
        for peak in [10e6, 100e6, 300e6] {
            learning.learn(lesson(1, peak, 1.0));
        }
        assert_eq!(learning.mean_peak_beyond(50e6), Some(200e6));
        assert_eq!(learning.mean_peak_beyond(400e6), None);
        assert_eq!(learning.mean_peak_beyond(f64::MAX), None);
    }

    #[test]
    fn every_size_has_a_bin() {
        let mut last = 0;
        for exponent in 0..64 {
            let bin = bin_of(2f64.powi(exponent));
            assert!(bin >= last && bin < BINS);
            last = bin;
        }
        assert_eq!(bin_of(0.0), 0);
        assert_eq!(bin_of(f64::MAX), BINS - 1);
    }
}
