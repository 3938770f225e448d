//! How long one request takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use saferun_router::Router;

use super::labelled::Labelled;

/// How often the whole file is gone through.
const ROUNDS: usize = 40;

/// Prints the distribution over all requests, and what long ones take.
pub(super) fn measure(requests: &[Labelled], router: &Router) {
    let start = Instant::now();
    black_box(Router::shipped().is_ok());
    println!("making the router: {:?}", start.elapsed());
    let mut times: Vec<Duration> = Vec::with_capacity(ROUNDS * requests.len());
    for _ in 0..ROUNDS {
        for labelled in requests {
            times.push(time(router, &labelled.request));
        }
    }
    // Whatever else the machine does delays some rounds; the fastest is the request's own time.
    let mut own: Vec<Duration> = (0..requests.len())
        .filter_map(|request| {
            times
                .iter()
                .skip(request)
                .step_by(requests.len())
                .min()
                .copied()
        })
        .collect();
    own.sort_unstable();
    let of = |share: f64| {
        own.get((share * (own.len() - 1) as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "a request undisturbed (fastest of {ROUNDS}): median {:?}, p99 {:?}, slowest {:?}",
        of(0.5),
        of(0.99),
        of(1.0)
    );
    times.sort_unstable();
    let at = |share: f64| {
        times
            .get((share * (times.len() - 1) as f64) as usize)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "a request: median {:?}, p99 {:?}, p99.9 {:?}, slowest {:?} ({} timed)",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        times.len()
    );
    for kibibytes in [1, 2, 4, 8, 16, 64, 1024] {
        let text = "Rename the class Foo to Bar in each file and add \"a test\", then drop it. "
            .repeat(kibibytes * 14);
        let text = text.get(..kibibytes * 1024).unwrap_or(&text);
        let fastest = (0..10)
            .map(|_| time(router, text))
            .min()
            .unwrap_or_default();
        println!("{kibibytes:>5} KiB: {fastest:?}");
    }
}

fn time(router: &Router, request: &str) -> Duration {
    let start = Instant::now();
    black_box(router.classify(black_box(request)));
    start.elapsed()
}
