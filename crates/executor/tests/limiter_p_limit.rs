//! What p-limit's own tests check, asked of ours. `docs/from-p-limit.md` maps one to the other.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use saferun_executor::{
    LimitError, Limiter, LimiterOptions, OnClear, ZeroConcurrency, limit_function,
};
use tokio::task::{JoinHandle, JoinSet, yield_now};
use tokio::time::{Instant, sleep};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn limiter(concurrency: usize) -> Limiter {
    Limiter::new(concurrency).expect("not 0")
}

fn values<T>(results: Vec<Result<T, LimitError>>) -> Vec<T> {
    let values = results.into_iter().collect::<Result<_, _>>();
    values.expect("all ran")
}

/// How many run now, and a record of it at each start.
#[derive(Clone, Default)]
struct Gauge {
    running: Arc<AtomicUsize>,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Gauge {
    async fn hold(self, time: Duration) {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.log.lock().expect("whole").push(running);
        sleep(time).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn log(&self) -> Vec<usize> {
        self.log.lock().expect("whole").clone()
    }

    fn most(&self) -> usize {
        self.log().into_iter().max().unwrap_or(0)
    }
}

fn sleeping(limiter: &Limiter, time: Duration) -> JoinHandle<Result<(), LimitError>> {
    tokio::spawn(limiter.run(move || sleep(time)))
}

#[tokio::test(start_paused = true)]
async fn with_one_place_tasks_run_one_after_another_in_order() {
    let limiter = limiter(1);
    let begin = Instant::now();
    let tasks = [(10, 300), (20, 200), (30, 100)].map(|(value, time)| {
        tokio::spawn(limiter.run(async move || {
            sleep(ms(time)).await;
            value
        }))
    });
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("joined").expect("ran"));
    }
    assert_eq!(results, [10, 20, 30]);
    assert_eq!(begin.elapsed(), ms(600));
}

#[tokio::test(start_paused = true)]
async fn never_more_than_the_concurrency_run() {
    let (limiter, gauge) = (limiter(5), Gauge::default());
    let mut set = JoinSet::new();
    for number in 0..100 {
        let gauge = gauge.clone();
        set.spawn(limiter.run(move || gauge.hold(ms(30 + number * 37 % 170))));
    }
    assert!(
        set.join_all()
            .await
            .into_iter()
            .all(|result| result.is_ok())
    );
    assert_eq!((gauge.log().len(), gauge.most()), (100, 5));
}

tokio::task_local! {
    static ID: usize;
}

#[tokio::test]
async fn a_task_keeps_the_context_that_it_was_called_in() {
    let limiter = limiter(2);
    let mut set = JoinSet::new();
    for id in 0..100 {
        let run = limiter.run(async move || {
            yield_now().await;
            ID.get() == id
        });
        set.spawn(ID.scope(id, run));
    }
    assert!(
        set.join_all()
            .await
            .into_iter()
            .all(|same| same.expect("ran"))
    );
}

#[tokio::test]
async fn a_function_that_has_its_value_at_once_is_a_task_too() {
    assert_eq!(limiter(1).run(|| ready(7)).await.expect("ran"), 7);
}

#[tokio::test]
async fn it_goes_on_after_a_panic_before_the_first_await() {
    let limiter = limiter(1);
    let bad = tokio::spawn(limiter.run(|| -> std::future::Ready<()> { panic!("at once") }));
    let good = tokio::spawn(limiter.run(|| ready(true)));
    let error = bad.await.expect("contained").expect_err("panicked");
    assert_eq!(error.panicked().expect("a panic").message(), "at once");
    assert!(good.await.expect("joined").expect("ran"));
    assert_eq!((limiter.active(), limiter.pending()), (0, 0));
}

#[tokio::test]
async fn arguments_reach_the_function() {
    let add = limiter(1).wrap(async |(a, b): (u32, u32)| a + b);
    assert_eq!(add.call((20, 22)).await.expect("ran"), 42);
}

