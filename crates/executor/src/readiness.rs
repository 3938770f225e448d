//! Waiting until a descriptor is readable: the one place where tokio is promised that the
//! descriptor stays what it is.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be awaited. Nothing hands out a mutable reference to it.
#[derive(Debug)]
pub(crate) struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    /// # Errors
    ///
    /// It can't be watched (a regular file), or the limit of watches is reached.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is owned, so it stays open while the watch lives, and it is
        // reachable only through shared references, so it can't be exchanged for another.
        let watch = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        Ok(Self(watch?))
    }

    /// The descriptor.
    pub(crate) fn get(&self) -> &OwnedFd {
        self.0.get_ref()
    }

    /// Waits until it is readable and calls `read`; tells nothing while `read` says that it
    /// would block. Cancel safe: nothing is awaited after `read`.
    ///
    /// # Errors
    ///
    /// Those of `read`, and of a runtime that shuts down.
    pub(crate) async fn read_with<T>(
        &self,
        mut read: impl FnMut(&OwnedFd) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(result) = ready.try_io(|fd| read(fd.get_ref())) {
                return result;
            }
        }
    }

    /// Waits until it becomes readable. What made it so is for the caller to take: the same
    /// event is told once. Cancel safe.
    ///
    /// # Errors
    ///
    /// Those of a runtime that shuts down.
    pub(crate) async fn became_readable(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
