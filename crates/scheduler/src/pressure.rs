//! Meeting growth with room, and ending what stands in its way.

use crate::Scheduler;
use crate::action::{Action, EndCause};
use crate::attempt::{Attempt, State};
use crate::expectation::Outlook;
use crate::tuning::{
    ENOUGH_SHARE, ENOUGH_TIMES, HELD_BYTES, HELD_SHARE, HORIZON, NEED_BYTES, NEED_SHARE, SLACK,
    UNBRAKED_NEED,
};

/// How short of room the run was at the last look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pressure {
    /// What is left of the budget after all needs, in bytes; less than zero if use is above it.
    pub(crate) room: f64,
    /// What all stalled tasks need beyond the room.
    pub(crate) want: f64,
    /// What the champion needs beyond the room and beyond what endings give back.
    pub(crate) must: f64,
    /// Whether anything is stalled.
    pub(crate) stalled: bool,
    /// Reused: the places of those that run and their needs, in the order in which they get room.
    order: Vec<(usize, f64)>,
}

impl Scheduler {
    /// Everything that expectations follow from now.
    pub(crate) fn outlook(&self) -> Outlook<'_> {
        Outlook {
            learning: &self.learning,
            grade: self.grade,
            never: self.config.preempt == crate::Preempt::Never,
            mean_peak: self.mean_peak(),
            largest_seen: self.largest_seen(),
            cautious_peak: self.cautious_peak(),
            mean_seconds: self.learning.mean_seconds(),
        }
    }

    /// Gives room to what grows, the champion first and then by what was invested, and ends
    /// tasks where that costs less than letting others wait.
    pub(crate) fn relieve(&mut self, actions: &mut Vec<Action>) {
        self.meet_needs();
        if self.pressure.want > 0.0 {
            self.end_cheapest(actions);
        }
    }

    fn meet_needs(&mut self) {
        let mut order = std::mem::take(&mut self.pressure.order);
        order.clear();
        let (outlook, brake) = (self.outlook(), self.config.brake);
        for (place, attempt) in self.active.iter().enumerate() {
            if attempt.is_running() {
                order.push((place, Self::need(attempt, &outlook, brake)));
            }
        }
        let invested = |attempt: &Attempt| {
            if self.is_champion(attempt) {
                f64::MAX
            } else {
                attempt.area * attempt.penalty()
            }
        };
        order.sort_unstable_by(|a, b| {
            let (a, b) = (self.active.get(a.0), self.active.get(b.0));
            invested(b)
                .total_cmp(&invested(a))
                .then(a.arrival.cmp(&b.arrival))
        });

        let mut room = self.planned_budget() - self.settled_use();
        if room < 0.0 && room > -SLACK * self.memory.budget {
            room = 0.0;
        }
        let (mut want, mut must) = (0.0, 0.0);
        let mut stalled = self.active.iter().any(Attempt::is_frozen);
        for &(place, need) in &order {
            let attempt = self.active.get(place);
            let is_stalled = need > room;
            if is_stalled {
                want += need - room;
                if self.is_champion(attempt) {
                    must = need - room;
                }
                room = 0.0;
                stalled = true;
            } else {
                room -= need;
            }
            let attempt = self.active.get_mut(place);
            attempt.need = need;
            attempt.stalled = is_stalled;
        }
        self.pressure = Pressure {
            room,
            want,
            must,
            stalled,
            order,
        };
    }

    /// What a running attempt needs within the horizon.
    fn need(attempt: &Attempt, outlook: &Outlook<'_>, brake: bool) -> f64 {
        let mut need = attempt.slope.max(0.0) * HORIZON;
        if need < NEED_BYTES.max(NEED_SHARE * attempt.use_bytes) {
            need = 0.0;
        }
        if let Some(left) = outlook.growth_left(attempt) {
            need = need.min(left);
        }
        if attempt.at_wall {
            need = need.max(HELD_SHARE * attempt.use_bytes + HELD_BYTES);
        }
        if brake { need } else { UNBRAKED_NEED * need }
    }

    fn end_cheapest(&mut self, actions: &mut Vec<Action>) {
        let (budget, mean_peak) = (self.memory.budget, self.mean_peak());
        let free = (self.planned_budget() - self.settled_use()).max(0.0);
        while self.pressure.want > 0.0 {
            let Some(place) = self.cheapest(budget, mean_peak) else {
                break;
            };
            let attempt = self.active.get(place);
            if self.pressure.must <= 0.0
                && attempt.area * attempt.penalty() > self.grade.gamma * self.cost_of_waiting()
            {
                break;
            }
            let cause = EndCause::Preempt {
                // What is wanted comes on top of what is free, which others get.
                needed_bytes: (free + self.pressure.want).ceil() as u64,
                free_bytes: free as u64,
            };
            self.counts.preemptions += 1;
            let attempt = self.active.get_mut(place);
            attempt.state = State::Ending(cause);
            self.pressure.want -= attempt.use_bytes + attempt.need;
            self.pressure.must -= attempt.use_bytes;
            actions.push(Action::End {
                task: attempt.spec.id,
                cause,
            });
        }
    }

    /// The attempt that may be ended, other than the champion, whose ending costs least for what it gives back.
    fn cheapest(&self, budget: f64, mean_peak: f64) -> Option<usize> {
        // Bytes far beyond what is wanted are worth nothing now: rather several small tasks are
        // ended than one large one that has come far.
        let enough = (ENOUGH_TIMES * self.pressure.want)
            .max(ENOUGH_SHARE * budget)
            .max(1.0);
        let price = |attempt: &Attempt| {
            attempt.cost(budget, mean_peak) / attempt.use_bytes.clamp(1.0, enough)
        };
        (0..self.active.len())
            .filter(|&place| {
                let attempt = self.active.get(place);
                !attempt.is_ending() && !self.is_champion(attempt) && self.may_end(attempt)
            })
            .min_by(|&a, &b| {
                let (a, b) = (self.active.get(a), self.active.get(b));
                price(a)
                    .total_cmp(&price(b))
                    .then(b.arrival.cmp(&a.arrival))
            })
    }

    /// The byte-seconds that stalled tasks hold until the first of the others is expected to
    /// end; endless if there are no others.
    fn cost_of_waiting(&self) -> f64 {
        let outlook = self.outlook();
        let (mut held, mut first) = (0.0, f64::INFINITY);
        for attempt in self.active.iter() {
            if attempt.is_frozen() || (attempt.is_running() && attempt.stalled) {
                held += attempt.use_bytes;
            } else if attempt.is_running() {
                first = first.min(outlook.remainder(attempt));
            }
        }
        if held > 0.0 { held * first } else { 0.0 }
    }
}
