//! A directory on a disk, gone when the demo is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{statfs, statvfs};

use crate::error::CliError;

/// What the input takes, with room for the events.
const NEEDED_BYTES: u64 = 300 << 20;

/// Kinds of file systems that live in memory: files there would take the very memory that the
/// demo is about.
const TMPFS: i64 = 0x0102_1994;
const RAMFS: i64 = 0x8584_58f6;

/// The directory.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it where there is room on a disk.
    pub(super) fn new() -> Result<Self, CliError> {
        let named = std::env::var_os("TMPDIR")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from);
        let usual = ["/var/tmp", "/tmp", "."].map(PathBuf::from);
        for parent in named.into_iter().chain(usual) {
            if !is_fit(&parent) {
                continue;
            }
            let path = parent.join(format!("saferun-demo-{}", std::process::id()));
            if fs::DirBuilder::new().mode(0o700).create(&path).is_ok() {
                // Programs are run inside it, so it must be known from everywhere.
                let path = path.canonicalize().unwrap_or(path);
                return Ok(Self { path });
            }
        }
        Err(CliError::usage(
            "no directory on a disk with 300 MiB of room was found for the demo's input",
            "TMPDIR=DIR saferun demo",
        ))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        debug_assert!(self.path.file_name().is_some_and(is_ours));
        if let Err(error) = fs::remove_dir_all(&self.path) {
            use std::io::Write;
            let path = self.path.display();
            let _ = writeln!(
                std::io::stderr(),
                "saferun: {path} can't be removed: {error}"
            );
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("saferun-demo-")
}

fn is_fit(dir: &Path) -> bool {
    let Ok(kind) = statfs(dir) else { return false };
    #[allow(
        clippy::unnecessary_cast,
        reason = "the type differs from one architecture to another"
    )]
    let in_memory = [TMPFS, RAMFS].contains(&(kind.f_type as i64));
    let room = statvfs(dir)
        .is_ok_and(|about| about.f_bavail.saturating_mul(about.f_frsize) >= NEEDED_BYTES);
    !in_memory && room
}
