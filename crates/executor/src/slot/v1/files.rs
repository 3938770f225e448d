//! The small files of control groups.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Opens a group's directory.
pub(crate) fn open_dir(at: impl AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

/// Opens a group's file for writing.
pub(crate) fn open_write(dir: impl AsFd, file: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, file, flags, Mode::empty())?)
}

/// Opens a group's file for reading.
pub(crate) fn open_read(dir: impl AsFd, file: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, file, flags, Mode::empty())?)
}

/// Writes one value into a group's file.
pub(crate) fn write(dir: impl AsFd, file: &str, value: &str) -> io::Result<()> {
    let fd = open_write(dir, file)?;
    rustix::io::write(&fd, value.as_bytes())?;
    Ok(())
}

/// Reads a kept file from its start. Enough for the short ones, which the kernel makes in one
/// piece.
pub(crate) fn read_kept<'b>(fd: BorrowedFd<'_>, buffer: &'b mut [u8]) -> io::Result<&'b str> {
    let count = loop {
        match rustix::io::pread(fd, &mut *buffer, 0) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    std::str::from_utf8(&buffer[..count]).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// The number that follows `key ` on a line of its own.
pub(crate) fn keyed(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

/// The processes of a group itself, without the groups below it. Never ourselves, whatever
/// the system lists: what stands here is signalled and killed.
///
/// The file is opened anew each time: in cgroup v1 the list that a descriptor shows is made
/// when it is first read and then kept for a second.
pub(crate) fn procs(dir: impl AsFd) -> io::Result<Vec<i32>> {
    let fd = open_read(dir, "cgroup.procs")?;
    let mut text = Vec::new();
    let mut block = [0; 4096];
    loop {
        match rustix::io::read(&fd, &mut block) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&block[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let own = rustix::process::getpid().as_raw_nonzero().get();
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.trim().parse().ok())
        .filter(|pid| *pid != own)
        .collect())
}

/// The names of the groups right below a group.
pub(crate) fn children(dir: impl AsFd) -> io::Result<Vec<std::ffi::CString>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type() == rustix::fs::FileType::Directory
            && !name.to_bytes().starts_with(b".")
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Whether the error only says that the group or process is gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NODEV | Errno::SRCH)
    )
}
