//! The use at which we want to be woken, moved off the caller's path.
//!
//! The kernel waits for all cores whenever a threshold is set (8 to 40 ms were measured), so a
//! thread does it. And it forgets a threshold only when the last descriptor of its eventfd is
//! closed: each move takes a new eventfd, and whoever waits does so on an epoll descriptor around
//! it, which stays the same.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::files;
use super::limit::{new_eventfd, watch};

/// The threshold of one memory group of v1.
#[derive(Debug)]
pub(super) struct Threshold {
    wanted: Option<u64>,
    // Unbounded, but the thread takes all that waits at once and keeps the newest.
    wishes: Sender<u64>,
    current: Arc<Mutex<Option<OwnedFd>>>,
}

impl Threshold {
    /// Begins; nothing is watched until [`Self::set`].
    pub(super) fn start(dir: BorrowedFd<'_>, epoll: &OwnedFd) -> io::Result<Self> {
        let (wishes, wanted) = channel();
        let current = Arc::new(Mutex::new(None));
        let mover = Mover {
            control: files::open_write(dir, "cgroup.event_control")?,
            usage: files::open_read(dir, "memory.usage_in_bytes")?,
            epoll: epoll.try_clone()?,
            current: Arc::clone(&current),
        };
        std::thread::Builder::new()
            .name("threshold".into())
            .stack_size(64 * 1024)
            .spawn(move || {
                while let Ok(first) = wanted.recv() {
                    let newest = wanted.try_iter().last().unwrap_or(first);
                    // Without it the run is still read at intervals; the next move tries again.
                    let _ = mover.set(newest);
                }
            })?;
        Ok(Self {
            wanted: None,
            wishes,
            current,
        })
    }

    /// Moves it soon.
    pub(super) fn set(&mut self, bytes: u64) -> io::Result<()> {
        if self.wanted == Some(bytes) {
            return Ok(());
        }
        self.wanted = Some(bytes);
        self.wishes
            .send(bytes)
            .map_err(|_| io::Error::other("the thread that moves the threshold is gone"))
    }

    /// Forgets that it was passed.
    pub(super) fn clear(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fd) = &*current {
            // That there is nothing to read is what is wanted.
            let _ = rustix::io::read(fd, &mut [0; 8]);
        }
    }
}

struct Mover {
    control: OwnedFd,
    usage: OwnedFd,
    epoll: OwnedFd,
    current: Arc<Mutex<Option<OwnedFd>>>,
}

impl Mover {
    fn set(&self, bytes: u64) -> io::Result<()> {
        let fd = new_eventfd()?;
        watch(&self.epoll, &fd)?;
        let line = format!("{} {} {bytes}", fd.as_raw_fd(), self.usage.as_raw_fd());
        rustix::io::write(self.control.as_fd(), line.as_bytes())?;
        let before = {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            current.replace(fd)
        };
        // Closed last and outside the lock, so that one of the two watches at any moment.
        drop(before);
        Ok(())
    }
}
