//! Choosing among simple predictors by what each would have cost.
//!
//! For each key every simple predictor of [`super::bases`] is tried with every factor of
//! [`FACTORS`]: when a task has finished, each pair is charged for what it would have wasted, a
//! further peak x time for each failure, and, while little is known, for a peak a little higher
//! than the one seen. Old charges fade. What a key can't know yet, [`Pool`] adds from what other
//! keys showed when they were as young.
//!
//! The answer is not the cheapest pair's but the median of all pairs' answers, weighted by how
//! little each has cost (exponential weights, as in prediction with expert advice: Littlestone
//! and Warmuth 1994). Of hundreds of pairs the cheapest is cheap by luck too; the median showed
//! 5 to 15 % less waste and fewer failures on every set of traces tried.

use std::collections::VecDeque;

use super::bases::{BASES, REMEMBERED, Sample, bases};
use super::charge::charge;
use super::pool::{Pool, Stage};

/// What a simple predictor's figure is multiplied by. Close together around 1, where most
/// programs lie.
pub(super) const FACTORS: [f64; 20] = [
    0.5, 0.7, 0.85, 0.95, 0.98, 1.0, 1.01, 1.02, 1.035, 1.05, 1.075, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6,
    1.85, 2.2, 3.0,
];

/// Simple predictors times factors.
pub(super) const PAIRS: usize = BASES * FACTORS.len();

/// So much of a charge is forgotten with each further row.
const FORGETTING: f64 = 0.01;
/// Each row is charged as if its peak were so much higher, too, with a weight of 1/n.
const CAUTION: f64 = 0.01;
/// How many rows the pooled experience of other keys counts for.
const POOLED_ROWS: f64 = 2.0;
/// How much dearer than the cheapest a pair may be and still have a say, in parts of a mean
/// task's peak x time; the more rows, the less.
const TOLERANCE: f64 = 0.25;
/// The mean task is that of about the last so many.
const MEAN_ROWS: u64 = 50;

/// One key's experience.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    rows: VecDeque<Sample>,
    count: u64,
    largest: f64,
    charges: Box<[f64; PAIRS]>,
    /// How many rows the charges stand for, fading like them.
    weight: f64,
    /// The mean of peak x time.
    mean_area: f64,
}

/// What a selector says, and why.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Choice {
    /// So many bytes.
    pub(super) bytes: f64,
    /// The place of the simple predictor that weighed most.
    pub(super) base: usize,
}

impl Selector {
    pub(super) fn new() -> Self {
        Self {
            rows: VecDeque::new(),
            count: 0,
            largest: 0.0,
            charges: Box::new([0.0; PAIRS]),
            weight: 0.0,
            mean_area: 0.0,
        }
    }

    /// Rows learned, forgotten ones included.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The largest peak ever seen.
    pub(super) fn largest(&self) -> f64 {
        self.largest
    }

    /// The rows that are remembered, oldest first.
    pub(super) fn rows(&self) -> &VecDeque<Sample> {
        &self.rows
    }

    /// What to set aside for a task with this input; `None` before the first row.
    pub(super) fn choose(&self, input: Option<f64>, pool: &Pool) -> Option<Choice> {
        if self.count == 0 {
            return None;
        }
        let says = bases(&self.rows, self.largest, input);
        let pooled = pool.mean_charges(Stage::of(self.count));
        let per_row = POOLED_ROWS * self.mean_area;
        let total = |pair: usize| self.charges[pair] + per_row * pooled[pair];
        let cheapest = (0..PAIRS).map(total).fold(f64::INFINITY, f64::min);
        let known = self.weight + POOLED_ROWS;
        let tolerance = (TOLERANCE * self.mean_area * known.sqrt()).max(f64::MIN_POSITIVE);
        let mut weighed = Vec::with_capacity(PAIRS);
        let mut by_base = [0.0; BASES];
        for (base, figure) in says.iter().enumerate() {
            for (place, factor) in FACTORS.iter().enumerate() {
                let excess = total(base * FACTORS.len() + place) - cheapest;
                let weight = (-excess / tolerance).exp();
                // What weighs next to nothing isn't worth sorting.
                if weight > 1e-4 {
                    weighed.push((figure * factor, weight));
                    by_base[base] += weight;
                }
            }
        }
        let base = (0..BASES).max_by(|a, b| by_base[*a].total_cmp(&by_base[*b]))?;
        Some(Choice {
            bytes: weighted_median(&mut weighed)?,
            base,
        })
    }

