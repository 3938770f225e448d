//! Whatever happens in whatever order: never too many at once, first come first served, nothing
//! lost and nothing doubled.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use saferun_executor::{LimitError, Limiter};
use tokio::task::{JoinSet, yield_now};

#[derive(Debug, Clone, Copy)]
enum Step {
    Add,
    /// The next three act on one of the futures, chosen by the number.
    Poll(usize),
    Finish(usize),
    Drop(usize),
    Change(usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Add),
        6 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::Finish),
        2 => any::<usize>().prop_map(Step::Drop),
        1 => (1_usize..6).prop_map(Step::Change),
        1 => Just(Step::Clear),
    ]
}

#[derive(Default)]
struct Log {
    /// Who began, in order.
    began: Vec<usize>,
    running: usize,
}

struct Task {
    id: usize,
    future: Pin<Box<dyn Future<Output = Result<usize, LimitError>>>>,
    may_finish: Rc<Cell<bool>>,
    has_joined: bool,
}

/// Counts as running for as long as it lives.
struct Running(Rc<RefCell<Log>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.borrow_mut().running -= 1;
    }
}

struct World {
    limiter: Limiter,
    log: Rc<RefCell<Log>>,
    tasks: Vec<Task>,
    /// Who stands in line and has not begun, in order of their first polls.
    line: VecDeque<usize>,
    added: usize,
    ended: usize,
}

impl World {
    fn new(concurrency: usize) -> Self {
        Self {
            limiter: Limiter::new(concurrency).expect("not 0"),
            log: Rc::default(),
            tasks: Vec::new(),
            line: VecDeque::new(),
            added: 0,
            ended: 0,
        }
    }