#[tokio::test(start_paused = true)]
async fn tasks_may_share_a_context_through_a_helper() {
    let limiter = limiter(1);
    let shared = Arc::new(Mutex::new(Vec::new()));
    let with_context = |value: &'static str| {
        let shared = Arc::clone(&shared);
        tokio::spawn(limiter.run(async move || {
            shared.lock().expect("whole").push(value);
            sleep(ms(10)).await;
            shared.lock().expect("whole").len()
        }))
    };
    let (first, second) = (with_context("first"), with_context("second"));
    yield_now().await;
    assert_eq!((limiter.active(), limiter.pending()), (1, 1));
    assert_eq!(first.await.expect("joined").expect("ran"), 1);
    assert_eq!(second.await.expect("joined").expect("ran"), 2);
    assert_eq!(*shared.lock().expect("whole"), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn errors_of_tasks_are_theirs_and_stop_nothing() {
    let limiter = limiter(1);
    let results = limiter
        .map(
            [(30, Ok(())), (80, Err("unicorn")), (50, Ok(()))],
            async |(time, result), _| {
                sleep(ms(time)).await;
                result
            },
        )
        .await;
    let results = values(results);
    assert_eq!(results, [Ok(()), Err("unicorn"), Ok(())]);
}

#[tokio::test]
async fn no_task_begins_within_the_call() {
    let limiter = limiter(3);
    let value = Arc::new(AtomicUsize::new(1));
    let one = limiter.run(|| ready(1));
    let seen = Arc::clone(&value);
    let two = limiter.run(move || ready(seen.load(Ordering::SeqCst)));
    value.store(2, Ordering::SeqCst);
    let (one, two) = tokio::join!(one, two);
    assert_eq!((one.expect("ran"), two.expect("ran")), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn counts_of_what_runs_and_what_waits() {
    let limiter = limiter(5);
    let counts = || (limiter.active(), limiter.pending());
    assert_eq!(counts(), (0, 0));

    let running = sleeping(&limiter, ms(1000));
    yield_now().await;
    assert_eq!(counts(), (1, 0));
    running.await.expect("joined").expect("ran");
    assert_eq!(counts(), (0, 0));

    let mut first: Vec<_> = (0..8).map(|_| sleeping(&limiter, ms(1000))).collect();
    let rest = first.split_off(5);
    yield_now().await;
    assert_eq!(counts(), (5, 3));
    for task in first {
        task.await.expect("joined").expect("ran");
    }
    assert_eq!(counts(), (3, 0));
    for task in rest {
        task.await.expect("joined").expect("ran");
    }
    assert_eq!(counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn clearing_empties_the_queue_and_leaves_what_runs() {
    let limiter = Limiter::new(LimiterOptions {
        concurrency: 1,
        on_clear: OnClear::Forget,
    })
    .expect("one");
    let running = sleeping(&limiter, ms(1000));
    let waiting: Vec<_> = (0..3).map(|_| sleeping(&limiter, ms(1000))).collect();
    yield_now().await;
    assert_eq!(limiter.pending(), 3);
    assert_eq!(limiter.clear(), 3);
    assert_eq!(limiter.pending(), 0);
    running.await.expect("joined").expect("ran");
    // They are forgotten: nobody ever hears of them again.
    sleep(ms(10_000)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    waiting.iter().for_each(JoinHandle::abort);
    limiter.run(|| ready(())).await.expect("as good as new");
}

#[tokio::test(start_paused = true)]
async fn clearing_tells_those_that_wait() {
    let limiter = limiter(1);
    let running = sleeping(&limiter, ms(100));
    let waiting = [0, 1].map(|_| sleeping(&limiter, ms(10)));
    yield_now().await;
    assert_eq!(limiter.pending(), 2);
    assert_eq!(limiter.clear(), 2);
    assert_eq!(limiter.pending(), 0);
    for task in waiting {
        let error = task.await.expect("joined").expect_err("cleared");
        assert!(error.is_cleared());
    }
    running.await.expect("joined").expect("ran");
}

#[tokio::test]
async fn map_gives_a_result_for_each_item() {
    let results = limiter(1).map(1..=7, async |number, _| number + 1).await;
    let results = values(results);
    assert_eq!(results, [2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn map_needs_the_limiter_no_longer_and_still_shares_its_places() {
    let limiter = limiter(1);
    let gauge = Gauge::default();
    let mapper = {
        let gauge = gauge.clone();
        async move |number: u32| {
            gauge.clone().hold(ms(10)).await;
            number * 2
        }
    };
    let direct = limiter.run({
        let mapper = mapper.clone();
        async move || mapper(1).await
    });
    let mapped = limiter.map([2, 3], |number, _| {
        let mapper = mapper.clone();
        async move { mapper(number).await }
    });
    drop(limiter);
    let (direct, mapped) = tokio::join!(direct, mapped);
    assert_eq!((direct.expect("ran"), values(mapped)), (2, vec![4, 6]));
    assert_eq!(gauge.most(), 1);
}

#[tokio::test(start_paused = true)]
async fn map_hands_over_the_index_and_keeps_the_order() {
    let results = limiter(3)
        .map([10; 5], async |value, index| {
            sleep(ms((5 - index as u64) * 5)).await;
            value + index
        })
        .await;
    let results = values(results);
    assert_eq!(results, [10, 11, 12, 13, 14]);
}

#[tokio::test]
async fn map_takes_a_set() {
    let results = limiter(2)
        .map(BTreeSet::from([4, 3, 2, 1]), async |n, _| n * 2)
        .await;
    let results = values(results);
    assert_eq!(results, [2, 4, 6, 8]);
}

#[tokio::test]
async fn map_takes_a_bare_iterator() {
    let items = vec![1, 2, 3, 4]
        .into_iter()
        .filter(|number| number % 2 == 0);
    let results = limiter(2).map(items, async |n, _| n * 2).await;
    let results = values(results);
    assert_eq!(results, [4, 8]);
}

#[tokio::test(start_paused = true)]
async fn options_are_taken_in_place_of_a_number() {
    let limiter = Limiter::new(LimiterOptions {
        concurrency: 1,
        on_clear: OnClear::Tell,
    })
    .expect("one");
    let begin = Instant::now();
    let results = limiter
        .map([1, 2], async |number, _| {
            sleep(ms(50)).await;
            number
        })
        .await;
    let results = values(results);
    assert_eq!((results, limiter.concurrency()), (vec![1, 2], 1));
    assert_eq!(begin.elapsed(), ms(100));
}

#[test]
fn a_concurrency_of_0_is_refused() {
    // Negative, fractional and missing ones are no `usize` to begin with.
    assert_eq!(Limiter::new(0).map(drop), Err(ZeroConcurrency));
    assert!(Limiter::new(LimiterOptions::from(0)).is_err());
    assert_eq!(
        limit_function(|()| ready(()), 0).map(drop).err(),
        Some(ZeroConcurrency)
    );
    let limiter = limiter(2);
    assert_eq!(limiter.set_concurrency(0), Err(ZeroConcurrency));
    assert_eq!(limiter.concurrency(), 2);
    // No limit at all.
    assert!(Limiter::new(usize::MAX).expect("large").concurrency() >= 1 << 30);
}

/// Ten tasks of about 50 ms, no two of which end at once; the concurrency changes right after the
/// first have begun.
async fn change(from: usize, to: usize) -> Vec<usize> {
    let (limiter, gauge) = (limiter(from), Gauge::default());
    let mut set = JoinSet::new();
    for number in 0..10 {
        let gauge = gauge.clone();
        set.spawn(limiter.run(move || gauge.hold(ms(50 + number))));
    }
    yield_now().await;
    assert_eq!(gauge.running.load(Ordering::SeqCst), from);
    limiter.set_concurrency(to).expect("not 0");
    assert_eq!(
        (limiter.concurrency(), limiter.active()),
        (to, from.max(to))
    );
    set.join_all().await;
    gauge.log()
}

#[tokio::test(start_paused = true)]
async fn a_smaller_concurrency_holds_as_running_tasks_end() {
    assert_eq!(change(4, 2).await, [1, 2, 3, 4, 2, 2, 2, 2, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_larger_concurrency_starts_waiting_tasks_at_once() {
    assert_eq!(change(2, 4).await, [1, 2, 3, 4, 4, 4, 4, 4, 4, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_wrapped_function_is_limited() {
    let gauge = Gauge::default();
    let limited = {
        let gauge = gauge.clone();
        limit_function(
            move |time: u64| gauge.clone().hold(ms(30 + time * 37 % 170)),
            5,
        )
        .expect("not 0")
    };
    let mut set = JoinSet::new();
    for time in 0..100 {
        set.spawn(limited.call(time));
    }
    assert!(
        set.join_all()
            .await
            .into_iter()
            .all(|result| result.is_ok())
    );
    assert_eq!((gauge.log().len(), gauge.most()), (100, 5));
    assert_eq!(limited.limiter().concurrency(), 5);
}
