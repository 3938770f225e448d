//! Starting what fits.
//!
//! What counts is growth to come over time, not peaks: a waiting task is tried against the
//! expected use of all that runs, the longest first, so that short ones fill what is left.

use crate::action::Action;
use crate::attempt::Attempt;
use crate::expectation::Known;
use crate::hold::Hold;
use crate::plan::Plan;
use crate::profile::{Profile, Shape};
use crate::queue::Waiting;
use crate::tuning::{
    CONTENDER, CORES_FACTOR, FOREIGN_SECONDS, HINTED_WINDOW, PASSED_OVER, PASSED_OVER_PER_ACTIVE,
    SATURATED, WINDOW,
};
use crate::{Order, Scheduler, Strategy};

/// The state of admission between events, and buffers that are reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admission {
    hold: Option<Hold>,
    /// Whether a task has come that waits for the next reading to be tried.
    put_off: bool,
    /// The figures of the latest start, for the sanity check.
    pub(crate) latest: Option<Figures>,
    /// Until when (seconds) the system is not asked for another process.
    pub(crate) refused_until: Option<f64>,
    /// Since when (seconds) nothing runs because others take the memory.
    foreign_since: Option<f64>,
    pub(crate) profile: Profile,
    pub(crate) plan: Plan,
    pub(crate) order: Vec<Candidate>,
    pub(crate) picks: Vec<u64>,
}

/// By which figures a task was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// The most that all were expected to use during its life, in bytes.
    pub(crate) expected: f64,
    /// What they were allowed to use.
    pub(crate) budget: f64,
    /// Whether it was started because nothing else ran.
    pub(crate) alone: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// It was passed over so often that it comes before all others.
    pub(crate) overdue: bool,
    seconds: f64,
    /// Its place in the queue.
    pub(crate) arrival: u64,
}

impl Admission {
    pub(crate) fn hold(&self) -> Option<Hold> {
        self.hold
    }

    /// Lets tasks that just came wait for the next reading.
    pub(crate) fn put_off(&mut self) {
        self.put_off = true;
        self.hold.get_or_insert(Hold::Unread);
    }

    pub(crate) fn is_put_off(&self) -> bool {
        self.put_off
    }

    pub(crate) fn latest(&self) -> Option<Figures> {
        self.latest
    }
}

impl Scheduler {
    /// Starts what may be started now, and notes what keeps the next one waiting.
    pub(crate) fn admit(&mut self, actions: &mut Vec<Action>) {
        self.admission.put_off = false;
        self.reach_checkpoint(actions);
        self.admission.hold = if self.queue.is_empty() {
            None
        } else if self.stopped.is_some() {
            Some(Hold::Stopped)
        } else if !self.has_candidates() {
            Some(Hold::Batch)
        } else if self.active.len() >= self.places() {
            Some(Hold::Concurrency)
        } else if self.is_refused() {
            Some(Hold::Refused)
        } else if self.config.strategy == Strategy::Unlimited {
            self.admit_all(actions)
        } else if !self.memory.is_known() {
            Some(Hold::Unread)
        } else if self.active.is_empty() {
            self.admit_first(actions)
        } else {
            self.admit_beside_others(actions)
        };
        if !self.active.is_empty() && self.champion.is_none() {
            self.choose_champion(actions);
        }
    }

    fn admit_all(&mut self, actions: &mut Vec<Action>) -> Option<Hold> {
        while self.active.len() < self.count_limit()
            && let Some(waiting) = self.queue.take_first()
        {
            self.start(waiting, None, actions);
        }
        (!self.queue.is_empty()).then_some(Hold::Concurrency)
    }

    /// With nothing running, the first is started whatever is expected of it: alone it may have
    /// everything. Only foreign memory is waited for, for a while.
    fn admit_first(&mut self, actions: &mut Vec<Action>) -> Option<Hold> {
        self.order_candidates(true);
        let place = self.admission.order.first()?.arrival;
        let outlook = self.outlook();
        let waiting = self.queue.get(place)?;
        let shape = outlook.of_waiting(waiting);
        let expected_peak = outlook.peak(&waiting.spec);
        let (needed, budget) = (shape.peak(), self.memory.budget);
        if needed > budget && self.memory.is_disturbed() {
            let now = self.seconds();
            let since = *self.admission.foreign_since.get_or_insert(now);
            if budget <= 0.0 || now - since < FOREIGN_SECONDS {
                return Some(Hold::Memory {
                    needed_bytes: needed as u64,
                    headroom_bytes: budget as u64,
                });
            }
        }
        self.admission.foreign_since = None;
        self.admission.latest = Some(Figures {
            expected: needed,
            budget,
            alone: true,
        });
        let waiting = self.queue.take(place)?;
        self.start(waiting, expected_peak, actions);
        if self.queue.is_empty() {
            None
        } else if !self.has_candidates() {
            Some(Hold::Batch)
        } else if self.active.len() >= self.places() {
            Some(Hold::Concurrency)
        } else {
            self.admit_beside_others(actions)
        }
    }

