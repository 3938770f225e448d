//! Several futures as one, each polled only when it was woken.
//!
//! Polling all of them on every wake would make the work grow with the square of their number.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Several futures as one.
pub(super) struct Crew<Fut> {
    members: Vec<Option<Member<Fut>>>,
    free: Vec<usize>,
    bell: Arc<Bell>,
}

struct Member<Fut> {
    future: Pin<Box<Fut>>,
    call: Arc<Call>,
    waker: Waker,
}

/// What the members' wakers share with the crew.
struct Bell {
    ringing: Mutex<Ringing>,
}

struct Ringing {
    /// Who was woken, in order.
    ready: VecDeque<Arc<Call>>,
    /// Who polls the crew.
    owner: Option<Waker>,
}

/// Wakes one member.
struct Call {
    seat: usize,
    /// Whether it is in the line of those that were woken; once is enough.
    is_ready: AtomicBool,
    bell: Arc<Bell>,
}

impl Bell {
    /// Nothing that could panic happens under the lock.
    fn ringing(&self) -> MutexGuard<'_, Ringing> {
        self.ringing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        let owner = {
            let bell = Arc::clone(&self.bell);
            let mut ringing = bell.ringing();
            ringing.ready.push_back(self);
            ringing.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
    }
}

impl<Fut: Future> Crew<Fut> {
    pub(super) fn new() -> Self {
        let ringing = Ringing {
            ready: VecDeque::new(),
            owner: None,
        };
        Self {
            members: Vec::new(),
            free: Vec::new(),
            bell: Arc::new(Bell {
                ringing: Mutex::new(ringing),
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.len() == self.free.len()
    }

    /// Takes a future in, to be polled at the next turn.
    pub(super) fn add(&mut self, future: Fut) {
        let seat = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let call = Arc::new(Call {
            seat,
            is_ready: AtomicBool::new(true),
            bell: Arc::clone(&self.bell),
        });
        self.bell.ringing().ready.push_back(Arc::clone(&call));
        self.members[seat] = Some(Member {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&call)),
            call,
        });
    }

    /// Polls one member that was woken. Pending when nobody was; then `context` is woken once
    /// somebody is.
    ///
    /// `None` is a member that isn't done yet.
    pub(super) fn poll_one(&mut self, context: &mut Context<'_>) -> Poll<Option<Fut::Output>> {
        let call = {
            let mut ringing = self.bell.ringing();
            match ringing.ready.pop_front() {
                Some(call) => call,
                None => {
                    let replaced = ringing.owner.replace(context.waker().clone());
                    drop(ringing);
                    drop(replaced);
                    return Poll::Pending;
                }
            }
        };
        call.is_ready.store(false, Ordering::Release);
        // A call that rang once too often may find its seat empty, or somebody else's.
        let member = match &mut self.members[call.seat] {
            Some(member) if Arc::ptr_eq(&member.call, &call) => member,
            _ => return Poll::Ready(None),
        };
        let mut context = Context::from_waker(&member.waker);
        match member.future.as_mut().poll(&mut context) {
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(output) => {
                self.members[call.seat] = None;
                self.free.push(call.seat);
                Poll::Ready(Some(output))
            }
        }
    }
}
