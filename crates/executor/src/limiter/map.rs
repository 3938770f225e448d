//! Every item of an iterator through a limiter.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use super::Limiter;
use super::crew::Crew;
use super::error::LimitError;
use super::panicked::{Panicked, caught, poll_contained};
use super::place::Place;

/// After so many steps in one turn the runtime gets a chance to do something else.
const STEPS_A_TURN: usize = 128;

/// Every item through the limiter, results in the items' order.
///
/// Only one item waits in line at a time, so that what is held is bounded by the concurrency and
/// the results, however long the iterator is.
pub(super) async fn map<I, F, Fut>(
    limiter: Limiter,
    items: I,
    mut mapper: F,
) -> Vec<Result<Fut::Output, LimitError>>
where
    I: Iterator,
    F: FnMut(I::Item, usize) -> Fut,
    Fut: Future,
{
    let gate = &limiter.gate;
    let mut results = Results::default();
    let mut crew = Crew::new();
    let mut items = items.enumerate();
    let mut next = items.next();
    // Dropped with the rest when the whole is dropped, which leaves the line.
    let mut waiting = None;
    poll_fn(|context| {
        for _ in 0..STEPS_A_TURN {
            let mut moved = false;
            // No place is asked for without an item to fill it: it would be held for nothing.
            if next.is_some() {
                let acquire = waiting.get_or_insert_with(|| gate.acquire());
                if let Poll::Ready(answer) = Pin::new(acquire).poll(context) {
                    moved = true;
                    waiting = None;
                    match answer {
                        Ok(()) => {
                            let place = Place::taken(gate.clone());
                            if let Some((index, item)) = next.take() {
                                let made = caught(|| mapper(item, index));
                                crew.add(member(index, made, place));
                            }
                            next = items.next();
                        }
                        Err(cleared) => {
                            for (index, _) in next.take().into_iter().chain(items.by_ref()) {
                                results.put(index, Err(cleared.into()));
                            }
                        }
                    }
                }
            }
            match crew.poll_one(context) {
                Poll::Ready(Some((index, result))) => results.put(index, result),
                Poll::Ready(None) => {}
                Poll::Pending if moved => {}
                Poll::Pending if next.is_none() && crew.is_empty() => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    results.finish()
}

/// One item's task, which frees its place before its result is seen.
async fn member<Fut: Future>(
    index: usize,
    made: Result<Fut, Panicked>,
    place: Place,
) -> (usize, Result<Fut::Output, LimitError>) {
    let result = match made {
        Ok(future) => {
            let mut future = pin!(future);
            poll_fn(|context| poll_contained(future.as_mut(), context)).await
        }
        Err(panicked) => Err(panicked),
    };
    drop(place);
    (index, result.map_err(LimitError::from))
}

/// Results as they come, by their place.
struct Results<T>(Vec<Option<T>>);

impl<T> Default for Results<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Results<T> {
    fn put(&mut self, index: usize, result: T) {
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some(result);
    }

    fn finish(self) -> Vec<T> {
        self.0
            .into_iter()
            .map(|result| result.expect("each item has ended"))
            .collect()
    }
}
