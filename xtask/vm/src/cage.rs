//! A small machine within the machine: a group of cgroup v2 with a limit.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the groups are.
pub(crate) const ROOT: &str = "/sys/fs/cgroup";

/// A group with a limit, in which one program is started. When it is dropped, everything in it
/// is killed and it is removed.
#[derive(Debug)]
pub(crate) struct Cage {
    path: PathBuf,
}

impl Cage {
    /// Makes one below the root; `owner` may make groups in it, but not change its limits.
    pub(crate) fn new(limit: u64, owner: Option<u32>) -> io::Result<Self> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = Path::new(ROOT).join(format!("cage-{count}"));
        fs::create_dir(&path)?;
        let cage = Self { path };
        fs::write(cage.path.join("memory.max"), limit.to_string())?;
        // Without swap it isn't there; a cage that leaks into it is no small machine.
        let _absent = fs::write(cage.path.join("memory.swap.max"), "0");
        if let Some(owner) = owner {
            // What delegation hands over, by Documentation/admin-guide/cgroup-v2.rst.
            for file in [
                "",
                "cgroup.procs",
                "cgroup.subtree_control",
                "cgroup.threads",
            ] {
                chown(cage.path.join(file), Some(owner), Some(owner))?;
            }
        }
        Ok(cage)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The most that was ever in use, in bytes, file cache included.
    pub(crate) fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join("memory.peak")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    /// What has been changed in it and not put back, in words; empty if nothing.
    pub(crate) fn traces(&self) -> String {
        self.traces_after(Duration::from_secs(3)).join(", ")
    }

    /// The same after as long as that, each by itself.
    pub(crate) fn traces_after(&self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            let handed =
                fs::read_to_string(self.path.join("cgroup.subtree_control")).unwrap_or_default();
            let mut traces: Vec<String> = groups_below(&self.path)
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            if !handed.trim().is_empty() {
                traces.push(format!("hands down {}", handed.trim()));
            }
            if traces.is_empty() || Instant::now() > deadline {
                return traces;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(3);
        while keyed(&self.path.join("cgroup.events"), "populated") != 0 && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        for group in groups_below(&self.path) {
            let _ = fs::remove_dir(group);
        }
        let _ = fs::remove_dir(&self.path);
    }
}

/// The groups below one, the deepest first.
pub(crate) fn groups_below(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(groups_below(&entry.path()));
            found.push(entry.path());
        }
    }
    found
}

pub(crate) fn keyed(path: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim().parse().ok())
        .unwrap_or(0)
}
