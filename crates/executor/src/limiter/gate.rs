//! Hands out places, as many as there are, in the order in which they were asked for.
//!
//! One word says how many places there are, how many are taken, and whether anybody waits. While
//! nobody waits, taking and freeing a place change that word alone. Once somebody waits the word
//! changes only under the lock of the line, and a place that becomes free is handed to the first
//! in line without ever being free for others: nobody overtakes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::Cleared;
use super::line::{Line, Standing, Ticket};
use super::options::OnClear;

/// More places than this count as this many.
pub(super) const MOST_PLACES: usize = (1 << 31) - 1;

const WAITING: u64 = 1 << 63;
const PLACES_SHIFT: u32 = 32;
const ACTIVE_MASK: u64 = (1 << PLACES_SHIFT) - 1;

/// The word, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    fn of(places: usize) -> Self {
        Self((places.min(MOST_PLACES) as u64) << PLACES_SHIFT)
    }

    fn active(self) -> u64 {
        self.0 & ACTIVE_MASK
    }

    fn places(self) -> u64 {
        (self.0 & !WAITING) >> PLACES_SHIFT
    }

    fn is_waited(self) -> bool {
        self.0 & WAITING != 0
    }

    fn has_room(self) -> bool {
        self.active() < self.places()
    }

    /// Active never exceeds the places that there ever were, so it never reaches the next field.
    fn taken(self) -> Self {
        Self(self.0 + 1)
    }

    fn freed(self) -> Self {
        Self(self.0 - 1)
    }

    fn waited(self, waited: bool) -> Self {
        Self(if waited {
            self.0 | WAITING
        } else {
            self.0 & !WAITING
        })
    }

    fn with_places(self, places: usize) -> Self {
        Self(Self::of(places).0 | (self.0 & (WAITING | ACTIVE_MASK)))
    }
}

/// Hands out places.
#[derive(Debug)]
pub(super) struct Gate {
    word: AtomicU64,
    line: Mutex<Line>,
    on_clear: OnClear,
}

impl Gate {
    pub(super) fn new(places: usize, on_clear: OnClear) -> Self {
        Self {
            word: AtomicU64::new(Word::of(places).0),
            line: Mutex::new(Line::new()),
            on_clear,
        }
    }

    pub(super) fn places(&self) -> usize {
        self.load().places() as usize
    }

    pub(super) fn active(&self) -> usize {
        self.load().active() as usize
    }

    pub(super) fn pending(&self) -> usize {
        self.line().len()
    }

    /// Changes how many places there are and serves as many as that makes room for.
    pub(super) fn set_places(&self, places: usize) {
        let mut served = Vec::new();
        {
            let mut line = self.line();
            self.update(|word| Some(word.with_places(places)));
            self.serve(&mut line, |waker| served.push(waker));
        }
        wake(served);
    }

    /// Sends away all that wait and says how many they were.
    pub(super) fn clear(&self) -> usize {
        let cleared = {
            let mut line = self.line();
            let cleared = line.clear();
            self.update(|word| Some(word.waited(false)));
            cleared
        };
        let count = cleared.len();
        match self.on_clear {
            OnClear::Tell => wake(cleared),
            OnClear::Forget => drop(cleared),
        }
        count
    }

