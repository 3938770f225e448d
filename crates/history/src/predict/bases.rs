//! Simple predictors of a peak, each a figure that the selector then scales.

use std::collections::VecDeque;

use super::regression::Line;

/// Rows that a key remembers one by one.
pub(super) const REMEMBERED: usize = 192;

/// What is remembered of one finished task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// The size of its input in bytes; `None` where it has none or nobody knows.
    pub(super) input: Option<f64>,
    /// Its peak in bytes.
    pub(super) peak: f64,
    /// How long it took.
    pub(super) seconds: f64,
}

/// How many simple predictors there are.
pub(super) const BASES: usize = NAMES.len();

/// What each is, for people. Where inputs are unknown, those that need them say what their
/// likeness without input says.
pub(super) const NAMES: [&str; 18] = [
    "the largest so far",
    "the median",
    "the 75th percentile",
    "the 90th percentile",
    "the 95th percentile",
    "the last",
    "the largest of the last 4",
    "the largest of the last 12",
    "the largest of the last 40",
    "the largest of the 2 nearest inputs",
    "the largest of the 6 nearest inputs",
    "the mean of the 3 nearest inputs",
    "the mean of the 8 nearest inputs",
    "a line over input size",
    "a line over input size plus one deviation",
    "a line over input size plus two deviations",
    "a power of input size",
    "a power of input size plus one deviation",
];

/// The place of the largest so far.
pub(super) const LARGEST: usize = 0;
/// The places of the largest of the nearest inputs.
pub(super) const LARGEST_OF_NEAR: [usize; 2] = [9, 10];

/// What each simple predictor says of a task with this input, from the rows of its key.
pub(super) fn bases(rows: &VecDeque<Sample>, largest: f64, input: Option<f64>) -> [f64; BASES] {
    let mut peaks: Vec<f64> = rows.iter().map(|row| row.peak).collect();
    peaks.sort_by(f64::total_cmp);
    let share = |part: f64| {
        let place = (part * (peaks.len().saturating_sub(1)) as f64).round() as usize;
        peaks.get(place).copied().unwrap_or(largest)
    };
    let recent = |count: usize| {
        let most = rows.iter().rev().take(count).map(|row| row.peak);
        most.fold(0.0, f64::max)
    };
    let median = share(0.5);
    let mut says = [
        largest,
        median,
        share(0.75),
        share(0.9),
        share(0.95),
        recent(1),
        recent(4),
        recent(12),
        recent(40),
        largest,
        largest,
        median,
        median,
        median,
        median,
        median,
        median,
        median,
    ];
    if let Some(input) = input {
        let near = Near::of(rows, input);
        if let Some(near) = near {
            says[9] = near.largest_of(2);
            says[10] = near.largest_of(6);
            says[11] = near.mean_of(3);
            says[12] = near.mean_of(8);
        }
        let with_input = || {
            rows.iter()
                .rev()
                .zip(0..)
                .filter_map(|(row, age)| Some((row.input?, row.peak, f64::powi(0.995, age))))
        };
        let line = Line::through(with_input());
        let level = line.at(input).max(0.05 * median);
        let logs =
            Line::through(with_input().map(|(x, y, w)| (x.max(1.0).ln(), y.max(1.0).ln(), w)));
        let power = logs.at(input.max(1.0).ln()).clamp(-1.0, 60.0).exp();
        if with_input().next().is_some() {
            says[13] = level;
            says[14] = level + line.deviation;
            says[15] = level + 2.0 * line.deviation;
            says[16] = power.clamp(0.05 * median, 20.0 * largest);
            says[17] = (power * logs.deviation.min(3.0).exp()).clamp(0.05 * median, 20.0 * largest);
        }
    }
    // Least of all a page: every process holds that much.
    says.map(|bytes| {
        if bytes.is_finite() {
            bytes.max(4096.0)
        } else {
            largest
        }
    })
}

/// The rows whose inputs are nearest.
struct Near {
    peaks: Vec<f64>,
}

impl Near {
    fn of(rows: &VecDeque<Sample>, input: f64) -> Option<Self> {
        let position = |bytes: f64| bytes.max(1.0).ln();
        // Among equally near ones, the later ones know better.
        let mut near: Vec<(f64, usize, f64)> = rows
            .iter()
            .rev()
            .enumerate()
            .filter_map(|(age, row)| {
                Some((
                    (position(row.input?) - position(input)).abs(),
                    age,
                    row.peak,
                ))
            })
            .collect();
        let wanted = 8.min(near.len());
        if wanted == 0 {
            return None;
        }
        let order =
            |a: &(f64, usize, f64), b: &(f64, usize, f64)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if wanted < near.len() {
            near.select_nth_unstable_by(wanted - 1, order);
            near.truncate(wanted);
        }
        near.sort_by(order);
        Some(Self {
            peaks: near.into_iter().map(|(_, _, peak)| peak).collect(),
        })
    }

    fn largest_of(&self, count: usize) -> f64 {
        self.peaks.iter().take(count).copied().fold(0.0, f64::max)
    }

    fn mean_of(&self, count: usize) -> f64 {
        let count = count.min(self.peaks.len());
        self.peaks.iter().take(count).sum::<f64>() / count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(f64, f64)]) -> VecDeque<Sample> {
        let sample = |&(input, peak): &(f64, f64)| Sample {
            input: Some(input),
            peak,
            seconds: 1.0,
        };
        pairs.iter().map(sample).collect()
    }

    #[test]
    fn each_says_what_its_name_says() {
        let pairs: Vec<(f64, f64)> = (1..=20)
            .map(|n| (f64::from(n) * 1e6, f64::from(n) * 1e7))
            .collect();
        let says = bases(&rows(&pairs), 2e8, Some(1e7));
        assert_eq!(says[LARGEST], 2e8);
        assert_eq!(says[5], 2e8);
        assert_eq!(says[9], 1.1e8);
        assert!((says[13] / 1e8 - 1.0).abs() < 1e-6);
        assert!((says[16] / 1e8 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn without_inputs_all_say_something() {
        let mut known = rows(&[(1.0, 5e6), (2.0, 7e6)]);
        for row in &mut known {
            row.input = None;
        }
        for input in [None, Some(1e9)] {
            let says = bases(&known, 7e6, input);
            assert!(
                says.iter().all(|bytes| (5e6..=7e6).contains(bytes)),
                "{says:?}"
            );
        }
    }

    #[test]
    fn absurd_inputs_give_finite_figures() {
        let known = rows(&[(0.0, 1.0), (f64::MAX, 1e300), (1e-300, 4e9)]);
        for input in [0.0, 1.0, f64::MAX] {
            let says = bases(&known, 1e300, Some(input));
            assert!(
                says.iter()
                    .all(|bytes| bytes.is_finite() && *bytes >= 4096.0)
            );
        }
    }
}
