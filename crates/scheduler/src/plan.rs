//! A plan of everything that waits, where the course of all of it is known.
//!
//! Longest first is a good order, but not the best. The waiting tasks are laid out in turn, each at
//! the earliest moment from which it fits beside those before it (serial schedule generation:
//! Kolisch and Hartmann, 1999), and a local search over the turn looks for one that is done
//! sooner. Time is cut into slots, so that a try is a few thousand sums.

use crate::profile::{Profile, Shape};

/// At most so many waiting tasks are planned.
pub(crate) const MOST: usize = 200;
/// A mean task is laid out in so many slots,
const SLOTS: f64 = 16.0;
/// and what runs in no more than so many.
const MOST_SLOTS: f64 = 2048.0;
/// No slot is shorter (seconds).
const SHORTEST_SLOT: f64 = 1e-4;
/// So many turns are tried at an exit or when the queue has changed,
const TRIES: u32 = 150;
/// as long as no more than so many slots were compared: a few milliseconds.
const WORK: usize = 3_000_000;

/// When a plan is done, in slots: its last task, and the sum over all.
type Ends = (usize, usize);

/// When a waiting task starts by the plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) arrival: u64,
    pub(crate) shape: Shape,
    /// Seconds from now, and at least a slot: whether it fits at once is for the exact figures.
    pub(crate) after: f64,
}

/// The latest plan, and buffers that are reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Arrivals in turn.
    turn: Vec<u64>,
    /// The exits when a better turn was last searched for.
    exits: Option<u64>,
    /// The length of a slot in seconds.
    slot: f64,
    budget: f32,
    /// What runs, in each slot, and what is used after all of them.
    base: Vec<f32>,
    tail: f32,
    /// The uses of all waiting tasks, one after the other.
    uses: Vec<f32>,
    tasks: Vec<Laid>,
    used: Vec<f32>,
    starts: Vec<usize>,
    /// Slots compared.
    work: usize,
}

/// Where in the uses a task's own are, and which of them is the highest.
#[derive(Debug, Clone)]
struct Laid {
    from: usize,
    to: usize,
    highest: usize,
}

impl Plan {
    /// Plans `waiting` (arrivals and shapes, in their usual turn) beside what runs; `None` if one
    /// of them fits nowhere.
    ///
    /// A better turn is only searched for when an exit or a new task has changed what there is,
    /// with at most [`TRIES`] tries and about [`WORK`] comparisons; otherwise the latest turn is
    /// laid out once.
    pub(crate) fn make(
        &mut self,
        waiting: &[(u64, Shape)],
        profile: &Profile,
        budget: f64,
        exits: u64,
    ) -> Option<Vec<Placed>> {
        self.cut(waiting, profile, budget)?;
        let place_of = |arrival: &u64| waiting.iter().position(|one| one.0 == *arrival);
        let mut turn: Vec<usize> = self.turn.iter().filter_map(place_of).collect();
        let is_new = turn.len() < waiting.len();
        if is_new || self.exits != Some(exits) {
            let usual = (0..waiting.len()).collect();
            turn = self.search(usual, (!is_new).then_some(turn), exits);
            self.exits = Some(exits);
        }
        self.lay(&turn, None)?;
        self.turn.clear();
        let mut placed = Vec::with_capacity(turn.len());
        for place in turn {
            let (arrival, shape) = *waiting.get(place)?;
            self.turn.push(arrival);
            let after = *self.starts.get(place)? as f64 * self.slot;
            placed.push(Placed {
                arrival,
                shape,
                after: after.max(self.slot),
            });
        }
        Some(placed)
    }

    /// Cuts everything into slots, each with the highest use in it.
    fn cut(&mut self, waiting: &[(u64, Shape)], profile: &Profile, budget: f64) -> Option<()> {
        let sum: f64 = waiting.iter().map(|one| one.1.seconds()).sum();
        let mean = sum / waiting.len().max(1) as f64;
        self.slot = (mean / SLOTS)
            .max(profile.horizon() / MOST_SLOTS)
            .max(SHORTEST_SLOT);
        self.budget = budget as f32;
        self.tail = profile.tail() as f32;
        self.work = 0;
        self.base.clear();
        let slots = (profile.horizon() / self.slot).ceil() as usize;
        self.base.resize(slots, 0.0);
        for (from, until, bytes) in profile.stretches() {
            raise(&mut self.base, (from / self.slot, until / self.slot), bytes);
        }
        self.uses.clear();
        self.tasks.clear();
        for (_, shape) in waiting {
            let from = self.uses.len();
            let slots = ((shape.seconds() / self.slot).ceil() as usize).max(1);
            self.uses.resize(from + slots, 0.0);
            let own = self.uses.get_mut(from..)?;
            let mut since = 0.0;
            for step in shape.steps() {
                raise(own, (since / self.slot, step.until / self.slot), step.bytes);
                since = step.until;
            }
            let (highest, &most) = (own.iter().enumerate()).max_by(|a, b| a.1.total_cmp(b.1))?;
            if most + self.tail > self.budget {
                return None;
            }
            let to = from + slots;
            self.tasks.push(Laid { from, to, highest });
        }
        Some(())
    }

