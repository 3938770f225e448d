//! The guard as a child of the runner: waits until the runner is gone, then cleans up.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::slot::tree::ending;
use crate::slot::v1::files::open_dir;
use crate::slot::v1::group::{self, Hierarchy, PREFIX};
use crate::slot::v1::sweep::sweep;
use crate::slot::v2::home;
use crate::spawn::adopt;

/// What the runner writes when the run has ended well.
pub(super) const CLEAN_END: &[u8] = b"e";

/// The pipe from the runner; the groups' descriptors follow, two for each.
const PIPE: RawFd = 3;

/// How long is tried to end what a dead run has left. Far more than it takes: only a process
/// stuck in the kernel needs so long, and a later sweep meets the rest.
const DEADLINE: Duration = Duration::from_secs(30);

/// The guard's whole life. To be called first thing by the program that is its
/// [`crate::GuardProgram`], with the arguments that follow those named there. Nothing else may
/// have been opened before, as the runner leaves descriptors to it under agreed numbers.
pub fn main(args: &[OsString]) -> ExitCode {
    let Ok(keeper) = Keeper::adopt(args) else {
        // Somebody has called the hidden mode by hand.
        return ExitCode::from(2);
    };
    keeper.keep();
    ExitCode::SUCCESS
}

/// What the guard holds. The directories are locked as long as they are open.
struct Keeper {
    run: String,
    pipe: OwnedFd,
    groups: Vec<(OwnedFd, OwnedFd)>,
}

impl Keeper {
    fn adopt(args: &[OsString]) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
        let mut words = args.iter().map(|arg| arg.to_str());
        let run = words.next().flatten().ok_or_else(invalid)?.to_owned();
        let pipe = adopt(PIPE)?;
        let mut groups = Vec::new();
        for (word, number) in words.zip((PIPE + 1..).step_by(2)) {
            word.and_then(Hierarchy::from_name).ok_or_else(invalid)?;
            groups.push((adopt(number)?, adopt(number + 1)?));
        }
        Ok(Self { run, pipe, groups })
    }

    fn keep(self) {
        // The working directory may be on a file system that somebody wants to unmount.
        let _ = rustix::process::chdir("/");
        let own = format!("{PREFIX}{}", self.run);
        let sweeper = self.sweeper(&own);
        let clean = self.wait();
        if !clean {
            self.end_all(&own);
        }
        if let Some(sweeper) = sweeper {
            let _ = sweeper.join();
        }
    }

    /// Sweeps on a thread, so that the runner's end is noticed meanwhile.
    fn sweeper(&self, own: &str) -> Option<std::thread::JoinHandle<()>> {
        let parents: Vec<OwnedFd> = self
            .groups
            .iter()
            .filter_map(|(parent, _)| open_dir(parent, ".").ok())
            .collect();
        if parents.is_empty() {
            return None;
        }
        let own = own.to_owned();
        std::thread::Builder::new()
            .stack_size(128 * 1024)
            .spawn(move || {
                for parent in parents {
                    // What can't be swept now is met by a later run.
                    let _ = sweep(parent.as_fd(), &own);
                    let _ = home::tidy(parent.as_fd());
                }
            })
            .ok()
    }

    /// Waits for the runner's end; tells whether it was a clean one.
    fn wait(&self) -> bool {
        let mut byte = [0; 1];
        loop {
            match rustix::io::read(&self.pipe, &mut byte) {
                Ok(0) => return false,
                Ok(_) => return true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    fn end_all(&self, own: &str) {
        let deadline = Instant::now() + DEADLINE;
        if self.groups.is_empty() {
            if rustix::process::getpid().is_init() {
                // All that there is ends with us.
                return;
            }
            ending::end_marked(&self.run, deadline);
            return;
        }
        // All are killed before the first is waited for.
        for (_, dir) in &self.groups {
            group::kill(dir.as_fd());
        }
        for (parent, dir) in &self.groups {
            let _ = group::end(parent.as_fd(), dir.as_fd(), own, deadline);
            // Where the run has changed nothing in our own group, nothing is put back.
            let _ = home::leave(parent.as_fd(), own);
        }
    }
}
