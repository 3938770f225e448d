//! The bound that no schedule can beat.

use super::demand::Demand;

/// No schedule is faster than this many seconds: the area over the budget, the longest task, the
/// time of processors, and, for every k, the time that tasks spend above a (k+1)th of the budget
/// over the k that can do so at once.
pub(crate) fn lower_bound(tasks: &[Demand], budget: f64, cores: usize) -> f64 {
    const SAMPLES: usize = 400;
    const MOST: usize = 64;
    let mut area = 0.0;
    let mut above = [0.0; MOST];
    for task in tasks {
        let slice = task.seconds / SAMPLES as f64;
        for sample in 0..SAMPLES {
            let used = task.at((sample as f64 + 0.5) * slice);
            area += used * slice;
            for (k, time) in above.iter_mut().enumerate().skip(1) {
                if used <= budget / (k + 1) as f64 {
                    continue;
                }
                *time += slice;
            }
        }
    }
    let longest = tasks.iter().map(|task| task.seconds).fold(0.0, f64::max);
    let work: f64 = tasks.iter().map(|task| task.seconds).sum();
    let crowded = (1..MOST).map(|k| above[k] / k as f64).fold(0.0, f64::max);
    (area / budget)
        .max(longest)
        .max(work / cores as f64)
        .max(crowded)
}

#[cfg(test)]
mod tests {
    use super::super::demand::Shape;
    use super::super::mix::PLENTY;
    use super::*;

    #[test]
    fn the_bound_knows_each_of_its_reasons() {
        let task = |peak, seconds| Demand {
            shape: Shape::Flat,
            peak,
            seconds,
            kind: 0,
        };
        let near = |bound: f64, expected: f64| assert!((bound - expected).abs() < 1e-6, "{bound}");
        near(lower_bound(&[task(10.0, 5.0); 20], 100.0, PLENTY), 10.0);
        near(
            lower_bound(&[task(10.0, 5.0), task(1.0, 50.0)], 100.0, PLENTY),
            50.0,
        );
        near(lower_bound(&[task(1.0, 5.0); 20], 100.0, 2), 50.0);
        near(lower_bound(&[task(51.0, 5.0); 20], 100.0, PLENTY), 100.0);
    }
}
