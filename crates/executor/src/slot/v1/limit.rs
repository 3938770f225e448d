//! The run's hard limit, and the events that tell that it comes near.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, epoll, eventfd};

use super::files;
use super::threshold::Threshold;

/// Limit and threshold of one memory group of v1.
#[derive(Debug)]
pub(crate) struct Limits {
    dir: OwnedFd,
    epoll: OwnedFd,
    /// Fires when tasks begin to wait because the limit is reached.
    full: OwnedFd,
    threshold: Threshold,
    hard: Option<u64>,
    has_swap_limit: bool,
}

impl Limits {
    /// Makes the group's tasks wait at its limit in place of being killed, and begins to watch.
    pub(crate) fn new(dir: BorrowedFd<'_>) -> io::Result<Self> {
        files::write(dir, "memory.oom_control", "1")?;
        // What is given back is file cache and not the tasks' own memory. Groups made below
        // inherit this. Where there is no swap it doesn't matter.
        let _ = files::write(dir, "memory.swappiness", "0");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let full = new_eventfd()?;
        let oom_control = files::open_read(dir, "memory.oom_control")?;
        files::write(
            dir,
            "cgroup.event_control",
            &format!("{} {}", full.as_raw_fd(), oom_control.as_raw_fd()),
        )?;
        watch(&epoll, &full)?;
        Ok(Self {
            has_swap_limit: files::open_read(dir, "memory.memsw.limit_in_bytes").is_ok(),
            threshold: Threshold::start(dir, &epoll)?,
            dir: dir.try_clone_to_owned()?,
            epoll,
            full,
            hard: None,
        })
    }

    /// Readable since the threshold was passed or the limit was hit, until [`Self::clear`].
    pub(crate) fn breach(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// Makes the descriptor unreadable until the next event.
    pub(crate) fn clear(&self) {
        let mut count = [0; 8];
        // That there is nothing to read is what is wanted.
        let _ = rustix::io::read(&self.full, &mut count);
        self.threshold.clear();
    }

    /// Whether so much use, without file cache, is so near the hard limit that a system call may
    /// have been refused memory since the last look.
    pub(crate) fn refuses_at(&self, used_bytes: u64) -> bool {
        self.hard.is_some_and(|hard| is_at_limit(used_bytes, hard))
    }

    /// Moves both; the threshold a few milliseconds later, and also where the system refuses
    /// the limit.
    pub(crate) fn set(&mut self, hard_bytes: u64, threshold_bytes: u64) -> io::Result<()> {
        self.threshold.set(threshold_bytes)?;
        if self.hard == Some(hard_bytes) {
            return Ok(());
        }
        // The limit of memory and swap together may never be below that of memory alone.
        let lowers = self.hard.is_some_and(|before| hard_bytes < before);
        let text = hard_bytes.to_string();
        let mut files = ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes"];
        if lowers || self.hard.is_none() {
            files.reverse();
        }
        for file in files {
            if self.has_swap_limit || file == "memory.limit_in_bytes" {
                files::write(&self.dir, file, &text)?;
            }
        }
        self.hard = Some(hard_bytes);
        Ok(())
    }
}

/// So near its limit a group may have been full a moment before: memory is touched at up to 2 MiB
/// a millisecond, and what was full is looked at again within one. A system call that is refused
/// leaves no trace: only a page fault that waits counts as the group being out of memory.
const AT_LIMIT: u64 = 2 << 20;

fn is_at_limit(used_bytes: u64, hard_bytes: u64) -> bool {
    used_bytes.saturating_add(AT_LIMIT) >= hard_bytes
}

pub(super) fn new_eventfd() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

pub(super) fn watch(epoll: &OwnedFd, fd: &OwnedFd) -> io::Result<()> {
    let data = epoll::EventData::new_u64(0);
    Ok(epoll::add(epoll, fd, data, epoll::EventFlags::IN)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As seen: a read was refused memory while 0.7 MiB were free, and nothing was under_oom.
    #[test]
    fn a_call_may_be_refused_just_below_the_limit() {
        assert!(is_at_limit(413_147_136, 413_917_184));
        assert!(is_at_limit(413_917_184, 413_917_184));
        // The brake's own distance from the limit is no shortage.
        assert!(!is_at_limit(413_917_184 - (8 << 20), 413_917_184));
        assert!(!is_at_limit(0, 413_917_184));
        assert!(is_at_limit(u64::MAX, u64::MAX));
    }
}
