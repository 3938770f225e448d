//! What a task is expected to use from now on, by all that is known of it.

use crate::attempt::Attempt;
use crate::forecast::Forecast;
use crate::learning::Learning;
use crate::profile::{STEPS, Shape};
use crate::queue::Waiting;
use crate::standing::Standing;
use crate::task::TaskSpec;
use crate::tuning::{AWAKENING, Grade, LINDY, YOUNG_GROWTH};

/// A task that uses so many times more than was known of it is not what was known.
const OUTGROWN: f64 = 1.3;
/// From one part in so many of its life on, a task that uses less than was told is believed to be
/// smaller; before, proportionally less.
const SHORTFALL: f64 = 4.0;
/// A running task is never expected to end sooner than within this part of the mean duration.
const LEAST_REMAINDER: f64 = 0.15;

/// What is known of a task beforehand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Known<'a> {
    /// Its peak, from somebody who declared it.
    Declared(f64),
    /// Its curve, from earlier runs or from its kind.
    Curve(Forecast<'a>),
    /// Nothing.
    Nothing,
}

/// Everything that expectations follow from, at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook<'a> {
    pub(crate) learning: &'a Learning,
    pub(crate) grade: Grade,
    /// Whether the grade forbids to end anything.
    pub(crate) never: bool,
    pub(crate) mean_peak: f64,
    /// The largest use of any task so far, running or ended.
    pub(crate) largest_seen: f64,
    /// What is reserved for a task that can't be ended while hardly any task has ended.
    pub(crate) cautious_peak: f64,
    pub(crate) mean_seconds: f64,
}

