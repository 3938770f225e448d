//! The use of one attempt over its life, recorded in bounded space, and the shape learned of it.

/// Points of a recorded or learned curve.
const POINTS: usize = 64;
/// The first spacing of a record, in seconds; it doubles whenever the record is full.
const FIRST_SPACING: f64 = 0.010;

/// The highest use in each stretch of an attempt's own run time.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    points: [f32; POINTS],
    len: usize,
    spacing: f64,
}

impl Record {
    pub(crate) fn new() -> Self {
        Self {
            points: [0.0; POINTS],
            len: 0,
            spacing: FIRST_SPACING,
        }
    }

    /// Notes a use of `bytes` after `work` seconds.
    pub(crate) fn note(&mut self, work: f64, bytes: f64) {
        // A jump of centuries would halve the spacing a thousand times; no task is that old.
        if !(0.0..1e9).contains(&work) {
            return;
        }
        while work >= self.spacing * POINTS as f64 {
            self.halve();
        }
        let place = (work / self.spacing) as usize;
        let bytes = bytes as f32;
        if place >= self.len {
            // A stretch without a reading held what the one before it held.
            let last = if self.len == 0 {
                bytes
            } else {
                self.points[self.len - 1]
            };
            self.points[self.len..place].fill(last);
            self.points[place] = bytes;
            self.len = place + 1;
        } else {
            self.points[place] = self.points[place].max(bytes);
        }
    }

    fn halve(&mut self) {
        for place in 0..POINTS / 2 {
            self.points[place] = self.points[2 * place].max(self.points[2 * place + 1]);
        }
        self.points[POINTS / 2..].fill(0.0);
        self.len = self.len.div_ceil(2);
        self.spacing *= 2.0;
    }

    /// The shape of an attempt that took `work` seconds and reached `peak`.
    pub(crate) fn curve(&self, work: f64, peak: f64) -> Curve {
        let mut shares = [1.0; POINTS];
        if self.len == 0 || peak <= 0.0 || work <= 0.0 {
            return Curve { shares };
        }
        for (place, share) in shares.iter_mut().enumerate() {
            let from = (place as f64 / POINTS as f64 * work / self.spacing) as usize;
            let to = ((place + 1) as f64 / POINTS as f64 * work / self.spacing) as usize;
            let last = self.len - 1;
            let most = self.points[from.min(last)..=to.min(last)]
                .iter()
                .copied()
                .fold(0.0, f32::max);
            *share = (most / peak as f32).clamp(0.0, 1.0);
        }
        Curve { shares }
    }
}

/// Use as a part of the peak, over life as a part of the duration.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    shares: [f32; POINTS],
}

impl Curve {
    /// The part of the peak in use after `life` (a part of the duration).
    pub(crate) fn at(&self, life: f64) -> f64 {
        f64::from(self.shares[Self::place(life)])
    }

    /// The highest part of the peak between two moments of life.
    pub(crate) fn most(&self, from: f64, to: f64) -> f64 {
        let (from, to) = (Self::place(from), Self::place(to));
        f64::from(
            self.shares[from..=to.max(from)]
                .iter()
                .copied()
                .fold(0.0, f32::max),
        )
    }

    fn place(life: f64) -> usize {
        ((life.max(0.0) * POINTS as f64) as usize).min(POINTS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_remembered_whatever_its_length() {
        for seconds in [0.1, 1.0, 60.0, 86_400.0] {
            let mut record = Record::new();
            for step in 0..=1000 {
                let share = f64::from(step) / 1000.0;
                record.note(share * seconds, share * 500.0);
            }
            let curve = record.curve(seconds, 500.0);
            for life in [0.0, 0.25, 0.5, 0.75] {
                let share = curve.at(life);
                assert!(
                    (life - 0.01..life + 0.16).contains(&share),
                    "{seconds}: {share} at {life}"
                );
            }
            assert!(curve.most(0.0, 1.0) > 0.99);
            assert!(curve.most(0.0, 0.5) < 0.66);
        }
    }

    #[test]
    fn nothing_recorded_means_the_peak_at_once() {
        assert_eq!(Record::new().curve(1.0, 5.0).at(0.0), 1.0);
    }

    #[test]
    fn absurd_times_are_ignored() {
        let mut record = Record::new();
        record.note(f64::NAN, 1.0);
        record.note(f64::INFINITY, 1.0);
        record.note(-1.0, 1.0);
        assert_eq!(record.len, 0);
    }
}
