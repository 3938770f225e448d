//! What a limiter costs a task, against a bare semaphore and against streams of futures, and
//! whether a long queue stays cheap.
//!
//! `cargo bench -p saferun-executor --bench limiter [-- quick]`
//!
//! Both sides of each comparison run in one process, in short turns; the ratio of each pair of
//! turns counts, so that what disturbs both disturbs neither. Time is the process's CPU time: a
//! busy machine makes it wait, and waiting is no cost of either side. A missed bound is exit
//! code 1.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use saferun_executor::{Limiter, Place};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

/// The most that a task may cost, in bare semaphores.
const MOST_RATIO: f64 = 1.1;
/// How many have tasks of their own in a crowd.
const CALLERS: usize = 64;
/// How many tasks are spawned at a time.
const SPAWNED: usize = 1000;
/// The most that a task among a million queued may cost, in tasks among ten thousand. Caches
/// alone make it more than 1; growth with the square would make it 100.
const MOST_GROWTH: f64 = 4.0;

struct Spread {
    least: f64,
    median: f64,
    greatest: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self {
            least: values[0],
            median: values[values.len() / 2],
            greatest: values[values.len() - 1],
        }
    }
}

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "quick");
    let (pairs, scale) = if quick { (21, 4) } else { (101, 1) };
    let mut holds = true;

    println!("ns a task: median (least..greatest) of {pairs} pairs");
    let (small, large) = (30_000 / scale, 100_000 / scale);
    for (what, tasks, threads, load) in [
        ("empty, one after another", large, 1, Load::Alone),
        ("64 callers, 8 at once", small, 1, Load::Crowd),
        ("the same on two threads", small, 2, Load::Crowd),
        ("1000 spawned, 8 at once", small, 1, Load::Spawned),
    ] {
        holds &= pair(what, pairs, tasks, threads, load);
    }

    println!("\nitems of an iterator, 8 at once, each of which yields once");
    for (what, stream) in [
        ("buffer_unordered", unordered as fn(usize) -> Duration),
        ("buffered, as ordered as map", ordered),
    ] {
        beside_stream(what, pairs, small, stream);
    }

    println!("\nqueued closures behind one place, all told");
    let counts = [10_000, 100_000, 1_000_000];
    let counts = counts.map(|count| count / if quick { 10 } else { 1 });
    for (what, queue) in [
        ("waiting futures", queued as fn(usize) -> Duration),
        ("cleared", cleared),
        ("cancelled, last first", cancelled),
        ("map", mapped),
    ] {
        let each = counts.map(|count| {
            let rounds = if count >= 1_000_000 { 3 } else { 5 };
            let costs = (0..rounds).map(|_| queue(count).as_nanos() as f64 / count as f64);
            Spread::of(costs.collect())
        });
        let growth = each[2].median / each[0].median;
        holds &= growth <= MOST_GROWTH;
        print!("  {what:24}");
        for (count, spread) in counts.iter().zip(&each) {
            print!("  {count}: {:.0} ns a task", spread.median);
        }
        println!("  growth {growth:.2}, at most {MOST_GROWTH}");
    }
    if holds {
        ExitCode::SUCCESS
    } else {
        println!("a bound was missed");
        ExitCode::FAILURE
    }
}

/// What both sides have in common: a task within a place.
trait Side: Clone + Send + 'static {
    fn new(places: usize) -> Self;
    fn limited<F, Fut>(
        &self,
        task: F,
    ) -> impl Future<Output = impl Send + 'static> + Send + 'static
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static;
}

#[derive(Clone)]
struct Bare(Arc<Semaphore>);

impl Side for Bare {
    fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    fn limited<F, Fut>(&self, task: F) -> impl Future<Output = impl Send + 'static> + Send + 'static
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let semaphore = Arc::clone(&self.0);
        async move {
            let permit = semaphore.acquire().await;
            task().await;
            drop(permit);
        }
    }
}

impl Side for Limiter {
    fn new(places: usize) -> Self {
        Limiter::new(places).expect("at least one")
    }

    fn limited<F, Fut>(&self, task: F) -> impl Future<Output = impl Send + 'static> + Send + 'static
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.run(task)
    }
}

/// A kind of load that either side can carry.
#[derive(Clone, Copy)]
enum Load {
    /// Tasks that do nothing, one after another: nobody ever waits.
    Alone,
    /// Callers that have one task after another, each of which yields once: most always wait.
    Crowd,
    /// Tasks that yield once, each spawned by itself: nearly all wait. Not so many at a time that
    /// the allocator would return their memory, since that costs more than either side.
    Spawned,
}

impl Load {
    fn carry<S: Side>(self, tasks: usize, runtime: &Runtime) -> f64 {
        let side = S::new(8);
        let begin = cpu_time();
        runtime.block_on(async {
            match self {
                Load::Alone => {
                    for _ in 0..tasks {
                        let _ = side.limited(|| std::future::ready(())).await;
                    }
                }
                Load::Crowd => {
                    let mut set = JoinSet::new();
                    for _ in 0..CALLERS {
                        let side = side.clone();
                        set.spawn(async move {
                            for _ in 0..tasks / CALLERS {
                                let _ = side.limited(yield_now).await;
                            }
                        });
                    }
                    while set.join_next().await.is_some() {}
                }
                Load::Spawned => {
                    for _ in 0..tasks / SPAWNED {
                        let mut set = JoinSet::new();
                        for _ in 0..SPAWNED {
                            set.spawn(side.limited(yield_now));
                        }
                        while set.join_next().await.is_some() {}
                    }
                }
            }
        });
        (cpu_time() - begin).as_nanos() as f64 / tasks as f64
    }
}