impl<'a> Outlook<'a> {
    pub(crate) fn known(&self, spec: &TaskSpec) -> Known<'a> {
        if let Some(declared) = spec.declared_bytes {
            return Known::Declared(crate::attempt::bytes(declared));
        }
        if let Some(hint) = &spec.hint {
            return Known::Curve(Forecast::of_hint(hint));
        }
        self.learning
            .kind(spec.kind)
            .map_or(Known::Nothing, |kind| Known::Curve(Forecast::of_kind(kind)))
    }

    /// What is known of a running attempt and not refuted by it.
    fn still_known(&self, attempt: &Attempt) -> Known<'a> {
        match self.known(&attempt.spec) {
            Known::Declared(peak) if attempt.seen > OUTGROWN * peak => Known::Nothing,
            Known::Curve(kind) if attempt.seen > OUTGROWN * kind.peak => Known::Nothing,
            known => known,
        }
    }

    /// The duration expected of a task, in seconds.
    pub(crate) fn seconds(&self, spec: &TaskSpec) -> f64 {
        match self.known(spec) {
            Known::Curve(kind) => kind.seconds,
            Known::Declared(_) | Known::Nothing => self.mean_seconds,
        }
    }

    /// The peak expected of a task of which something is known.
    pub(crate) fn peak(&self, spec: &TaskSpec) -> Option<f64> {
        match self.known(spec) {
            Known::Declared(peak) => Some(peak),
            Known::Curve(kind) => Some(kind.peak),
            Known::Nothing => None,
        }
    }

    /// How much a running attempt can still grow, if that is known.
    pub(crate) fn growth_left(&self, attempt: &Attempt) -> Option<f64> {
        match self.still_known(attempt) {
            Known::Declared(peak) => Some(peak),
            Known::Curve(kind) => Some(kind.peak * (1.0 + self.learning.error())),
            Known::Nothing => None,
        }
        .map(|peak| (peak - attempt.use_bytes).max(0.0))
    }

    /// The seconds that a running attempt is expected to take yet.
    pub(crate) fn remainder(&self, attempt: &Attempt) -> f64 {
        match self.still_known(attempt) {
            Known::Curve(kind) => {
                let (seconds, work) = (kind.seconds, attempt.work);
                let overrun = 0.05 * seconds + 0.3 * (work - seconds);
                if work < seconds {
                    seconds - work
                } else {
                    overrun
                }
            }
            Known::Declared(_) | Known::Nothing => {
                (self.mean_seconds - attempt.work).max(LEAST_REMAINDER * self.mean_seconds)
            }
        }
    }

    /// What a running attempt is expected to use from now on.
    pub(crate) fn of_running(&self, attempt: &Attempt) -> Shape {
        let rest = self.remainder(attempt);
        match self.still_known(attempt) {
            Known::Declared(peak) => Shape::flat(rest, peak.max(attempt.use_bytes)),
            Known::Curve(kind) if self.reserves_whole(&attempt.spec) => {
                Shape::flat(rest, self.whole_reservation(&kind).max(attempt.use_bytes))
            }
            Known::Curve(kind) => self.along_curve(attempt, &kind, rest),
            Known::Nothing => Shape::flat(rest, self.unknown_growth(attempt)),
        }
    }

    fn unknown_growth(&self, attempt: &Attempt) -> f64 {
        let used = attempt.use_bytes;
        let whole = self.is_whole(&attempt.spec);
        if attempt.is_quiet() && !self.never {
            return used;
        }
        // While it grows nobody knows where it ends, and after a tenth of a second its slope says
        // little of the seconds to come: a young one may have as much before it as any task. An
        // older one goes on as it did.
        let going_on = LINDY * attempt.slope.max(0.0) * attempt.work;
        let fading = (-attempt.work / (AWAKENING * self.mean_seconds)).exp();
        let to_come = going_on.max(YOUNG_GROWTH * self.mean_peak * fading);
        let part = if whole {
            Grade::WHOLE.running
        } else {
            self.grade.running
        };
        let mut goal = attempt.seen + to_come;
        if whole {
            goal = goal.max(self.whole_peak());
        }
        used + part * (goal - used).max(0.0)
    }

    /// The curve of its kind from where it stands on, shifted by how far the attempt is off it;
    /// the shift fades towards the end.
    fn along_curve(&self, attempt: &Attempt, kind: &Forecast<'_>, rest: f64) -> Shape {
        let (used, seconds) = (attempt.use_bytes, kind.seconds);
        let standing = Standing::of(attempt, kind);
        let (life, rest) = (standing.life, standing.rest(rest, seconds));
        let mut off = used - kind.peak * kind.at(life);
        if off < 0.0 {
            // One that has hardly begun uses little because it has hardly begun.
            off *= (SHORTFALL * life).min(1.0);
        }
        let mut shape = Shape::default();
        for step in 0..STEPS {
            let (from, to) = (step as f64 / STEPS as f64, (step + 1) as f64 / STEPS as f64);
            let share = kind.most(life + from * rest / seconds, life + to * rest / seconds);
            let expected = kind.peak * share + off * (1.0 - from);
            let bytes = if expected > used {
                used + (expected - used) / (1.0 + self.learning.error() / 2.0)
            } else {
                expected.max(0.0)
            };
            shape.push(to * rest, bytes);
        }
        shape
    }

    /// What a waiting task is expected to use once it is started.
    pub(crate) fn of_waiting(&self, waiting: &Waiting) -> Shape {
        match self.known(&waiting.spec) {
            Known::Declared(peak) => Shape::flat(self.mean_seconds, peak),
            Known::Curve(kind)
                if self.reserves_whole(&waiting.spec)
                    && waiting.past.reached <= OUTGROWN * kind.peak =>
            {
                Shape::flat(kind.seconds, self.whole_reservation(&kind))
            }
            Known::Curve(kind) if waiting.past.reached <= OUTGROWN * kind.peak => {
                let mut shape = Shape::default();
                for step in 0..STEPS {
                    let (from, to) = (step as f64 / STEPS as f64, (step + 1) as f64 / STEPS as f64);
                    let share = kind.most(from, to - 1e-9);
                    let bytes = kind.peak * share / (1.0 + self.learning.error() / 2.0);
                    shape.push(to * kind.seconds, bytes);
                }
                shape
            }
            Known::Curve(_) | Known::Nothing => {
                Shape::flat(self.mean_seconds, self.unknown_peak(waiting))
            }
        }
    }

    fn unknown_peak(&self, waiting: &Waiting) -> f64 {
        let reached = waiting.past.reached;
        if self.is_whole(&waiting.spec) {
            return self.whole_peak().max(reached);
        }
        if waiting.past.endings == 0 && waiting.past.victims == 0 {
            return self.grade.fresh * self.mean_peak;
        }
        let beyond = self.learning.mean_peak_beyond(reached);
        self.grade.returned * beyond.unwrap_or(1.25 * reached).max(reached)
    }

    /// Whether what is known is set aside whole and from the start: what can't be ended can't make
    /// good for a curve that came otherwise.
    fn reserves_whole(&self, spec: &TaskSpec) -> bool {
        self.never || (spec.hint.is_some() && !spec.restartable)
    }

    fn whole_reservation(&self, forecast: &Forecast<'_>) -> f64 {
        forecast.peak * (1.0 + self.learning.error())
    }

    /// A task that can't be ended has its whole reservation set aside.
    fn is_whole(&self, spec: &TaskSpec) -> bool {
        self.never || !spec.restartable
    }

    /// The whole reservation of an unknown task: as much as any needed so far, and much while
    /// hardly any is known.
    fn whole_peak(&self) -> f64 {
        self.mean_peak
            .max(self.largest_seen)
            .max(self.cautious_peak)
    }
}
