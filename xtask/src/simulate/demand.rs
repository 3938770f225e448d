//! What a simulated task needs over its life.

use std::time::Duration;

use saferun_scheduler::Hint;

use super::random::Random;

/// A task's demand: a shape, a peak and a duration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) shape: Shape,
    /// In MiB.
    pub(crate) peak: f64,
    /// In seconds, if it is never held back.
    pub(crate) seconds: f64,
    /// The command template it comes from.
    pub(crate) kind: u64,
}

/// How use follows life (both as parts of the whole).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Up over the first half, flat after.
    Hog,
    /// All at once.
    Flat,
    /// A tenth until nine tenths of life, then up to the peak.
    LateSpike,
    /// Up to the peak at a tenth of life, a quarter of it from 0.15 on.
    EarlySpike,
    /// Little until a fifth of life, then all at once.
    Step,
    /// Four teeth.
    Sawtooth,
    /// Up to the very end.
    Leak,
    /// As it was recorded: the highest use of each sixteenth, held all through it, in 255ths.
    Recorded([u8; Hint::STEPS]),
}

impl Shape {
    pub(crate) const ALL: [Self; 7] = [
        Self::Hog,
        Self::Flat,
        Self::LateSpike,
        Self::EarlySpike,
        Self::Step,
        Self::Sawtooth,
        Self::Leak,
    ];

    /// The part of the peak in use at a part of life.
    pub(crate) fn at(self, life: f64) -> f64 {
        match self {
            Self::Hog => (2.0 * life).min(1.0),
            Self::Flat => 1.0,
            Self::LateSpike if life < 0.9 => 0.1,
            Self::LateSpike => (0.1 + 0.9 * (life - 0.9) / 0.09).min(1.0),
            Self::EarlySpike if life < 0.1 => life / 0.1,
            Self::EarlySpike if life < 0.15 => 1.0 - 0.75 * (life - 0.1) / 0.05,
            Self::EarlySpike => 0.25,
            Self::Step if life < 0.2 => 0.06,
            Self::Step => 1.0,
            Self::Sawtooth => {
                let tooth = (4.0 * life).min(3.999_999).floor();
                let within = (4.0 * life - tooth).min(1.0);
                let (top, foot) = (
                    if tooth == 3.0 { 1.0 } else { 0.9 },
                    if tooth == 0.0 { 0.0 } else { 0.3 },
                );
                if within < 0.85 {
                    foot + (top - foot) * within / 0.85
                } else if tooth == 3.0 {
                    top
                } else {
                    top - (top - 0.3) * (within - 0.85) / 0.15
                }
            }
            Self::Leak => life,
            Self::Recorded(steps) => {
                let place = (life * Hint::STEPS as f64) as usize;
                f64::from(steps[place.min(Hint::STEPS - 1)]) / 255.0
            }
        }
    }

    /// The highest use in each sixteenth of life, in 255ths of the highest of all.
    pub(crate) fn curve(self) -> [u8; Hint::STEPS] {
        let in_step = |step: usize| {
            let samples = (0..=32).map(|sample| {
                let life = (step as f64 + f64::from(sample) / 32.0) / Hint::STEPS as f64;
                match self {
                    // The end of a step is the beginning of the next.
                    Self::Recorded(_) => {
                        self.at(life.min((step as f64 + 0.9) / Hint::STEPS as f64))
                    }
                    _ => self.at(life),
                }
            });
            samples.fold(0.0, f64::max)
        };
        let most = (0..Hint::STEPS)
            .map(in_step)
            .fold(f64::MIN_POSITIVE, f64::max);
        std::array::from_fn(|step| (255.0 * in_step(step) / most).round() as u8)
    }
}

impl Demand {
    /// What a history would say of it that knows its course (`curve`, which is that of its shape),
    /// and peak and duration but for an error of so large a share (as a deviation of their
    /// logarithms).
    pub(crate) fn hint(&self, curve: [u8; Hint::STEPS], error: f64, random: &mut Random) -> Hint {
        let mut off = || (error * random.normal()).exp();
        let (peak, seconds) = (self.peak * off(), self.seconds * off());
        Hint {
            peak_bytes: (peak * 1024.0 * 1024.0) as u64,
            // No task lasts as long as a hundred years.
            duration: Duration::from_secs_f64(seconds.clamp(0.0, 3e9)),
            curve,
        }
    }

    /// MiB in use after so many seconds of undisturbed work.
    pub(crate) fn at(&self, work: f64) -> f64 {
        self.peak * self.shape.at((work / self.seconds).clamp(0.0, 1.0))
    }
}
