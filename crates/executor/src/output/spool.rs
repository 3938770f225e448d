//! Where captured output goes that is too large for memory: unlinked files, never on a file
//! system that lies in memory itself.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h.
#[cfg(target_os = "linux")]
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// An empty file without a name, for what is too large to be kept in memory: it lies on no file
/// system that is memory itself, and is gone with its last descriptor.
///
/// # Errors
///
/// There is no place for one.
pub fn spool_file() -> io::Result<File> {
    Spool::find()?.file()
}

/// A directory for spool files.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    directory: PathBuf,
}

impl Spool {
    /// Takes the first place that can be written and doesn't lie in memory: `TMPDIR`, `/var/tmp`,
    /// the user's cache directory, `/tmp`, the working directory.
    ///
    /// # Errors
    ///
    /// There is none.
    pub(crate) fn find() -> io::Result<Self> {
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let candidates = [
            variable("TMPDIR"),
            Some(PathBuf::from("/var/tmp")),
            variable("XDG_CACHE_HOME"),
            variable("HOME").map(|home| home.join(".cache")),
            Some(std::env::temp_dir()),
            std::env::current_dir().ok(),
        ];
        let mut last = io::Error::other("no directory for spool files");
        for directory in candidates.into_iter().flatten() {
            if lies_in_memory(&directory) {
                continue;
            }
            let spool = Self { directory };
            match spool.file() {
                Ok(_) => return Ok(spool),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// A new file that nobody else can name.
    ///
    /// # Errors
    ///
    /// The system refused.
    pub(crate) fn file(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        #[cfg(target_os = "linux")]
        if let Ok(fd) = rustix::fs::open(
            &self.directory,
            flags | OFlags::TMPFILE,
            Mode::RUSR | Mode::WUSR,
        ) {
            return Ok(File::from(fd));
        }
        // Where the file system has no unnamed files: a name for a moment.
        for attempt in 0..64u32 {
            let name = format!(".saferun-spool-{}-{attempt}", std::process::id());
            let path = self.directory.join(name);
            match rustix::fs::open(
                &path,
                flags | OFlags::CREATE | OFlags::EXCL,
                Mode::RUSR | Mode::WUSR,
            ) {
                Ok(fd) => {
                    std::fs::remove_file(&path)?;
                    return Ok(File::from(fd));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(target_os = "linux")]
fn lies_in_memory(directory: &Path) -> bool {
    rustix::fs::statfs(directory)
        .is_ok_and(|fs| IN_MEMORY.contains(&(fs.f_type.cast_unsigned() & 0xffff_ffff)))
}

#[cfg(not(target_os = "linux"))]
fn lies_in_memory(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spool_never_lies_in_memory() {
        let spool = Spool::find().expect("some directory can be written");
        assert!(!lies_in_memory(&spool.directory), "{spool:?}");
        spool.file().expect("a file can be made");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_system_in_memory_is_seen() {
        if Path::new("/dev/shm").is_dir() {
            assert!(lies_in_memory(Path::new("/dev/shm")));
        } else {
            println!("skipped: no /dev/shm");
        }
    }
}
