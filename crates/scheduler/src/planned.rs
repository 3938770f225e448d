//! Admission by a plan of all that waits, where the course of every task is known well.

use crate::admission::{Admission, Figures, memory_hold};
use crate::course::Course;
use crate::expectation::Known;
use crate::hold::Hold;
use crate::plan::{MOST, Placed};
use crate::profile::Shape;
use crate::{Order, Scheduler};

/// Up to this error of what was told (mean of the absolute logarithm) a plan is better than the
/// longest first.
const ERROR: f64 = 0.3;
/// The next so many of a plan have their room kept. Keeping it for all of them would hold back
/// what fits now for the sake of what will come otherwise than planned.
const KEPT: usize = 3;
/// Of their use this part less is kept for each unit of the error.
const LESS: f64 = 2.0;

impl Scheduler {
    /// The plan of those that may start, in turn; `None` where too little is known for one, where
    /// the order of arrival is asked for, or where one has waited for so long that it goes first.
    pub(crate) fn plan(&self, admission: &mut Admission) -> Option<Vec<Placed>> {
        if self.config.order != Order::Longest
            || self.queue.len() > MOST
            || !matches!(self.course, Course::Open)
            || self.learning.error() > ERROR
        {
            return None;
        }
        let outlook = self.outlook();
        let is_known = |spec| matches!(outlook.known(spec), Known::Curve(_));
        let mut live = (self.active.iter()).filter(|attempt| !attempt.is_ending());
        if !live.all(|attempt| is_known(&attempt.spec)) {
            return None;
        }
        let mut shapes = Vec::with_capacity(admission.order.len());
        for candidate in &admission.order {
            let waiting = self.queue.get(candidate.arrival)?;
            if candidate.overdue || waiting.alone || !is_known(&waiting.spec) {
                return None;
            }
            shapes.push((candidate.arrival, outlook.of_waiting(waiting)));
        }
        let budget = self.planned_budget_beside_others();
        (admission.plan).make(&shapes, &admission.profile, budget, self.exits)
    }

    /// Picks those that fit now, in the turn of the plan.
    pub(crate) fn pick_planned(&self, admission: &mut Admission, plan: &[Placed]) -> Option<Hold> {
        admission.picks.clear();
        let budget = self.planned_budget_beside_others();
        let part = (1.0 - LESS * self.learning.error()).max(0.0);
        let (mut hold, mut kept, mut busy) = (None, 0, self.busy_cores());
        for placed in plan {
            let expected = admission.profile.peak_with(&placed.shape, 0.0);
            if expected > budget {
                hold = hold.or_else(|| Some(memory_hold(&placed.shape, expected, budget)));
                if kept < KEPT {
                    let mut shape = Shape::default();
                    for step in placed.shape.steps() {
                        shape.push(step.until, part * step.bytes);
                    }
                    admission.profile.add(&shape, placed.after);
                    kept += 1;
                }
                continue;
            }
            admission.profile.add(&placed.shape, 0.0);
            admission.picks.push(placed.arrival);
            admission.latest = Some(Figures {
                expected,
                budget,
                alone: false,
            });
            busy += 1.0;
            if self.active.len() + admission.picks.len() >= self.places() {
                return Some(Hold::Concurrency);
            }
            if busy >= self.cores_limit() {
                return Some(Hold::Cores);
            }
        }
        hold.or(Some(Hold::Ended))
    }
}