    /// Takes a place, now or later. The place is taken for good: it must be given back with
    /// [`release`](Self::release).
    pub(super) fn acquire(&self) -> Acquire<'_> {
        Acquire {
            gate: self,
            ticket: None,
        }
    }

    /// Gives a place back.
    pub(super) fn release(&self) {
        // Only this step must be quick: with nobody in line there is nobody to serve, whatever
        // the number of places is.
        if self.update(|word| (!word.is_waited()).then(|| word.freed())) {
            return;
        }
        let mut served = None;
        {
            let mut line = self.line();
            let word = self.load();
            if word.active() <= word.places() && !line.is_empty() {
                // The place goes from hand to hand, so as many are taken as before.
                served = line.serve();
                self.mark(&line);
            } else {
                self.update(|word| Some(word.freed()));
                // One place fewer is taken, so at most one can be served.
                self.serve(&mut line, |waker| served = Some(waker));
            }
        }
        if let Some(waker) = served {
            waker.wake();
        }
    }

    fn serve(&self, line: &mut Line, mut served: impl FnMut(Waker)) {
        while !line.is_empty() && self.update(|word| word.has_room().then(|| word.taken())) {
            if let Some(waker) = line.serve() {
                served(waker);
            }
        }
        self.mark(line);
    }

    /// Lets places be taken without the lock again once nobody waits.
    fn mark(&self, line: &Line) {
        if line.is_empty() {
            self.update(|word| Some(word.waited(false)));
        }
    }

    /// Takes a place if that is possible at once, without passing by anybody.
    pub(super) fn try_acquire(&self) -> bool {
        self.update(|word| (!word.is_waited() && word.has_room()).then(|| word.taken()))
    }

    /// Takes a place or joins the line, whichever it must be.
    fn acquire_or_join(&self, waker: &Waker) -> Option<Ticket> {
        // Cloned before the lock is taken, since what a foreign waker does is not known.
        let waker = waker.clone();
        let mut line = self.line();
        let mut took = false;
        // With somebody in line already there is nothing to mark, and other threads keep their
        // copy of the word.
        if line.is_empty() {
            // Decided in one step: once it's marked that somebody waits, no place becomes free
            // without the lock.
            self.update(|word| {
                took = word.has_room();
                Some(if took {
                    word.taken()
                } else {
                    word.waited(true)
                })
            });
        }
        (!took).then(|| line.join(waker))
    }

    fn load(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Changes the word, unless the change is `None`; says whether it did.
    fn update(&self, mut change: impl FnMut(Word) -> Option<Word>) -> bool {
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                change(Word(word)).map(|word| word.0)
            })
            .is_ok()
    }

    /// Nothing that could panic leaves the line half changed, so a poisoned lock is as good as
    /// any.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that was taken, given back when it's dropped.
pub(super) struct Held<'a>(pub(super) &'a Gate);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

/// Waits for a place. Dropped before it's done it leaves the line, and gives back a place that
/// was handed over meanwhile.
#[derive(Debug)]
pub(super) struct Acquire<'a> {
    gate: &'a Gate,
    ticket: Option<Ticket>,
}

impl Future for Acquire<'_> {
    type Output = Result<(), Cleared>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let gate = self.gate;
        let Some(ticket) = self.ticket.take() else {
            if gate.try_acquire() {
                return Poll::Ready(Ok(()));
            }
            self.ticket = gate.acquire_or_join(context.waker());
            return match self.ticket {
                Some(_) => Poll::Pending,
                None => Poll::Ready(Ok(())),
            };
        };
        let mut line = gate.line();
        let standing = line.standing(&ticket);
        let replaced = match standing {
            Standing::Served => {
                line.leave(ticket);
                return Poll::Ready(Ok(()));
            }
            Standing::Cleared if gate.on_clear == OnClear::Tell => {
                line.leave(ticket);
                return Poll::Ready(Err(Cleared));
            }
            // Nobody will ever wake this one again: that is what forgetting means.
            Standing::Cleared => None,
            Standing::Waiting(waker) if waker.will_wake(context.waker()) => None,
            Standing::Waiting(waker) => Some(std::mem::replace(waker, context.waker().clone())),
        };
        drop(line);
        drop(replaced);
        self.ticket = Some(ticket);
        Poll::Pending
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let standing = {
            let mut line = self.gate.line();
            let standing = line.leave(ticket);
            self.gate.mark(&line);
            standing
        };
        if matches!(standing, Standing::Served) {
            self.gate.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_keeps_its_fields_apart() {
        let word = Word::of(usize::MAX).taken().taken().waited(true);
        assert_eq!(word.places(), MOST_PLACES as u64);
        assert_eq!((word.active(), word.is_waited()), (2, true));
        let fewer = word.with_places(1).freed();
        assert_eq!((fewer.places(), fewer.active()), (1, 1));
        assert!(fewer.is_waited() && !fewer.has_room());
        assert!(!fewer.waited(false).is_waited());
    }
}