    /// The best turn found from the usual one, or from the latest where that is better: moves and
    /// swaps by chance, always the same for the same run.
    fn search(&mut self, usual: Vec<usize>, latest: Option<Vec<usize>>, exits: u64) -> Vec<usize> {
        let mut best = self.lay(&usual, None);
        let mut turn = usual;
        if let Some(latest) = latest
            && let Some(ends) = self.lay(&latest, best)
        {
            (best, turn) = (Some(ends), latest);
        }
        if turn.len() < 2 {
            return turn;
        }
        let mut chance = Chance::of(exits, turn.len());
        for _ in 0..TRIES {
            if self.work > WORK {
                break;
            }
            let (from, to) = (chance.below(turn.len()), chance.below(turn.len()));
            let mut changed = turn.clone();
            if chance.below(2) == 0 {
                changed.swap(from, to);
            } else {
                let moved = changed.remove(from);
                changed.insert(to, moved);
            }
            if let Some(ends) = self.lay(&changed, best) {
                (best, turn) = (Some(ends), changed);
            }
        }
        turn
    }

    /// Lays all out in turn; `None` as soon as that is no better than `best`.
    fn lay(&mut self, turn: &[usize], best: Option<Ends>) -> Option<Ends> {
        self.used.clone_from(&self.base);
        self.starts.clear();
        self.starts.resize(self.tasks.len(), 0);
        let (mut last, mut sum) = (0, 0);
        for &place in turn {
            let task = self.tasks.get(place)?;
            let uses = self.uses.get(task.from..task.to)?;
            let start = earliest(&self.used, self.tail, self.budget, uses, task.highest);
            self.work += start.1;
            let (start, end) = (start.0, start.0 + uses.len());
            if self.used.len() < end {
                self.used.resize(end, self.tail);
            }
            for (used, more) in self.used.iter_mut().skip(start).zip(uses) {
                *used += more;
            }
            *self.starts.get_mut(place)? = start;
            last = last.max(end);
            sum += end;
            if best.is_some_and(|best| (last, sum) >= best) {
                return None;
            }
        }
        Some((last, sum))
    }
}

/// The first slot from which `uses` fit, and how many slots were compared.
fn earliest(used: &[f32], tail: f32, budget: f32, uses: &[f32], highest: usize) -> (usize, usize) {
    let most = uses.get(highest).copied().unwrap_or(0.0);
    let mut compared = 0;
    for start in 0..used.len() {
        compared += 1;
        // Most slots are ruled out by the highest use alone.
        if used.get(start + highest).copied().unwrap_or(tail) + most > budget {
            continue;
        }
        let mut beside = used.iter().skip(start).zip(uses);
        let off = beside.position(|(used, more)| used + more > budget);
        compared += off.unwrap_or(uses.len());
        if off.is_none() {
            return (start, compared);
        }
    }
    (used.len(), compared)
}

/// Raises the slots that a stretch touches to its use.
fn raise(slots: &mut [f32], (from, until): (f64, f64), bytes: f64) {
    let (first, last) = (from as usize, until.ceil() as usize);
    let touched = last.saturating_sub(first);
    for slot in slots.iter_mut().skip(first).take(touched) {
        *slot = slot.max(bytes as f32);
    }
}

/// Numbers that look like chance (xorshift: Marsaglia, 2003).
struct Chance(u64);

impl Chance {
    fn of(exits: u64, waiting: usize) -> Self {
        let seed = exits.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ waiting as u64;
        Self((0x9E37_79B9_7F4A_7C15 ^ seed).max(1))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_runs() -> Profile {
        let mut profile = Profile::default();
        profile.begin(0.0);
        profile.settle();
        profile
    }

    /// Longest first leaves the last one alone: 3 with 3 seconds beside 2 + 2 and 2 after it.
    #[test]
    fn a_better_turn_than_the_longest_first_is_found() {
        let seconds = [3.0, 3.0, 2.0, 2.0, 2.0];
        let waiting: Vec<(u64, Shape)> = (0..)
            .zip(seconds)
            .map(|(arrival, seconds)| (arrival, Shape::flat(seconds, 50.0)))
            .collect();
        let mut plan = Plan::default();
        let placed = plan.make(&waiting, &nothing_runs(), 100.0, 0);
        let placed = placed.expect("all of them fit");
        let end = |one: &Placed| one.after + one.shape.seconds();
        let last = placed.iter().map(end).fold(0.0, f64::max);
        assert!(last < 6.5, "{last}: {placed:?}");
        let again = plan.make(&waiting, &nothing_runs(), 100.0, 0);
        let turn = |placed: &[Placed]| placed.iter().map(|one| one.arrival).collect::<Vec<_>>();
        assert_eq!(turn(&again.expect("they still fit")), turn(&placed));
    }

    #[test]
    fn nothing_is_planned_where_one_fits_nowhere() {
        let waiting = [(0, Shape::flat(1.0, 50.0)), (1, Shape::flat(1.0, 101.0))];
        let placed = Plan::default().make(&waiting, &nothing_runs(), 100.0, 0);
        assert!(placed.is_none());
    }
}
