//! Large files in file systems that lie in memory.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::ReadError;
use crate::kept::slurp;
use crate::mounts::unescape;
use crate::roots::Roots;

/// How long is looked, and at how many files at most.
const PATIENCE: Duration = Duration::from_millis(40);
const MOST_FILES: usize = 20_000;

/// A file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsFile {
    /// Where.
    pub path: PathBuf,
    /// The memory that it takes.
    pub bytes: u64,
    /// The user whose it is.
    pub user: u32,
}

/// What was found, and whether all was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TmpfsFiles {
    /// The files, the largest first.
    pub files: Vec<TmpfsFile>,
    /// Whether time ran out or there were too many files.
    pub cut_short: bool,
}

/// Files of at least `least_bytes` in any tmpfs that is mounted.
///
/// # Errors
/// When mounts can't be read.
pub fn tmpfs_files(least_bytes: u64, roots: &Roots) -> Result<TmpfsFiles, ReadError> {
    let deadline = Instant::now() + PATIENCE;
    let mut found = TmpfsFiles::default();
    let mut seen = BTreeSet::new();
    let mut left = MOST_FILES;
    for mount in tmpfs_mounts(roots)? {
        let Ok(metadata) = fs::metadata(&mount) else {
            continue;
        };
        let device = metadata.dev();
        let mut next = vec![mount];
        while let Some(dir) = next.pop() {
            // What we may not look into is not told of.
            let Ok(entries) = fs::read_dir(&dir) else {
                continue;
            };
            for entry in entries.flatten() {
                left = left.saturating_sub(1);
                if left == 0 || Instant::now() >= deadline {
                    found.cut_short = true;
                    found.files.sort_by_key(|file| Reverse(file.bytes));
                    return Ok(found);
                }
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.dev() != device || !seen.insert((device, metadata.ino())) {
                    continue;
                }
                let bytes = metadata.blocks().saturating_mul(512);
                if metadata.is_dir() {
                    next.push(entry.path());
                } else if metadata.is_file() && bytes >= least_bytes {
                    found.files.push(TmpfsFile {
                        path: entry.path(),
                        bytes,
                        user: metadata.uid(),
                    });
                }
            }
        }
    }
    found.files.sort_by_key(|file| Reverse(file.bytes));
    Ok(found)
}

/// Where each tmpfs is mounted.
fn tmpfs_mounts(roots: &Roots) -> Result<Vec<PathBuf>, ReadError> {
    let text = slurp(&roots.proc.join("self/mountinfo"))?;
    let mounts = text.split(|&b| b == b'\n').filter_map(|line| {
        let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        let dash = words.iter().position(|word| *word == b"-")?;
        let point = words.get(4)?;
        let kind = words.get(dash + 1)?;
        (*kind == b"tmpfs").then(|| unescape(point))
    });
    Ok(mounts
        .map(|point| match point.strip_prefix(Path::new("/")) {
            Ok(relative) => roots.cgroup_base.join(relative),
            Err(_) => point,
        })
        .collect())
}
