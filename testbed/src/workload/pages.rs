//! Memory that the kernel really hands out and really takes back.
//!
//! An allocator may keep what is freed; a mapping of one's own goes back at once, so that curves
//! that fall do fall.

use std::fs::File;
use std::io;
use std::ptr;

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

const PAGE: usize = 4096;

/// A mapping whose every page has been written to.
#[derive(Debug)]
pub(super) struct Pages {
    start: *mut std::ffi::c_void,
    length: usize,
}

impl Pages {
    /// Maps this many bytes and touches each page.
    ///
    /// # Errors
    /// [`io::ErrorKind::OutOfMemory`] when the kernel refuses the mapping.
    pub(super) fn touched(length: usize) -> io::Result<Self> {
        // SAFETY: the kernel picks an address where nothing of ours is mapped.
        let start = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }
        .map_err(|error| match io::Error::from(error) {
            refused if error == rustix::io::Errno::NOMEM => {
                io::Error::new(io::ErrorKind::OutOfMemory, refused)
            }
            other => other,
        })?;
        let pages = Self { start, length };
        for offset in (0..length).step_by(PAGE) {
            // SAFETY: `offset` lies inside the mapping, which is writable and ours alone.
            unsafe { start.cast::<u8>().add(offset).write_volatile(1) };
        }
        Ok(pages)
    }
}

impl Pages {
    /// Maps this many bytes of a file, shared with whoever else maps it, and touches each page.
    ///
    /// # Errors
    /// When the kernel refuses the mapping. The file must be at least so long.
    pub(super) fn shared(file: &File, length: usize) -> io::Result<Self> {
        if file.metadata()?.len() < length as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: the kernel picks an address where nothing of ours is mapped.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let pages = Self { start, length };
        for offset in (0..length).step_by(PAGE) {
            // SAFETY: `offset` lies inside the mapping, which is writable; the file is as long,
            // and nobody shortens it.
            unsafe { start.cast::<u8>().add(offset).write_volatile(1) };
        }
        Ok(pages)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nothing points into it once this value is gone.
        let _cannot_fail = unsafe { munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_out_of_memory() {
        let error = Pages::touched(usize::MAX & !(PAGE - 1)).expect_err("more than there is");
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }
}