fn pair(what: &str, pairs: usize, tasks: usize, threads: usize, load: Load) -> bool {
    let runtime = match threads {
        1 => single(),
        more => {
            let runtime = Builder::new_multi_thread().worker_threads(more).build();
            runtime.expect("a runtime")
        }
    };
    load.carry::<Bare>(tasks, &runtime);
    load.carry::<Limiter>(tasks, &runtime);
    let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..pairs {
        let mut measure = |first: bool| {
            if first {
                bare.push(load.carry::<Bare>(tasks, &runtime));
            } else {
                ours.push(load.carry::<Limiter>(tasks, &runtime));
            }
        };
        // Who comes first changes, so that a trend favours neither.
        measure(round % 2 == 0);
        measure(round % 2 != 0);
        ratios.push(ours[round] / bare[round]);
    }
    let [bare, ours, ratio] = [bare, ours, ratios].map(Spread::of);
    let shown = |spread: &Spread, digits: usize| {
        format!(
            "{:.digits$} ({:.digits$}..{:.digits$})",
            spread.median, spread.least, spread.greatest
        )
    };
    println!(
        "  {what:26} semaphore {}  limiter {}  ratio {}, at most {MOST_RATIO}",
        shown(&bare, 0),
        shown(&ours, 0),
        shown(&ratio, 2)
    );
    ratio.median <= MOST_RATIO
}

/// A map of the limiter beside a stream of futures. They do not do the same: a stream polls all
/// its futures within one task, gives up at a panic, and shares its places with nobody. So the
/// ratio is told and has no bound.
fn beside_stream(what: &str, pairs: usize, items: usize, stream: fn(usize) -> Duration) {
    let each = |time: Duration| time.as_nanos() as f64 / items as f64;
    let (mut theirs, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..pairs {
        let mut measure = |first: bool| {
            if first {
                theirs.push(each(stream(items)));
            } else {
                ours.push(each(mapped(items)));
            }
        };
        measure(round % 2 == 0);
        measure(round % 2 != 0);
        ratios.push(ours[round] / theirs[round]);
    }
    let [theirs, ours, ratio] = [theirs, ours, ratios].map(Spread::of);
    println!(
        "  {what:28} {:.0} ({:.0}..{:.0})  limiter's map {:.0} ({:.0}..{:.0})  ratio {:.2} ({:.2}..{:.2})",
        theirs.median,
        theirs.least,
        theirs.greatest,
        ours.median,
        ours.least,
        ours.greatest,
        ratio.median,
        ratio.least,
        ratio.greatest
    );
}

/// As many items of one iterator, eight at once, as a stream gives them.
fn unordered(count: usize) -> Duration {
    let begin = cpu_time();
    let results: Vec<usize> = single().block_on(
        stream::iter(0..count)
            .map(yielding)
            .buffer_unordered(8)
            .collect(),
    );
    assert_eq!(results.len(), count);
    cpu_time() - begin
}

/// The same, in the order of the items.
fn ordered(count: usize) -> Duration {
    let begin = cpu_time();
    let results: Vec<usize> =
        single().block_on(stream::iter(0..count).map(yielding).buffered(8).collect());
    assert_eq!(results.len(), count);
    cpu_time() - begin
}

async fn yielding(number: usize) -> usize {
    yield_now().await;
    number
}

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("never before its start")
}

fn single() -> Runtime {
    let runtime = Builder::new_current_thread().build();
    runtime.expect("a runtime")
}

/// Takes the only place, so that all that follow must wait.
fn full() -> (Limiter, Place) {
    let limiter = Limiter::new(1).expect("one");
    let place = single().block_on(limiter.place()).expect("free");
    (limiter, place)
}

/// Futures that stand in line.
fn standing(limiter: &Limiter, count: usize) -> Vec<Pin<Box<dyn Future<Output = bool>>>> {
    let mut context = Context::from_waker(Waker::noop());
    (0..count)
        .map(|number| {
            let run = limiter.run(move || std::future::ready(number));
            let mut run: Pin<Box<dyn Future<Output = bool>>> =
                Box::pin(async move { run.await.is_ok() });
            assert!(run.as_mut().poll(&mut context).is_pending());
            run
        })
        .collect()
}

/// All wait, then all run, each on its turn.
fn queued(count: usize) -> Duration {
    let (limiter, place) = full();
    let begin = cpu_time();
    let waiting = standing(&limiter, count);
    drop(place);
    let ran = single().block_on(async {
        let mut ran = 0;
        for run in waiting {
            ran += usize::from(run.await);
        }
        ran
    });
    assert_eq!(ran, count);
    cpu_time() - begin
}

/// All wait, then all are sent away.
fn cleared(count: usize) -> Duration {
    let (limiter, _place) = full();
    let begin = cpu_time();
    let waiting = standing(&limiter, count);
    assert_eq!(limiter.clear(), count);
    drop(waiting);
    cpu_time() - begin
}

/// All wait, then all go by themselves, the last in line first.
fn cancelled(count: usize) -> Duration {
    let (limiter, _place) = full();
    let begin = cpu_time();
    let mut waiting = standing(&limiter, count);
    while waiting.pop().is_some() {}
    assert_eq!(limiter.pending(), 0);
    cpu_time() - begin
}

/// As many items of one iterator, eight at once.
fn mapped(count: usize) -> Duration {
    let limiter = Limiter::new(8).expect("eight");
    let begin = cpu_time();
    let results = single().block_on(limiter.map(0..count, async |number, _| {
        yield_now().await;
        number
    }));
    assert_eq!(results.len(), count);
    cpu_time() - begin
}
