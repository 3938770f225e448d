//! Traces like those of real workflows, drawn by seed, through the replay.

use saferun_testbed::random::SplitMix64;

use super::super::report::{best_baseline, ratio};
use super::*;

const MIB: f64 = 1_048_576.0;

fn normal(random: &mut SplitMix64) -> f64 {
    let radius = (-2.0 * random.uniform(1e-12, 1.0).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.uniform(0.0, 1.0)).cos()
}

/// 400 tasks of one template whose peak in MiB follows from the input's size (median 1), from
/// chance, and from how much of the run is over.
fn drawn(seed: u64, peak: impl Fn(f64, &mut SplitMix64, f64) -> f64) -> Vec<Task> {
    let mut random = SplitMix64::new(seed);
    (0..400)
        .map(|n| {
            let size = (0.6 * normal(&mut random)).exp();
            let peak = peak(size, &mut random, f64::from(n) / 400.0);
            Task {
                template: "t".to_owned(),
                input_bytes: Some((size * 1e8) as u64),
                peak_bytes: (peak * MIB).max(1.0) as u64,
                seconds: random.uniform(20.0, 90.0),
            }
        })
        .collect()
}

/// Our waste over that of the best baseline as a geometric mean over ten seeds, and the shares of
/// underestimates: ours and that baseline's.
fn judged(peak: impl Fn(f64, &mut SplitMix64, f64) -> f64 + Copy) -> (f64, f64, f64) {
    let (mut logs, mut ours, mut theirs) = (0.0, 0.0, 0.0);
    for seed in 0..10 {
        let all = replay(&drawn(seed, peak), 4 << 30, 0).all;
        let best = best_baseline(&all);
        logs += ratio(&all[0], &all[best]).ln();
        ours += all[0].underestimates as f64 / 4000.0;
        theirs += all[best].underestimates as f64 / 4000.0;
    }
    ((logs / 10.0).exp(), ours, theirs)
}

macro_rules! at_most {
    ($most:expr, $peak:expr) => {{
        let (ratio, ours, theirs) = judged($peak);
        println!("{ratio:.3} of the best baseline, {ours:.3} against {theirs:.3} too small");
        assert!(ratio < $most, "{ratio} of the best baseline's waste");
    }};
}

#[test]
fn linear_in_its_input() {
    at_most!(0.75, |size, random, _| (100.0 + 900.0 * size)
        * (0.03 * normal(random)).exp());
}

#[test]
fn constant() {
    at_most!(1.0, |_, random, _| 500.0 * (0.01 * normal(random)).exp());
}

#[test]
fn of_two_kinds() {
    at_most!(1.1, |_, random, _| {
        let kind = if random.uniform(0.0, 1.0) < 0.3 {
            1500.0
        } else {
            500.0
        };
        kind * (0.03 * normal(random)).exp()
    });
}

#[test]
fn the_larger_the_more_uncertain() {
    at_most!(1.0, |size, random, _| 300.0
        + 700.0 * size * (0.15 * normal(random) * size.min(2.0)).exp());
}

#[test]
fn drifting() {
    at_most!(0.8, |_, random, time| 500.0
        * (1.0 + 2.0 * time)
        * (0.03 * normal(random)).exp());
}

#[test]
fn heavy_tailed() {
    at_most!(1.15, |_, random, _| 400.0 * (0.5 * normal(random)).exp());
}

#[test]
fn a_power_of_its_input() {
    at_most!(0.75, |size, random, _| 800.0
        * size.powf(0.4)
        * (0.02 * normal(random)).exp());
}

#[test]
fn no_row_is_looked_at_before_it_is_predicted() {
    let mut tasks = drawn(1, |size, _, _| 500.0 * size);
    let whole = replay(&tasks, 1 << 30, 5).predictions;
    for task in &mut tasks[200..] {
        task.peak_bytes = task.peak_bytes.saturating_mul(7);
    }
    let changed = replay(&tasks, 1 << 30, 5).predictions;
    assert_eq!(whole[..206], changed[..206]);
    assert_ne!(whole[206..], changed[206..]);
}

#[test]
fn rows_are_learned_later_by_the_lag() {
    let tasks = drawn(2, |_, _, _| 500.0);
    let replayed = replay(&tasks, 1 << 30, 30);
    assert_eq!(replayed.unseen[0].tasks, 31);
    assert!(
        replayed.predictions[..31]
            .iter()
            .all(|bytes| *bytes == 1 << 30)
    );
    assert_eq!(replay(&tasks, 1 << 30, 1000).unseen[0].tasks, 400);
}

#[test]
fn real_programs_cost_less_than_by_the_best_baseline() {
    let trace = include_bytes!("../../../../crates/history/traces/programs.csv");
    let tasks = super::super::trace::read(&trace[..]).unwrap();
    let all = replay(&tasks, 4 << 30, 0).all;
    let best = best_baseline(&all);
    let ratio = ratio(&all[0], &all[best]);
    assert!(ratio <= 0.8, "{ratio} of the best baseline's waste");
    assert!(all[0].underestimates <= all[best].underestimates);
}
