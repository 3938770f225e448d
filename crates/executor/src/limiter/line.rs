//! Who waits for a place, first come first served.
//!
//! A list that is linked by indices within one allocation: joining, leaving from anywhere and
//! serving the first are all constant in time, and a waiting future needs no allocation of its
//! own. That is what keeps a million waiting tasks cheap, and a cancelled one as well.

use std::task::Waker;

/// Stands for "no seat" in links. No line is ever that long: the memory would be gone before.
const NOBODY: u32 = u32::MAX;

/// A line that has been longer gives its memory back once it's empty.
const KEPT_SEATS: usize = 1024;

/// Where a future sits in the line; its own until it hands it back.
#[derive(Debug)]
pub(super) struct Ticket(u32);

/// What became of one that waits.
#[derive(Debug)]
pub(super) enum Standing {
    /// In the line still, to be woken by this.
    Waiting(Waker),
    /// A place was handed over; it counts as active already.
    Served,
    /// The line was cleared.
    Cleared,
}

#[derive(Debug)]
struct Seat {
    /// `None` while nobody owns the seat.
    standing: Option<Standing>,
    previous: u32,
    /// Of a seat without owner: the next free one.
    next: u32,
}

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    seats: Vec<Seat>,
    free: u32,
    first: u32,
    last: u32,
    waiting: usize,
    owned: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            seats: Vec::new(),
            free: NOBODY,
            first: NOBODY,
            last: NOBODY,
            waiting: 0,
            owned: 0,
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Joins at the end.
    pub(super) fn join(&mut self, waker: Waker) -> Ticket {
        let seat = Seat {
            standing: Some(Standing::Waiting(waker)),
            previous: self.last,
            next: NOBODY,
        };
        let index = if self.free == NOBODY {
            let index = u32::try_from(self.seats.len())
                .ok()
                .filter(|&index| index != NOBODY)
                .expect("fewer than 2^32 - 1 futures wait");
            self.seats.push(seat);
            index
        } else {
            let index = self.free;
            self.free = self.seats[index as usize].next;
            self.seats[index as usize] = seat;
            index
        };
        match self.last {
            NOBODY => self.first = index,
            last => self.seats[last as usize].next = index,
        }
        self.last = index;
        self.waiting += 1;
        self.owned += 1;
        Ticket(index)
    }

    /// Serves the first; its waker is to be woken once no lock is held.
    pub(super) fn serve(&mut self) -> Option<Waker> {
        self.call(Standing::Served)
    }

    /// Tells all that wait that the line is cleared; the wakers are to be woken once no lock is
    /// held.
    pub(super) fn clear(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::with_capacity(self.waiting);
        wakers.extend(std::iter::from_fn(|| self.call(Standing::Cleared)));
        wakers
    }

    /// What became of the ticket's owner.
    pub(super) fn standing(&mut self, ticket: &Ticket) -> &mut Standing {
        self.seats[ticket.0 as usize]
            .standing
            .as_mut()
            .expect("a seat is kept until its ticket is handed back")
    }

    /// Hands the ticket back, wherever its owner stands.
    pub(super) fn leave(&mut self, ticket: Ticket) -> Standing {
        let index = ticket.0;
        let standing = self.seats[index as usize]
            .standing
            .take()
            .expect("a seat is kept until its ticket is handed back");
        if matches!(standing, Standing::Waiting(_)) {
            self.unlink(index);
        }
        self.owned -= 1;
        if self.owned == 0 && self.seats.len() > KEPT_SEATS {
            *self = Self::new();
        } else {
            self.seats[index as usize].next = self.free;
            self.free = index;
        }
        standing
    }

    fn call(&mut self, to: Standing) -> Option<Waker> {
        let index = self.first;
        if index == NOBODY {
            return None;
        }
        self.unlink(index);
        match self.seats[index as usize].standing.replace(to) {
            Some(Standing::Waiting(waker)) => Some(waker),
            _ => unreachable!("all that are linked wait"),
        }
    }

    fn unlink(&mut self, index: u32) {
        let Seat { previous, next, .. } = self.seats[index as usize];
        match previous {
            NOBODY => self.first = next,
            previous => self.seats[previous as usize].next = next,
        }
        match next {
            NOBODY => self.last = previous,
            next => self.seats[next as usize].previous = previous,
        }
        self.waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(line: &mut Line) -> Ticket {
        line.join(Waker::noop().clone())
    }

    #[test]
    fn the_first_is_served_first_whoever_left_meanwhile() {
        let mut line = Line::new();
        let tickets: Vec<Ticket> = (0..5).map(|_| join(&mut line)).collect();
        let mut tickets: Vec<Option<Ticket>> = tickets.into_iter().map(Some).collect();
        for gone in [0, 2, 4] {
            let left = line.leave(tickets[gone].take().expect("still there"));
            assert!(matches!(left, Standing::Waiting(_)));
        }
        assert_eq!(line.len(), 2);
        let late = join(&mut line);
        let mut served = |ticket: &Ticket| {
            assert!(line.serve().is_some());
            matches!(line.standing(ticket), Standing::Served)
        };
        assert!(served(tickets[1].as_ref().expect("waits")));
        assert!(served(tickets[3].as_ref().expect("waits")));
        assert!(served(&late));
        assert!(line.serve().is_none());
    }

    #[test]
    fn clearing_tells_all_that_wait_and_nobody_else() {
        let mut line = Line::new();
        let (one, two, three) = (join(&mut line), join(&mut line), join(&mut line));
        line.serve();
        assert_eq!(line.clear().len(), 2);
        assert!(line.is_empty());
        assert!(matches!(line.leave(one), Standing::Served));
        assert!(matches!(line.leave(two), Standing::Cleared));
        assert!(matches!(line.leave(three), Standing::Cleared));
    }

    #[test]
    fn seats_are_used_again_and_a_long_line_gives_its_memory_back() {
        let mut line = Line::new();
        for _ in 0..10_000 {
            let ticket = join(&mut line);
            line.leave(ticket);
        }
        assert_eq!(line.seats.len(), 1);
        let tickets: Vec<Ticket> = (0..10_000).map(|_| join(&mut line)).collect();
        for ticket in tickets {
            line.leave(ticket);
        }
        assert_eq!(line.seats.capacity(), 0);
    }
}
