//! Dropping, panicking and clearing at the worst moments.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use saferun_executor::{LimitError, Limiter, LimiterOptions, OnClear};

type Run<T> = Pin<Box<dyn Future<Output = Result<T, LimitError>>>>;

fn limiter(concurrency: usize) -> Limiter {
    Limiter::new(concurrency).expect("not 0")
}

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

fn counts(limiter: &Limiter) -> (usize, usize) {
    (limiter.active(), limiter.pending())
}

fn for_ever(limiter: &Limiter) -> Run<()> {
    let mut run: Run<()> = Box::pin(limiter.run(pending));
    assert!(poll(&mut run).is_pending());
    run
}

fn quick(limiter: &Limiter) -> Run<()> {
    Box::pin(limiter.run(|| ready(())))
}

#[test]
fn a_future_that_was_never_polled_stands_nowhere() {
    let limiter = limiter(1);
    let run = quick(&limiter);
    assert_eq!(counts(&limiter), (0, 0));
    drop(run);
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn a_waiting_future_that_is_dropped_leaves_the_line() {
    let limiter = limiter(1);
    let running = for_ever(&limiter);
    let (first, mut second) = (for_ever(&limiter), quick(&limiter));
    assert!(poll(&mut second).is_pending());
    assert_eq!(counts(&limiter), (1, 2));
    drop(first);
    assert_eq!(counts(&limiter), (1, 1));
    drop(running);
    assert!(poll(&mut second).is_ready());
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn a_place_that_was_handed_over_to_a_dropped_future_goes_on_to_the_next() {
    let limiter = limiter(1);
    let running = for_ever(&limiter);
    let (first, mut second) = (for_ever(&limiter), quick(&limiter));
    assert!(poll(&mut second).is_pending());
    drop(running);
    // The first has the place now, though it doesn't know.
    assert_eq!(counts(&limiter), (1, 1));
    assert!(poll(&mut second).is_pending());
    drop(first);
    assert!(poll(&mut second).is_ready());
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn nobody_overtakes_who_waits() {
    let limiter = limiter(1);
    let running = for_ever(&limiter);
    let mut first = quick(&limiter);
    assert!(poll(&mut first).is_pending());
    drop(running);
    let mut late = quick(&limiter);
    assert!(poll(&mut late).is_pending());
    assert!(poll(&mut first).is_ready());
    assert!(poll(&mut late).is_ready());
}

#[test]
fn a_running_task_is_dropped_before_its_place_is_free() {
    struct Looks(Limiter, Arc<AtomicUsize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            self.1.store(self.0.active(), Ordering::SeqCst);
        }
    }
    let limiter = limiter(1);
    let seen = Arc::new(AtomicUsize::new(0));
    let looks = Looks(limiter.clone(), Arc::clone(&seen));
    let mut run: Run<()> = Box::pin(limiter.run(async move || {
        let _looks = looks;
        pending().await
    }));
    assert!(poll(&mut run).is_pending());
    drop(run);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn a_panic_while_it_runs_is_the_tasks_own() {
    let limiter = limiter(1);
    let number = limiter.concurrency() + 6;
    let mut run: Run<()> = Box::pin(limiter.run(async move || {
        tokio::task::yield_now().await;
        panic!("number {number}")
    }));
    let mut next = quick(&limiter);
    let error = loop {
        match poll(&mut run) {
            Poll::Pending => assert!(poll(&mut next).is_pending()),
            Poll::Ready(result) => break result.expect_err("panicked"),
        }
    };
    assert_eq!(error.to_string(), "the task panicked: number 7");
    let payload = error.panicked().expect("a panic").into_payload();
    assert_eq!(*payload.downcast::<String>().expect("text"), "number 7");
    assert!(poll(&mut next).is_ready());
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn a_new_waker_takes_the_place_of_the_old() {
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let limiter = limiter(1);
    let running = for_ever(&limiter);
    let mut waiting = quick(&limiter);
    let wakers = [0, 1].map(|_| Arc::new(Counts(AtomicUsize::new(0))));
    for counts in &wakers {
        let waker = Waker::from(Arc::clone(counts));
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    drop(running);
    let woken = wakers.map(|counts| counts.0.load(Ordering::SeqCst));
    assert_eq!(woken, [0, 1]);
}

#[test]
fn the_cleared_may_be_dropped_and_the_rest_goes_on() {
    for on_clear in [OnClear::Tell, OnClear::Forget] {
        let limiter = Limiter::new(LimiterOptions {
            concurrency: 1,
            on_clear,
        })
        .expect("one");
        let running = for_ever(&limiter);
        let (dropped, mut kept) = (for_ever(&limiter), for_ever(&limiter));
        assert_eq!(limiter.clear(), 2);
        assert_eq!(limiter.clear(), 0);
        drop(dropped);
        let told = poll(&mut kept);
        assert_eq!(told.is_ready(), on_clear == OnClear::Tell);
        let mut later = quick(&limiter);
        assert!(poll(&mut later).is_pending());
        assert_eq!(counts(&limiter), (1, 1));
        drop(running);
        assert!(poll(&mut later).is_ready());
        assert_eq!(counts(&limiter), (0, 0));
    }
}

#[test]
fn clearing_tells_a_map_about_each_item_that_was_not_begun() {
    let limiter = limiter(2);
    let gate = Arc::new(tokio::sync::Notify::new());
    let mut map = Box::pin(limiter.map(0..5, |number, _| {
        let gate = Arc::clone(&gate);
        async move {
            gate.notified().await;
            number
        }
    }));
    assert!(poll(&mut map).is_pending());
    assert_eq!(counts(&limiter), (2, 1));
    assert_eq!(limiter.clear(), 1);
    assert!(poll(&mut map).is_pending());
    gate.notify_waiters();
    let Poll::Ready(results) = poll(&mut map) else {
        panic!("all have ended");
    };
    let cleared: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert_eq!(cleared, [false, false, true, true, true]);
}

#[test]
fn a_dropped_map_frees_everything_and_takes_no_more_items() {
    let limiter = limiter(3);
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let items = std::iter::repeat_with(move || counter.fetch_add(1, Ordering::SeqCst));
    let mut map = Box::pin(limiter.map(items, |_, _| pending::<()>()));
    assert!(poll(&mut map).is_pending());
    assert_eq!(counts(&limiter), (3, 1));
    drop(map);
    assert_eq!(counts(&limiter), (0, 0));
    assert_eq!(taken.load(Ordering::SeqCst), 4);
}

#[test]
fn a_panicking_mapper_harms_its_item_alone() {
    let limiter = limiter(2);
    let mut map = Box::pin(limiter.map(0..4, |number, _| {
        assert_ne!(number, 1, "one");
        async move {
            assert_ne!(number, 2, "two");
        }
    }));
    let results = loop {
        if let Poll::Ready(results) = poll(&mut map) {
            break results;
        }
    };
    let failed: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, true, false]);
    assert_eq!(counts(&limiter), (0, 0));
}

#[test]
fn a_place_may_be_held_without_a_task() {
    let limiter = limiter(1);
    let mut place = Box::pin(limiter.place());
    let Poll::Ready(Ok(place)) = poll(&mut place) else {
        panic!("free");
    };
    let mut second = Box::pin(limiter.place());
    assert!(poll(&mut second).is_pending());
    assert_eq!(limiter.clear(), 1);
    assert!(matches!(poll(&mut second), Poll::Ready(Err(_))));
    drop(place);
    assert_eq!(counts(&limiter), (0, 0));
}