    fn add(&mut self) {
        let (id, log) = (self.added, Rc::clone(&self.log));
        let may_finish = Rc::new(Cell::new(false));
        let finish = Rc::clone(&may_finish);
        let future = self.limiter.run(async move || {
            log.borrow_mut().began.push(id);
            log.borrow_mut().running += 1;
            let _running = Running(log);
            poll_fn(|_| match finish.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            id
        });
        self.added += 1;
        self.tasks.push(Task {
            id,
            future: Box::pin(future),
            may_finish,
            has_joined: false,
        });
    }

    fn poll(&mut self, place: usize) {
        // Those first in line that have been handed a place and weren't polled since.
        let handed = self.limiter.active() - self.log.borrow().running;
        let task = &mut self.tasks[place];
        let joins = !std::mem::replace(&mut task.has_joined, true);
        if joins {
            self.line.push_back(task.id);
        }
        let began = self.log.borrow().began.len();
        let polled = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let id = task.id;
        if self.log.borrow().began.len() > began {
            let at = self.line.iter().position(|&waiting| waiting == id);
            let before = at.expect("began once, and from the line");
            // Who has just come begins at once only if all before it have their places.
            assert!(before < handed || (joins && before == handed));
            self.line.remove(before);
        }
        if let Poll::Ready(result) = polled {
            match result {
                Ok(value) => assert_eq!(value, id),
                Err(error) => {
                    assert!(error.is_cleared());
                    assert!(!self.line.contains(&id));
                }
            }
            self.tasks.remove(place);
            self.ended += 1;
        }
    }

    fn take(&mut self, step: Step) {
        let place = |number: usize| (!self.tasks.is_empty()).then(|| number % self.tasks.len());
        match step {
            Step::Add => self.add(),
            Step::Poll(number) => {
                if let Some(place) = place(number) {
                    self.poll(place);
                }
            }
            Step::Finish(number) => {
                if let Some(place) = place(number) {
                    self.tasks[place].may_finish.set(true);
                }
            }
            Step::Drop(number) => {
                if let Some(place) = place(number) {
                    let task = self.tasks.remove(place);
                    self.line.retain(|&waiting| waiting != task.id);
                    drop(task);
                    self.ended += 1;
                }
            }
            Step::Change(concurrency) => {
                self.limiter.set_concurrency(concurrency).expect("not 0");
            }
            Step::Clear => {
                let handed = self.limiter.active() - self.log.borrow().running;
                let cleared = self.limiter.clear();
                assert_eq!(cleared, self.line.len() - handed);
                self.line.truncate(handed);
            }
        }
    }

    fn check(&self, active_before: usize) {
        let (active, places) = (self.limiter.active(), self.limiter.concurrency());
        assert!(self.log.borrow().running <= active);
        // More than there are places only where there were more before.
        assert!(active <= places.max(active_before));
        // No place stays free while somebody waits.
        assert!(self.limiter.pending() == 0 || active >= places);
        assert_eq!(self.tasks.len() + self.ended, self.added);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_order_of_events_holds_the_limiters_promises(
        concurrency in 1_usize..5,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new(concurrency);
        for step in steps {
            let active = world.limiter.active();
            world.take(step);
            world.check(active);
        }
        // All that is left can end, whatever happened.
        for task in &world.tasks {
            task.may_finish.set(true);
        }
        let mut rounds = world.tasks.len() + 1;
        while !world.tasks.is_empty() {
            prop_assert!(rounds > 0, "somebody waits for ever");
            rounds -= 1;
            for place in (0..world.tasks.len()).rev() {
                world.poll(place);
            }
        }
        prop_assert_eq!((world.limiter.active(), world.limiter.pending()), (0, 0));
        // Nobody began twice.
        let mut began = world.log.borrow().began.clone();
        let count = began.len();
        began.sort_unstable();
        began.dedup();
        prop_assert_eq!(began.len(), count);
    }

    #[test]
    fn map_keeps_order_whatever_the_durations(
        turns in proptest::collection::vec(0_u8..8, 0..200),
        concurrency in 1_usize..10,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let limiter = Limiter::new(concurrency).expect("not 0");
        let running = Cell::new(0);
        let results = runtime.block_on(limiter.map(turns.iter(), async |&turns, index| {
            running.set(running.get() + 1);
            assert!(running.get() <= concurrency);
            for _ in 0..turns {
                yield_now().await;
            }
            running.set(running.get() - 1);
            index
        }));
        let results: Vec<usize> = results.into_iter().map(|result| result.expect("ran")).collect();
        prop_assert_eq!(results, (0..turns.len()).collect::<Vec<_>>());
    }
}

/// Small, repeatable, and good enough to mix things up.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[test]
fn on_several_threads_nothing_is_lost_under_cancels_and_changes() {
    const TASKS: usize = 20_000;
    const MOST: usize = 8;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .expect("a runtime");
    let limiter = Limiter::new(3).expect("not 0");
    let (running, began) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (mut done, mut aborted, mut cleared) = (0, 0, 0);
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for number in 0..TASKS as u64 {
            let (running, began) = (Arc::clone(&running), Arc::clone(&began));
            let handle = set.spawn(limiter.run(async move || {
                struct Leaves(Arc<AtomicUsize>);
                impl Drop for Leaves {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                let _leaves = Leaves(running);
                assert!(now <= MOST, "{now} at once");
                began.fetch_add(1, Ordering::SeqCst);
                for _ in 0..mix(number) % 3 {
                    yield_now().await;
                }
            }));
            match mix(number + 7) % 16 {
                0 | 1 => handle.abort(),
                2 => {
                    let places = mix(number + 3) as usize % MOST + 1;
                    limiter.set_concurrency(places).expect("not 0");
                }
                3 if number % 97 == 0 => {
                    limiter.clear();
                }
                4 => yield_now().await,
                _ => {}
            }
        }
        while let Some(joined) = set.join_next().await {
            match joined {
                Ok(Ok(())) => done += 1,
                Ok(Err(error)) if error.is_cleared() => cleared += 1,
                Ok(Err(error)) => panic!("{error}"),
                Err(error) if error.is_cancelled() => aborted += 1,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert_eq!(done + aborted + cleared, TASKS);
    assert!(
        done > TASKS / 2 && aborted > 0,
        "{done} done, {aborted} aborted"
    );
    let began = began.load(Ordering::SeqCst);
    assert!(done <= began && began <= done + aborted);
    assert_eq!((limiter.active(), limiter.pending()), (0, 0));
}
