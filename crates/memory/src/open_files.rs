//! Files that are deleted and still open: their space comes back only when whoever has them open
//! closes them or ends.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use crate::census::{Census, Process};
use crate::roots::Roots;

/// How long is looked, at the largest processes first.
const PATIENCE: Duration = Duration::from_millis(40);

/// A file that is deleted and still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedFile {
    /// What it was called.
    pub path: OsString,
    /// The space that it takes.
    pub bytes: u64,
    /// Whether that space is memory: it lies in a tmpfs, or never had a place on disk.
    pub in_memory: bool,
    /// Who has it open; several have the same file.
    pub pids: Vec<u32>,
}

/// What was found, and whether all was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeletedFiles {
    /// The files, the largest first.
    pub files: Vec<DeletedFile>,
    /// Whether time ran out before all processes that we may look at had been.
    pub cut_short: bool,
}

/// Deleted files of at least `least_bytes` that are still open in processes that we may look at.
pub fn deleted_files(census: &Census, least_bytes: u64, roots: &Roots) -> DeletedFiles {
    let deadline = Instant::now() + PATIENCE;
    let mut files: BTreeMap<(u64, u64), DeletedFile> = BTreeMap::new();
    let mut cut_short = false;
    let mut processes: Vec<&Process> = census
        .processes()
        .filter(|process| !process.zombie && !process.is_kernels())
        .collect();
    processes.sort_by_key(|process| Reverse(process.rss_bytes));
    for process in processes {
        if Instant::now() >= deadline {
            cut_short = true;
            break;
        }
        let pid = process.id.pid;
        // Others' are not for us to see.
        let Ok(entries) = fs::read_dir(roots.proc.join(format!("{pid}/fd"))) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(metadata) = fs::metadata(&path) else {
                continue;
            };
            let bytes = metadata.blocks().saturating_mul(512);
            if metadata.nlink() > 0 || !metadata.is_file() || bytes < least_bytes {
                continue;
            }
            let key = (metadata.dev(), metadata.ino());
            let file = files.entry(key).or_insert_with(|| DeletedFile {
                path: name(fs::read_link(&path).unwrap_or_default().into_os_string()),
                bytes,
                in_memory: is_in_memory(&path),
                pids: Vec::new(),
            });
            if file.pids.last() != Some(&pid) {
                file.pids.push(pid);
            }
        }
    }
    let mut files: Vec<DeletedFile> = files.into_values().collect();
    files.sort_by_key(|file| Reverse(file.bytes));
    DeletedFiles { files, cut_short }
}

fn name(link: OsString) -> OsString {
    let bytes = link.as_bytes();
    let plain = bytes.strip_suffix(b" (deleted)").unwrap_or(bytes);
    OsString::from_vec(plain.to_vec())
}

/// `TMPFS_MAGIC` (statfs(2)); what `memfd_create` makes lies in the kernel's own tmpfs.
const TMPFS: u64 = 0x0102_1994;

/// Whether a file or directory lies in memory: in a tmpfs.
pub fn is_in_memory(path: &std::path::Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|statfs| u64::try_from(statfs.f_type) == Ok(TMPFS))
}
