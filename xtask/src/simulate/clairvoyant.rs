//! One who knows every curve beforehand: the honest yardstick beside the lower bound, since curves
//! can't be packed tightly by anybody.
//!
//! Tasks are placed one after the other, each at the earliest moment from which it stays within
//! the budget beside those already placed (serial schedule generation, as for projects with
//! limited resources: Kolisch and Hartmann, 1999). A local search over the order makes it better.

use super::demand::Demand;
use super::random::Random;

/// A mean task is laid out in so many slots of time.
const SLOTS: f64 = 120.0;
/// No task is laid out in more.
const MOST_SLOTS: usize = 20_000;
/// So many placements are tried in all where the figure matters,
pub(crate) const EFFORT: usize = 20_000;
/// and at least so many orders.
const LEAST_ORDERS: usize = 6;

/// The makespan in seconds that was found. Tasks that don't fit the budget at all are left out.
/// `seed` chooses the way of the search, `effort` how many placements it may try.
pub(crate) fn pack(tasks: &[Demand], budget: f64, cores: usize, seed: u64, effort: usize) -> f64 {
    let Some(mut packer) = Packer::new(tasks, budget, cores) else {
        return 0.0;
    };
    let count = packer.tasks.len();
    let mut best: Option<(f64, Vec<usize>)> = None;
    let keys: [fn(&Laid) -> f64; 4] = [
        |task| task.seconds,
        |task| task.area,
        |task| task.peak,
        |task| task.seconds * task.peak.sqrt(),
    ];
    for key in keys {
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| key(&packer.tasks[b]).total_cmp(&key(&packer.tasks[a])));
        let makespan = packer.place_all(&order, f64::INFINITY);
        if best.as_ref().is_none_or(|(least, _)| makespan < *least) {
            best = Some((makespan, order));
        }
    }
    let Some((mut least, mut order)) = best else {
        return 0.0;
    };
    let mut random = Random::new(seed);
    for _ in 0..(effort / count).max(LEAST_ORDERS) {
        let mut changed = order.clone();
        let (from, to) = (
            random.next() as usize % count,
            random.next() as usize % count,
        );
        if random.next().is_multiple_of(2) {
            changed.swap(from, to);
        } else {
            let moved = changed.remove(from);
            changed.insert(to, moved);
        }
        // An order that is no worse is a place to go on from.
        let makespan = packer.place_all(&changed, least);
        if makespan <= least {
            (least, order) = (makespan, changed);
        }
    }
    least
}

/// A task in slots of time.
struct Laid {
    seconds: f64,
    peak: f64,
    area: f64,
    /// The highest use in each slot.
    uses: Vec<f32>,
}

struct Packer {
    slot: f64,
    budget: f32,
    cores: usize,
    tasks: Vec<Laid>,
    /// What is used, and by how many, in each slot.
    used: Vec<f32>,
    busy: Vec<u32>,
}

impl Packer {
    fn new(tasks: &[Demand], budget: f64, cores: usize) -> Option<Self> {
        let fitting: Vec<&Demand> = tasks.iter().filter(|task| task.peak <= budget).collect();
        let sum: f64 = fitting.iter().map(|task| task.seconds).sum();
        let longest = fitting.iter().map(|task| task.seconds).fold(0.0, f64::max);
        if longest <= 0.0 {
            return None;
        }
        let slot = (sum / fitting.len() as f64 / SLOTS).max(longest / MOST_SLOTS as f64);
        Some(Self {
            slot,
            // A sum of single precision is off by less than this.
            budget: (budget * (1.0 + 1e-5)) as f32,
            cores,
            tasks: fitting.iter().map(|task| Laid::of(task, slot)).collect(),
            used: Vec::new(),
            busy: Vec::new(),
        })
    }

    /// The makespan of an order, or something longer than `enough` as soon as it is.
    fn place_all(&mut self, order: &[usize], enough: f64) -> f64 {
        self.used.clear();
        self.busy.clear();
        let mut makespan = 0.0f64;
        for &number in order {
            let task = &self.tasks[number];
            let start = self.earliest(task);
            let end = start + task.uses.len();
            if self.used.len() < end {
                self.used.resize(end, 0.0);
                self.busy.resize(end, 0);
            }
            for (slot, use_then) in (start..end).zip(&task.uses) {
                self.used[slot] += use_then;
                self.busy[slot] += 1;
            }
            makespan = makespan.max(start as f64 * self.slot + task.seconds);
            if makespan > enough {
                break;
            }
        }
        makespan
    }

    fn earliest(&self, task: &Laid) -> usize {
        let fits = |start: usize| {
            let beside = self.used.iter().zip(&self.busy).skip(start);
            beside.zip(&task.uses).all(|((&used, &busy), &more)| {
                used + more <= self.budget && (busy as usize) < self.cores
            })
        };
        (0..self.used.len())
            .find(|&start| fits(start))
            .unwrap_or(self.used.len())
    }
}

impl Laid {
    fn of(task: &Demand, slot: f64) -> Self {
        const SAMPLES: usize = 4;
        let count = ((task.seconds / slot).ceil() as usize).max(1);
        let in_slot = |place: usize| {
            (0..=SAMPLES)
                .map(|sample| {
                    let time = (place as f64 + sample as f64 / SAMPLES as f64) * slot;
                    task.at(time) as f32
                })
                .fold(0.0, f32::max)
        };
        let uses: Vec<f32> = (0..count).map(in_slot).collect();
        Self {
            seconds: task.seconds,
            peak: task.peak,
            area: uses.iter().map(|&used| f64::from(used) * slot).sum(),
            uses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bound::lower_bound;
    use super::super::demand::Shape;
    use super::super::mix::PLENTY;
    use super::*;

    fn task(shape: Shape, peak: f64, seconds: f64) -> Demand {
        Demand {
            shape,
            peak,
            seconds,
            kind: 0,
        }
    }

    #[test]
    fn what_fits_side_by_side_is_packed_so() {
        let pairs = [task(Shape::Flat, 50.0, 2.0); 8];
        assert!((pack(&pairs, 100.0, PLENTY, 1, 1000) - 8.0).abs() < 0.2);
        assert!((pack(&pairs, 1000.0, PLENTY, 1, 1000) - 2.0).abs() < 1e-9);
        assert!((pack(&pairs, 1000.0, 4, 1, 1000) - 4.0).abs() < 0.2);
    }

    #[test]
    fn a_late_spike_leaves_room_before_it() {
        // One by one they take four seconds, peaks reserved too; apart by a tenth, little more
        // than two.
        let spikes = [
            task(Shape::LateSpike, 80.0, 2.0),
            task(Shape::LateSpike, 80.0, 2.0),
        ];
        let makespan = pack(&spikes, 100.0, PLENTY, 1, 1000);
        assert!((2.1..2.6).contains(&makespan), "{makespan}");
    }

    #[test]
    fn it_beats_no_bound_and_leaves_out_what_never_fits() {
        let mut random = Random::new(7);
        let mut tasks = super::super::mix::hogs(&mut random, 24, Shape::Sawtooth);
        let bound = lower_bound(&tasks, 594.0, PLENTY);
        let makespan = pack(&tasks, 594.0, PLENTY, 7, 1000);
        assert!(makespan >= bound, "{makespan} below {bound}");
        tasks.push(task(Shape::Flat, 600.0, 1000.0));
        assert_eq!(pack(&tasks, 594.0, PLENTY, 7, 1000), makespan);
        assert_eq!(pack(&[], 594.0, PLENTY, 7, 1000), 0.0);
    }
}