    /// Learns a finished task; `failure_weight` says what a failure costs beyond its waste, in
    /// peaks x time.
    pub(super) fn learn(&mut self, row: Sample, failure_weight: f64, pool: &mut Pool) {
        let area = (row.peak * row.seconds).max(f64::MIN_POSITIVE);
        if self.count > 0 {
            self.charge_all(&row, area, failure_weight, pool);
        }
        self.count += 1;
        self.mean_area += (area - self.mean_area) / self.count.min(MEAN_ROWS) as f64;
        self.largest = self.largest.max(row.peak);
        if self.rows.len() == REMEMBERED {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    fn charge_all(&mut self, row: &Sample, area: f64, failure_weight: f64, pool: &mut Pool) {
        let says = bases(&self.rows, self.largest, row.input);
        let caution = 1.0 / self.count as f64;
        let cost = |allocated: f64, peak: f64| {
            let charged = charge(allocated, peak, row.seconds);
            charged.waste + failure_weight * area * f64::from(charged.failures)
        };
        self.weight = self.weight * (1.0 - FORGETTING) + 1.0;
        let mut shares = pool.begin(Stage::of(self.count));
        for (base, figure) in says.iter().enumerate() {
            for (place, factor) in FACTORS.iter().enumerate() {
                let allocated = figure * factor;
                let charged = cost(allocated, row.peak)
                    + caution * cost(allocated, row.peak * (1.0 + CAUTION));
                let pair = base * FACTORS.len() + place;
                self.charges[pair] = self.charges[pair] * (1.0 - FORGETTING) + charged;
                shares.add(pair, charged / area);
            }
        }
    }
}

/// The value below which half of the weight lies.
fn weighted_median(weighed: &mut [(f64, f64)]) -> Option<f64> {
    weighed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = weighed.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut below = 0.0;
    weighed
        .iter()
        .find(|(_, weight)| {
            below += weight;
            below >= half
        })
        .map(|(value, _)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(input: f64, peak: f64) -> Sample {
        Sample {
            input: Some(input),
            peak,
            seconds: 1.0,
        }
    }

    fn taught(rows: impl IntoIterator<Item = Sample>) -> (Selector, Pool) {
        let (mut selector, mut pool) = (Selector::new(), Pool::default());
        for row in rows {
            selector.learn(row, 1.0, &mut pool);
        }
        (selector, pool)
    }

    const MIB: f64 = 1_048_576.0;

    #[test]
    fn nothing_is_said_of_what_was_never_seen() {
        assert_eq!(Selector::new().choose(None, &Pool::default()), None);
    }

    #[test]
    fn what_is_always_the_same_gets_little_more() {
        let (selector, pool) = taught((0..20).map(|_| row(1.0, 100.0 * MIB)));
        let said = selector.choose(Some(1.0), &pool).unwrap().bytes / MIB;
        assert!((100.0..104.0).contains(&said), "{said}");
    }

    #[test]
    fn what_follows_its_input_is_predicted_beyond_what_was_seen() {
        let (selector, pool) =
            taught((1..40).map(|n| row(f64::from(n) * MIB, f64::from(n) * 5.0 * MIB)));
        let said = selector.choose(Some(60.0 * MIB), &pool).unwrap().bytes / MIB;
        assert!((290.0..400.0).contains(&said), "{said}");
    }

    #[test]
    fn a_change_is_followed() {
        let (selector, pool) = taught((0..200).map(|n| {
            let peak = if n < 150 { 100.0 } else { 300.0 };
            row(1.0, peak * MIB)
        }));
        let said = selector.choose(Some(1.0), &pool).unwrap().bytes / MIB;
        assert!((300.0..330.0).contains(&said), "{said}");
    }

    #[test]
    fn the_dearer_a_failure_the_more_is_set_aside() {
        let noisy = (0..120_i32).map(|n| row(1.0, (100.0 + f64::from(n * 37 % 60)) * MIB));
        let said = |failure_weight: f64| {
            let (mut selector, mut pool) = (Selector::new(), Pool::default());
            for row in noisy.clone() {
                selector.learn(row, failure_weight, &mut pool);
            }
            selector.choose(Some(1.0), &pool).unwrap().bytes
        };
        assert!(said(8.0) >= said(0.0));
    }

    #[test]
    fn half_of_the_weight_lies_below_the_median() {
        assert_eq!(weighted_median(&mut []), None);
        assert_eq!(
            weighted_median(&mut [(9.0, 1.0), (1.0, 1.0), (2.0, 1.0)]),
            Some(2.0)
        );
        assert_eq!(weighted_median(&mut [(1.0, 1.0), (2.0, 5.0)]), Some(2.0));
    }
}
