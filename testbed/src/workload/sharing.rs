//! Memory that several processes map at once.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use super::family::Again;
use super::pages::Pages;
use crate::size::MIB;

/// So many steps of growth.
const STEPS: u32 = 16;

/// Grows a piece of shared memory over the first half of `time`, 1/16 at a time, and holds it for
/// the second together with `members` other processes that map all of it.
pub(super) fn share(again: &Again, members: u32, size: u64, time: Duration) -> io::Result<()> {
    let file = File::from(memfd_create("workload", MemfdFlags::CLOEXEC)?);
    let length = usize::try_from(size.max(MIB)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    file.set_len(length as u64)?;
    let mut held = None;
    for step in 1..=STEPS {
        thread::sleep(time / 2 / STEPS);
        // What was touched before is found there again; only the rest is new.
        held = Some(Pages::shared(
            &file,
            length / STEPS as usize * step as usize,
        )?);
    }
    let path = PathBuf::from(format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        file.as_raw_fd()
    ));
    let mut children = (0..members)
        .map(|_| again.attach(&path, time / 2))
        .collect::<io::Result<Vec<_>>>()?;
    for child in &mut children {
        if !child.wait()?.success() {
            return Err(io::Error::other("a process that shares the memory failed"));
        }
    }
    drop(held);
    Ok(())
}

/// Maps all of what another process shares and keeps it for a while.
pub(super) fn attach(path: &Path, time: Duration) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let _held = Pages::shared(&file, length)?;
    thread::sleep(time);
    Ok(())
}
