//! What keys showed while they were young, for those that are young now.
//!
//! With two or three rows a key can't know how far the next peak will lie from them. Other keys
//! have been at that stage before: for each stage the pool keeps what every pair of a simple
//! predictor and a factor cost there, in parts of a task's own peak x time.

use super::bases::{BASES, LARGEST, LARGEST_OF_NEAR};
use super::selector::{FACTORS, PAIRS};

/// Stages told apart.
const STAGES: usize = 8;
/// So much of a charge is forgotten with each further row at its stage.
const FORGETTING: f64 = 0.003;
/// No single row is charged more than this: one absurd task must not teach all keys.
const MOST: f64 = 8.0;
/// How many rows the first belief counts for.
const BELIEVED_ROWS: f64 = 1.0;

/// How many rows a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage(usize);

impl Stage {
    pub(super) fn of(count: u64) -> Self {
        Self(match count {
            0..=1 => 0,
            2 => 1,
            3 => 2,
            4..=5 => 3,
            6..=9 => 4,
            10..=17 => 5,
            18..=40 => 6,
            _ => 7,
        })
    }
}

/// The charges of one stage.
#[derive(Debug, Clone)]
struct Charges {
    sums: Box<[f64; PAIRS]>,
    rows: f64,
}

/// The experience of all keys.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    stages: [Charges; STAGES],
}

impl Default for Pool {
    /// Before any row: the largest so far and somewhat more, the less the more rows there are.
    fn default() -> Self {
        Self {
            stages: std::array::from_fn(|stage| {
                let wanted: f64 = 1.0 + 0.3 / (1.0 + stage as f64);
                let mut sums = Box::new([0.0; PAIRS]);
                for base in 0..BASES {
                    let doubt = if base == LARGEST || LARGEST_OF_NEAR.contains(&base) {
                        0.0
                    } else {
                        0.3
                    };
                    for (place, factor) in FACTORS.iter().enumerate() {
                        let off = (factor / wanted).ln().abs();
                        sums[base * FACTORS.len() + place] = BELIEVED_ROWS * (off + doubt);
                    }
                }
                Charges {
                    sums,
                    rows: BELIEVED_ROWS,
                }
            }),
        }
    }
}

impl Pool {
    /// What each pair cost at this stage on average.
    pub(super) fn mean_charges(&self, stage: Stage) -> [f64; PAIRS] {
        let charges = &self.stages[stage.0];
        charges.sums.map(|sum| sum / charges.rows)
    }

    /// Takes in a row at this stage; what each pair cost is to be added.
    pub(super) fn begin(&mut self, stage: Stage) -> Adding<'_> {
        let charges = &mut self.stages[stage.0];
        charges.rows = charges.rows * (1.0 - FORGETTING) + 1.0;
        Adding(charges)
    }
}

/// A row on its way into the pool.
#[derive(Debug)]
pub(super) struct Adding<'a>(&'a mut Charges);

impl Adding<'_> {
    /// Adds what a pair cost, in parts of the task's peak x time.
    pub(super) fn add(&mut self, pair: usize, cost: f64) {
        let sum = &mut self.0.sums[pair];
        *sum = *sum * (1.0 - FORGETTING) + cost.min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_a_stage() {
        let mut last = 0;
        for count in 0..1000 {
            let Stage(stage) = Stage::of(count);
            assert!(stage < STAGES && stage >= last);
            last = stage;
        }
        assert_eq!(last, STAGES - 1);
    }

    #[test]
    fn experience_takes_the_place_of_the_first_belief() {
        let mut pool = Pool::default();
        let stage = Stage::of(1);
        for _ in 0..100 {
            let mut adding = pool.begin(stage);
            for pair in 0..PAIRS {
                adding.add(pair, if pair == 7 { 0.0 } else { 1.0 });
            }
        }
        let means = pool.mean_charges(stage);
        let cheapest = (0..PAIRS).min_by(|a, b| means[*a].total_cmp(&means[*b]));
        assert_eq!(cheapest, Some(7));
    }
}
