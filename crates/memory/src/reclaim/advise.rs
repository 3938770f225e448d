//! `process_madvise(2)`, for which there is no safe wrapper.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use crate::process::ProcessId;
use crate::roots::Roots;

/// The kernel takes so many ranges at once (`UIO_MAXIOV`).
const AT_ONCE: usize = 1024;

/// Whether the kernel has the call and we may use it on ourselves, with no range at all.
pub(super) fn probe() -> io::Result<()> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    advise(&own, &[]).map(|_| ())
}

/// Asks the kernel to page out all private memory of exactly this process; how many bytes it
/// took on.
pub(super) fn page_out(id: ProcessId, roots: &Roots) -> io::Result<u64> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    let pid = i32::try_from(id.pid).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.ok_or_else(gone)?, PidfdFlags::empty())?;
    // Through the descriptor it can't be mistaken for another from here on.
    if ProcessId::read(roots, id.pid).map_err(io::Error::other)? != Some(id) {
        return Err(gone());
    }
    let maps = std::fs::read_to_string(roots.proc.join(format!("{}/maps", id.pid)))?;
    let ranges: Vec<(u64, u64)> = maps.lines().filter_map(private_range).collect();
    let mut sum = 0_u64;
    for some in ranges.chunks(AT_ONCE) {
        sum = sum.saturating_add(advise(&pidfd, some)?);
    }
    Ok(sum)
}

/// The range of a line of `/proc/PID/maps` that is writable and private: `55d0-55d1 rw-p …`.
fn private_range(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    if words.next()? != "rw-p" {
        return None;
    }
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    end.checked_sub(start).map(|length| (start, length))
}

/// `process_madvise(pidfd, ranges, MADV_PAGEOUT, 0)`.
fn advise(pidfd: &OwnedFd, ranges: &[(u64, u64)]) -> io::Result<u64> {
    let vectors: Vec<libc::iovec> = ranges
        .iter()
        .map(|&(start, length)| libc::iovec {
            iov_base: start as *mut libc::c_void,
            iov_len: length as usize,
        })
        .collect();
    // SAFETY: the kernel reads `vectors.len()` structures from `vectors`, which lives until the
    // call is over. The addresses in them are another process's, never used in ours; the advice
    // moves pages to swap and changes no contents.
    let result = unsafe {
        libc::syscall(
            libc::SYS_process_madvise,
            pidfd.as_raw_fd(),
            vectors.as_ptr(),
            vectors.len(),
            libc::MADV_PAGEOUT,
            0,
        )
    };
    u64::try_from(result).map_err(|_| {
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::ENOSYS) => io::ErrorKind::Unsupported.into(),
            _ => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_asked_for_by_its_descriptor_alone() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("sleep runs");
        let roots = Roots::default();
        let id = ProcessId::read(&roots, child.id()).expect("readable");
        let id = id.expect("it lives");
        let result = page_out(id, &roots);
        let other = ProcessId {
            start_ticks: id.start_ticks + 1,
            ..id
        };
        let mistaken = page_out(other, &roots);
        child.kill().expect("it lives");
        child.wait().expect("a status");
        match result {
            Ok(bytes) => assert!(bytes > 0),
            // Without CAP_SYS_NICE, or before Linux 5.10.
            Err(error) => eprintln!("skipped: {error}"),
        }
        let mistaken = mistaken.expect_err("it is another process");
        assert_eq!(mistaken.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_private_memory_is_paged_out() {
        assert_eq!(
            private_range("1000-3000 rw-p 0 00:00 0 [heap]"),
            Some((0x1000, 0x2000))
        );
        for line in [
            "",
            "1000-3000 r-xp 0",
            "1000-3000 rw-s 0",
            "x-y rw-p",
            "3000-1000 rw-p",
        ] {
            assert_eq!(private_range(line), None, "{line}");
        }
    }
}
