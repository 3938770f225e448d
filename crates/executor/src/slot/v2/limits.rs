//! The run's limits: `memory.high` as brake, `memory.max` above it as last line.
//!
//! Both are written by a thread of their own, since the kernel reclaims file cache before it
//! returns from a write that lowers one of them. A `memory.max` below what is in use would make
//! the kernel kill at once, so it is lowered only when use has come down; until then
//! `memory.high` alone holds growth back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use saferun_memory::GroupV2;

use crate::slot::v1::files;

const MIB: u64 = 1 << 20;

/// How far `memory.high` lies below the limit at least, as a share of it. The kernel begins to
/// put growing tasks to sleep when use is about 1.1 % above `memory.high` (shorter sleeps than
/// 8 ms it skips), and lets them sleep the longer the more it is above: at 2 % about 25 ms for
/// every 256 KiB. So there is a stretch before `memory.max` in which growth is slow, while the
/// space that is lost to it is small.
const SLOW_SHARE: u64 = 40;

/// `memory.max` isn't lowered to less than this above what is in use.
const NO_KILL: u64 = 8 * MIB;

/// How often what could not be set is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Use so near `memory.max` counts as full: everything is stopped there, as the kernel would
/// kill next.
const WALL: u64 = 3 * MIB / 2;
/// And goes on when so much is free.
const WALL_LEFT: u64 = 2 * MIB;

/// Nothing was set yet.
const NONE: u64 = u64::MAX;

/// Where the two lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) high: u64,
    pub(super) max: u64,
}

impl Marks {
    /// For a limit of all tasks together and the use at which the run wants to be woken.
    pub(super) fn new(hard_bytes: u64, threshold_bytes: u64) -> Self {
        let slow = hard_bytes - hard_bytes / SLOW_SHARE;
        Self {
            high: threshold_bytes.min(slow),
            max: hard_bytes,
        }
    }
}

/// Limits of one memory group of v2, and the event that use has passed `memory.high`.
#[derive(Debug)]
pub(super) struct Limits {
    wanted: Option<Marks>,
    /// The `memory.max` in force.
    max: Arc<AtomicU64>,
    wished: Instant,
    // Unbounded, but the thread takes all that waits at once and keeps the newest.
    wishes: Sender<Marks>,
    epoll: OwnedFd,
    events: OwnedFd,
    freezer: OwnedFd,
    stopped: bool,
}

impl Limits {
    /// Begins to watch; nothing is limited until [`Self::set`].
    pub(super) fn new(path: &Path, dir: BorrowedFd<'_>) -> io::Result<Self> {
        // A run that swaps would be slow and its readings wrong. Without swap it isn't there.
        let _ = files::write(dir, "memory.swap.max", "0");
        let (wishes, wanted) = channel::<Marks>();
        let max = Arc::new(AtomicU64::new(NONE));
        let mover = Mover {
            high: files::open_write(dir, "memory.high")?,
            max: files::open_write(dir, "memory.max")?,
            reader: GroupV2::open(path).map_err(super::into_io)?,
            in_force: Arc::clone(&max),
        };
        std::thread::Builder::new()
            .name("limits".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                while let Ok(first) = wanted.recv() {
                    let newest = wanted.try_iter().last().unwrap_or(first);
                    // What was refused is wished for again at a later reading.
                    let _ = mover.set(newest);
                }
            })?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let events = files::open_read(dir, "memory.events")?;
        let data = epoll::EventData::new_u64(0);
        // Files of groups are always readable; that something changed is told so.
        epoll::add(&epoll, &events, data, epoll::EventFlags::PRI)?;
        let limits = Self {
            wanted: None,
            max,
            wished: Instant::now(),
            wishes,
            epoll,
            events,
            freezer: files::open_write(dir, "cgroup.freeze")?,
            stopped: false,
        };
        limits.clear();
        Ok(limits)
    }

    /// Readable since something happened in the group, until [`Self::clear`].
    pub(super) fn breach(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Makes the descriptor unreadable until the next event.
    pub(super) fn clear(&self) {
        let mut buffer = [0; 512];
        // Reading from its start is what takes the event.
        let _ = files::read_kept(self.events.as_fd(), &mut buffer);
    }

    /// Moves both soon.
    pub(super) fn set(&mut self, marks: Marks) -> io::Result<()> {
        self.wanted = Some(marks);
        self.wish(marks)
    }

    /// Takes a reading (without file cache): sees to it that nobody meets `memory.max`, and that
    /// limits which could not be lowered are tried again. Tells whether everything is stopped.
    pub(super) fn on_reading(&mut self, used: u64) -> bool {
        let max = self.max.load(Ordering::Acquire);
        if let Some(wanted) = self.wanted
            && wanted.max != max
            && (wanted.max > max || may_be_lowered(used, wanted.max))
            && self.wished.elapsed() >= AGAIN
        {
            let _ = self.wish(wanted);
        }
        if max != NONE && used.saturating_add(WALL) >= max {
            self.stopped = self.freeze(true) || self.stopped;
        } else if self.stopped && (max == NONE || used.saturating_add(WALL_LEFT) < max) {
            self.let_go_on();
        }
        self.stopped
    }

    /// Nothing may be born in what is stopped: it would never become its program.
    pub(super) fn let_go_on(&mut self) {
        if self.stopped {
            self.stopped = !self.freeze(false);
        }
    }

    fn freeze(&self, stopped: bool) -> bool {
        let word: &[u8] = if stopped { b"1" } else { b"0" };
        rustix::io::write(&self.freezer, word).is_ok()
    }

    fn wish(&mut self, marks: Marks) -> io::Result<()> {
        self.wished = Instant::now();
        self.wishes
            .send(marks)
            .map_err(|_| io::Error::other("the thread that moves the limits is gone"))
    }
}

/// Whether the kernel would find the room for a lower `memory.max` without killing.
fn may_be_lowered(used: u64, max: u64) -> bool {
    used.saturating_add(NO_KILL) <= max
}

struct Mover {
    high: OwnedFd,
    max: OwnedFd,
    reader: GroupV2,
    in_force: Arc<AtomicU64>,
}

impl Mover {
    fn set(&self, marks: Marks) -> io::Result<()> {
        // First, so that file cache is given back to it and not to the limit that kills.
        rustix::io::write(&self.high, marks.high.to_string().as_bytes())?;
        let usage = self.reader.usage_bytes().map_err(super::into_io)?;
        let cache = self.reader.file_cache_bytes().map_err(super::into_io)?;
        let raises = marks.max >= self.in_force.load(Ordering::Acquire);
        if raises || may_be_lowered(usage.saturating_sub(cache), marks.max) {
            rustix::io::write(&self.max, marks.max.to_string().as_bytes())?;
            self.in_force.store(marks.max, Ordering::Release);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_slowed_down_before_the_last_line() {
        let small = Marks::new(100 * MIB, 92 * MIB);
        assert_eq!((small.high, small.max), (92 * MIB, 100 * MIB));
        let large = Marks::new(4000 * MIB, 3992 * MIB);
        assert_eq!(large.high, 3900 * MIB);
        assert_eq!(Marks::new(0, 0), Marks { high: 0, max: 0 });
    }

    #[test]
    fn the_last_line_never_falls_on_what_is_in_use() {
        assert!(may_be_lowered(92 * MIB, 100 * MIB));
        assert!(!may_be_lowered(93 * MIB, 100 * MIB));
        assert!(!may_be_lowered(u64::MAX, 100 * MIB));
    }
}
