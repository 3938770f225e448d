//! What a decision costs when there are many tasks.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::demand::{Demand, Shape};
use super::measure::Conditions;
use super::mix::{PLENTY, hogs};
use super::random::Random;
use super::way::{Admitted, Grade, Scheduled};
use super::world::{Setting, simulate_timed};

/// In MiB: some twenty of the tasks run side by side.
const BUDGET: f64 = 2400.0;
const FIRST: usize = 1000;

/// Runs hogs, ten times as many each time up to `most`, and prints what they cost: in wall and in
/// processor time, the latter by event (and of that the scheduler's share) and by task.
pub(crate) fn scale(most: usize, ways: &[(Grade, Option<u32>)], conditions: &Conditions) {
    println!(
        "{:>9} {:16} {:>9} {:>10} {:>8} {:>8} {:>10} {:>9} {:>8}",
        "tasks",
        "way",
        "virtual s",
        "events",
        "wall s",
        "CPU s",
        "us/event",
        "scheduler",
        "us/task"
    );
    let sizes = std::iter::successors(Some(FIRST), |size| size.checked_mul(10));
    let sizes = sizes.take_while(|&size| size < most).chain([most]);
    for size in sizes {
        let mut random = Random::new(conditions.first_seed);
        let tasks: Vec<Demand> = hogs(&mut random, size, Shape::Hog);
        for &(grade, warm) in ways {
            let way = super::way::Way::Scheduled(Scheduled {
                admitted: Admitted::Continuous,
                grade,
                jobs: None,
                warm,
            });
            let setting = Setting {
                budget: BUDGET,
                cores: PLENTY,
                preempt: grade.preempt(),
                brake: conditions.brake,
                strategy: Admitted::Continuous.strategy(),
                jobs: None,
                order: conditions.order.order(),
                warm: warm.map(|percent| f64::from(percent) / 100.0),
                seed: conditions.first_seed,
            };
            let (began, cpu) = (Instant::now(), cpu_time());
            let (result, deciding) = simulate_timed(&tasks, setting);
            let (took, cpu) = (began.elapsed(), cpu_time().saturating_sub(cpu));
            assert_eq!(result.done, size as u64, "a task was lost");
            let micros = |share: f64, count: f64| cpu.as_secs_f64() * share * 1e6 / count;
            // Whoever else is at work on this machine slows both down alike.
            let share = deciding.as_secs_f64() / took.as_secs_f64().max(f64::MIN_POSITIVE);
            println!(
                "{size:>9} {:16} {:>9.0} {:>10} {:>8.2} {:>8.2} {:>10.2} {:>9.2} {:>8.1}",
                way.name(),
                result.makespan,
                result.events,
                took.as_secs_f64(),
                cpu.as_secs_f64(),
                micros(1.0, result.events as f64),
                micros(share, result.events as f64),
                micros(1.0, size as f64),
            );
        }
    }
}

/// The processor time of this process so far.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime)
        .try_into()
        .unwrap_or_default()
}
