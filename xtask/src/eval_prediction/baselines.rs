//! What simpler ways would set aside, from the same rows.

use saferun_history::predict::charge;

/// The baselines' names, in the order of [`Seen::says`].
pub(super) const NAMES: [&str; 6] = [
    "largest so far",
    "largest so far x 1.1",
    "fixed guess",
    "95th percentile + 5 %",
    "regression + 1 deviation (Witt)",
    "first allocation (Tovar)",
];

/// Candidates that Tovar's first allocation is chosen from: that many quantiles of the peaks.
const CANDIDATES: usize = 128;

/// All finished tasks of one template.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Peaks, in ascending order, with their durations.
    sorted: Vec<(f64, f64)>,
    /// Sums over (input, peak) for the regression.
    count: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Seen {
    /// Learns a finished task.
    pub(super) fn learn(&mut self, input: f64, peak: f64, seconds: f64) {
        let place = self.sorted.partition_point(|(seen, _)| *seen < peak);
        self.sorted.insert(place, (peak, seconds));
        // Welford's sums, which don't cancel where inputs are large and alike.
        self.count += 1.0;
        let (dx, dy) = (input - self.mean_x, peak - self.mean_y);
        self.mean_x += dx / self.count;
        self.mean_y += dy / self.count;
        self.xx += dx * (input - self.mean_x);
        self.xy += dx * (peak - self.mean_y);
        self.yy += dy * (peak - self.mean_y);
    }

    /// What each sets aside for a task with this input; `unseen` where the template is new.
    pub(super) fn says(&self, input: f64, guess: f64, unseen: f64) -> [f64; NAMES.len()] {
        let Some(&(largest, _)) = self.sorted.last() else {
            return [unseen, unseen, guess, unseen, unseen, unseen];
        };
        [
            largest,
            1.1 * largest,
            guess,
            1.05 * self.percentile(0.95),
            self.regression(input).unwrap_or(largest),
            self.first_allocation(largest),
        ]
    }

    fn percentile(&self, part: f64) -> f64 {
        let rank = (part * self.sorted.len() as f64).ceil() as usize;
        self.sorted[rank.clamp(1, self.sorted.len()) - 1].0
    }

    /// A line over input size plus one standard deviation of the residuals (Witt et al. 2019).
    fn regression(&self, input: f64) -> Option<f64> {
        if self.count < 2.0 {
            return None;
        }
        let slope = if self.xx > 0.0 {
            self.xy / self.xx
        } else {
            0.0
        };
        let deviation = ((self.yy - slope * self.xy).max(0.0) / self.count).sqrt();
        let line = self.mean_y + slope * (input - self.mean_x);
        Some((line + deviation).max(1.0))
    }

    /// The peak seen so far that would have wasted least on all tasks so far, failures doubled
    /// (Tovar et al. 2018).
    fn first_allocation(&self, largest: f64) -> f64 {
        let step = self.sorted.len().div_ceil(CANDIDATES).max(1);
        let candidates = self.sorted.iter().step_by(step).map(|(peak, _)| *peak);
        let waste = |first: f64| -> f64 {
            let each = self.sorted.iter();
            each.map(|(peak, seconds)| charge(first, *peak, *seconds).waste)
                .sum()
        };
        candidates
            .chain([largest])
            .map(|first| (waste(first), first))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(largest, |(_, first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_what_its_name_says() {
        let mut seen = Seen::default();
        assert_eq!(seen.says(1.0, 7.0, 9.0), [9.0, 9.0, 7.0, 9.0, 9.0, 9.0]);
        for n in 1..=100 {
            seen.learn(f64::from(n), 10.0 * f64::from(n), 1.0);
        }
        let says = seen.says(200.0, 7.0, 9.0);
        assert_eq!(says[0], 1000.0);
        assert!((says[1] - 1100.0).abs() < 1e-9);
        assert!((says[3] - 997.5).abs() < 1e-9);
        assert!((says[4] - 2000.0).abs() < 1e-6, "{}", says[4]);
    }

    #[test]
    fn the_first_allocation_bets_on_the_many() {
        let mut seen = Seen::default();
        for n in 0..100 {
            seen.learn(1.0, if n % 50 == 0 { 1000.0 } else { 10.0 }, 1.0);
        }
        assert_eq!(seen.says(1.0, 7.0, 9.0)[5], 10.0);
    }
}