    fn admit_beside_others(&mut self, actions: &mut Vec<Action>) -> Option<Hold> {
        if self.active.iter().any(|attempt| attempt.alone) {
            return Some(Hold::Alone);
        }
        if self.pressure.stalled || self.pressure.room < 0.0 {
            return Some(Hold::Stalled);
        }
        if self.busy_cores() >= self.cores_limit() {
            return Some(Hold::Cores);
        }
        self.order_candidates(false);
        if self.admission.order.is_empty() {
            return Some(Hold::Ended);
        }
        let mut admission = std::mem::take(&mut self.admission);
        self.lay_profile(&mut admission.profile);
        let hold = match self.plan(&mut admission) {
            Some(plan) => self.pick_planned(&mut admission, &plan),
            None => self.pick(&mut admission),
        };
        self.admission = admission;
        self.start_picks(actions);
        if self.queue.is_empty() {
            None
        } else if !self.has_candidates() {
            Some(Hold::Batch)
        } else {
            hold
        }
    }

    /// Whether the system could make no process a moment ago.
    fn is_refused(&self) -> bool {
        let now = self.seconds();
        self.admission
            .refused_until
            .is_some_and(|until| now < until)
    }

    /// The waiting tasks in the order in which they are tried: the longest first (or the first to
    /// come), ties by arrival. Looked at are those that came first and those known to be longest.
    fn order_candidates(&mut self, held_too: bool) {
        let mut order = std::mem::take(&mut self.admission.order);
        order.clear();
        let outlook = self.outlook();
        let by_length = self.config.order == Order::Longest;
        let patience = HINTED_WINDOW as u64 + self.bearable_exits();
        let given_back = self.given_back();
        let is_held = |waiting: &Waiting| {
            waiting.held_until > self.exits && !waiting.comes_back_into(given_back)
        };
        let may_start = |waiting: &&Waiting| {
            (held_too || !is_held(waiting)) && self.course.takes(waiting.spec.id)
        };
        let candidate = |waiting: &Waiting| Candidate {
            overdue: self.exits - waiting.waiting_since > patience,
            seconds: outlook.seconds(&waiting.spec),
            arrival: waiting.arrival,
        };
        order.extend((self.queue.iter().filter(may_start).take(WINDOW)).map(candidate));
        if by_length && order.len() == WINDOW {
            let last = order.last().map_or(0, |candidate| candidate.arrival);
            let longest = (self.queue.longest()).filter(|waiting| waiting.arrival > last);
            order.extend(longest.filter(may_start).take(WINDOW).map(candidate));
        }
        order.sort_unstable_by(|a, b| {
            let longer = match by_length && !(a.overdue && b.overdue) {
                true => b.seconds.total_cmp(&a.seconds),
                false => std::cmp::Ordering::Equal,
            };
            (b.overdue.cmp(&a.overdue))
                .then(longer)
                .then(a.arrival.cmp(&b.arrival))
        });
        self.admission.order = order;
    }

    /// What those that run have given back since they held most, in bytes.
    fn given_back(&self) -> f64 {
        let running = self.active.iter().filter(|attempt| attempt.is_running());
        running
            .map(|attempt| (attempt.seen - attempt.use_bytes).max(0.0))
            .sum()
    }

    fn lay_profile(&self, profile: &mut Profile) {
        let outlook = self.outlook();
        let live = |attempt: &&Attempt| !attempt.is_ending();
        let tracked: f64 = self
            .active
            .iter()
            .filter(live)
            .map(|attempt| attempt.use_bytes)
            .sum();
        profile.begin((self.settled_use() - tracked).max(0.0));
        for attempt in self.active.iter().filter(live) {
            profile.lay(&outlook.of_running(attempt));
        }
        profile.settle();
    }

    /// Picks those that fit, one after the other; the first reason for which one did not is
    /// returned.
    fn pick(&self, admission: &mut Admission) -> Option<Hold> {
        admission.picks.clear();
        let outlook = self.outlook();
        let budget = self.planned_budget_beside_others();
        let (mut hold, mut fresh_fit, mut reserved) = (None, true, false);
        let mut busy = self.busy_cores();
        for candidate in &admission.order {
            let Some(waiting) = self.queue.get(candidate.arrival) else {
                continue;
            };
            let is_fresh = waiting.past.attempts == 0
                && matches!(outlook.known(&waiting.spec), Known::Nothing);
            if is_fresh && !fresh_fit && waiting.spec.restartable && !candidate.overdue {
                continue;
            }
            if waiting.alone {
                hold = hold.or(Some(Hold::Alone));
                if self.was_passed_over(waiting) {
                    return hold;
                }
                continue;
            }
            let shape = outlook.of_waiting(waiting);
            let expected = admission.profile.peak_with(&shape, 0.0);
            if expected <= budget {
                admission.profile.add(&shape, 0.0);
                admission.picks.push(candidate.arrival);
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
                continue;
            }
            hold = hold.or_else(|| Some(memory_hold(&shape, expected, budget)));
            if candidate.overdue {
                // Others that end before its turn by their figures would still pass it over, and
                // figures may be wrong for ever.
                return hold;
            }
            fresh_fit &= !is_fresh;
            if !is_fresh && !reserved && self.was_passed_over(waiting) {
                reserved = true;
                match admission.profile.earliest_fit(&shape, budget) {
                    Some(after) => admission.profile.add(&shape, after),
                    // It fits only alone: the others are let to end.
                    None => return hold,
                }
            }
        }
        hold.or(Some(Hold::Ended))
    }

    fn was_passed_over(&self, waiting: &Waiting) -> bool {
        self.exits - waiting.waiting_since > self.bearable_exits()
    }

    fn bearable_exits(&self) -> u64 {
        PASSED_OVER_PER_ACTIVE * self.active.len() as u64 + PASSED_OVER
    }

    pub(crate) fn planned_budget_beside_others(&self) -> f64 {
        let share = if self.config.brake {
            1.0
        } else {
            crate::tuning::UNBRAKED_SHARE
        };
        share * self.memory.budget
    }

    /// The cores that what runs would keep busy. Where it keeps all of them busy already, each
    /// gets less than it would use, so everything that is not idle counts as a whole core.
    pub(crate) fn busy_cores(&self) -> f64 {
        let (mut busy, mut contenders) = (0.0, 0.0);
        for attempt in self.active.iter().filter(|attempt| attempt.is_running()) {
            busy += attempt.busy_cores;
            contenders += f64::from(u8::from(attempt.busy_cores >= CONTENDER));
        }
        let is_saturated = busy >= SATURATED * self.config.cores.get() as f64;
        if is_saturated {
            busy.max(contenders)
        } else {
            busy
        }
    }

    pub(crate) fn cores_limit(&self) -> f64 {
        match self.config.concurrency {
            None => CORES_FACTOR * self.config.cores.get() as f64,
            Some(_) => f64::INFINITY,
        }
    }

    fn start_picks(&mut self, actions: &mut Vec<Action>) {
        let mut picks = std::mem::take(&mut self.admission.picks);
        for &place in &picks {
            if let Some(waiting) = self.queue.take(place) {
                let expected = self.outlook().peak(&waiting.spec);
                self.start(waiting, expected, actions);
            }
        }
        picks.clear();
        self.admission.picks = picks;
    }

    fn start(&mut self, waiting: Waiting, expected: Option<f64>, actions: &mut Vec<Action>) {
        let attempt = Attempt::start(waiting, expected, self.seconds());
        self.counts.restarts += u64::from(attempt.past.attempts > 1);
        actions.push(Action::Start {
            task: attempt.spec.id,
            attempt: attempt.past.attempts,
        });
        self.active.add(attempt);
    }
}

pub(crate) fn memory_hold(shape: &Shape, expected: f64, budget: f64) -> Hold {
    let needed = shape.peak();
    let headroom = (needed - (expected - budget)).max(0.0);
    Hold::Memory {
        needed_bytes: needed as u64,
        headroom_bytes: headroom as u64,
    }
}
