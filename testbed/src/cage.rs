//! A small machine: a memory group (cgroup v1) with a limit, made below our own group.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::kills::field;
use crate::survivors::kill;

/// The environment variable that makes a missing cage a test's failure.
pub const REQUIRED: &str = "SAFERUN_REQUIRE_CAGE";

/// Why there is no cage. Shown as `skipped: …`, which is what a test prints when it returns early.
#[derive(Debug, thiserror::Error)]
pub enum CageError {
    /// This machine has no memory group of version 1 that we are in.
    #[error("skipped: no cgroup v1 memory controller here ({0})")]
    NoController(String),
    /// There is one, but we may not make or set groups below it.
    #[error("skipped: can't make a memory group at {path}: {cause}")]
    Refused {
        /// The group or the file of it that was refused.
        path: PathBuf,
        /// What the kernel said.
        cause: io::Error,
    },
}

/// A memory group with a limit. When it is dropped, everything in it is killed and it is removed.
#[derive(Debug)]
pub struct Cage {
    path: PathBuf,
    limit: u64,
}

impl Cage {
    /// Makes a group with this limit below our own group.
    ///
    /// # Errors
    /// [`CageError`] when the machine has no such groups or we may not make them.
    pub fn new(name: &str, limit_bytes: u64) -> Result<Self, CageError> {
        let own = own_group()?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let own_id = std::process::id();
        let path = own.join(format!("saferun-cage-{name}-{own_id}-{count}"));
        let refused = |path: &Path| {
            let path = path.to_owned();
            move |cause| CageError::Refused { path, cause }
        };
        fs::create_dir(&path).map_err(refused(&path))?;
        // From here on the drop removes the group, whatever else fails.
        let cage = Self {
            path,
            limit: limit_bytes,
        };
        // Older kernels count a child's memory at its parent only when told to.
        let hierarchy = cage.path.join("memory.use_hierarchy");
        if fs::read_to_string(&hierarchy).is_ok_and(|text| text.trim() == "0") {
            fs::write(&hierarchy, "1").map_err(refused(&hierarchy))?;
        }
        let limit = cage.path.join("memory.limit_in_bytes");
        fs::write(&limit, limit_bytes.to_string()).map_err(refused(&limit))?;
        // A cage that leaks into swap is no small machine; the file is absent without swap.
        let _absent = fs::write(
            cage.path.join("memory.memsw.limit_in_bytes"),
            limit_bytes.to_string(),
        );
        Ok(cage)
    }

    /// A cage for a test: where there can be none, the reason is printed and the test returns.
    ///
    /// # Panics
    /// When there can be none and [`REQUIRED`] is set, so that one place skips nothing unseen.
    #[must_use]
    pub fn for_test(name: &str, limit_bytes: u64) -> Option<Self> {
        match Self::new(name, limit_bytes) {
            Ok(cage) => Some(cage),
            Err(reason) => {
                let required = std::env::var_os(REQUIRED).is_some();
                assert!(!required, "{REQUIRED} is set, yet {reason}");
                eprintln!("{reason}");
                None
            }
        }
    }

    /// The directory of the group.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// A command that joins the cage before it becomes `program`. Add arguments, environment and
    /// descriptors as to any other command; its process id is that of the program.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ > "$0" || exit 125; exec "$@""#])
            .arg(self.path.join("cgroup.procs"))
            .arg(program);
        command
    }

    /// The most bytes that were in use at once since the last [`Cage::reset_peak`].
    ///
    /// # Errors
    /// When the kernel's file can't be read.
    pub fn peak(&self) -> io::Result<u64> {
        self.number("memory.max_usage_in_bytes")
    }

    /// The bytes in use now, file cache included.
    ///
    /// # Errors
    /// When the kernel's file can't be read.
    pub fn usage(&self) -> io::Result<u64> {
        self.number("memory.usage_in_bytes")
    }

    /// Gives back the file cache that is charged here and starts the peak anew.
    ///
    /// # Errors
    /// When the kernel's file can't be written.
    pub fn reset_peak(&self) -> io::Result<()> {
        // Reclaim is best effort: some of it may be busy.
        let _busy = fs::write(self.path.join("memory.force_empty"), "0");
        fs::write(self.path.join("memory.max_usage_in_bytes"), "0")
    }

    /// The kernel's kills of processes directly in this group. Groups below count their own and
    /// take the count along when they go; [`crate::kills::kernel_kills`] misses none.
    ///
    /// # Errors
    /// When the kernel's file can't be read.
    pub fn local_kills(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.path.join("memory.oom_control"))?;
        field(&text, "oom_kill").ok_or_else(|| io::Error::other("memory.oom_control: no oom_kill"))
    }

    /// The process ids in the cage and in every group below it.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let mut groups = self.groups();
        groups.push(self.path.clone());
        groups
            .iter()
            .filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok())
            .flat_map(|text| {
                text.lines()
                    .filter_map(|line| line.trim().parse().ok())
                    .collect::<Vec<u32>>()
            })
            .collect()
    }

    /// The groups below the cage, the deepest first.
    #[must_use]
    pub fn groups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect_below(&self.path, &mut found);
        found
    }

    /// Kills everything in the cage, for as long as there is something, at most 5 s.
    pub fn kill_all(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let processes = self.processes();
            if processes.is_empty() || Instant::now() >= deadline {
                return;
            }
            processes.into_iter().for_each(kill);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn number(&self, file: &str) -> io::Result<u64> {
        let text = fs::read_to_string(self.path.join(file))?;
        text.trim()
            .parse()
            .map_err(|_| io::Error::other(format!("{file} holds no number: {text:?}")))
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        self.kill_all();
        let deadline = Instant::now() + Duration::from_secs(2);
        // The kernel refuses for a moment after the last process has gone.
        loop {
            for group in self.groups() {
                let _retried = fs::remove_dir(group);
            }
            match fs::remove_dir(&self.path) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return,
                Err(error) if Instant::now() >= deadline => {
                    eprintln!("the cage {} stays: {error}", self.path.display());
                    return;
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

fn collect_below(path: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect_below(&entry.path(), found);
            found.push(entry.path());
        }
    }
}

/// The directory of the v1 memory group that this process is in.
fn own_group() -> Result<PathBuf, CageError> {
    let missing = |what: &str| CageError::NoController(what.to_owned());
    let cgroup = fs::read_to_string("/proc/self/cgroup")
        .map_err(|error| CageError::NoController(format!("/proc/self/cgroup: {error}")))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| CageError::NoController(format!("/proc/self/mountinfo: {error}")))?;
    let own =
        memory_path(&cgroup).ok_or_else(|| missing("/proc/self/cgroup names no memory group"))?;
    let (root, mount) =
        memory_mount(&mounts).ok_or_else(|| missing("no memory hierarchy is mounted"))?;
    let below = Path::new(own)
        .strip_prefix(root)
        .map_err(|_| missing("our own group lies outside of what is mounted"))?;
    let path = Path::new(mount).join(below);
    if path.is_dir() {
        Ok(path)
    } else {
        Err(CageError::NoController(format!(
            "our own group {} is not visible",
            path.display()
        )))
    }
}

/// The path of the memory group in a `/proc/PID/cgroup`.
fn memory_path(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        let path = parts.next()?;
        controllers
            .split(',')
            .any(|name| name == "memory")
            .then_some(path)
    })
}

/// The root and the mount point of the v1 memory hierarchy in a `/proc/PID/mountinfo`.
fn memory_mount(mountinfo: &str) -> Option<(&str, &str)> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut filesystem = filesystem.split(' ');
        let is_v1 = filesystem.next()? == "cgroup";
        let options = filesystem.nth(1)?;
        let is_memory = is_v1 && options.split(',').any(|name| name == "memory");
        let mut fields = mount.split(' ').skip(3);
        let found = (fields.next()?, fields.next()?);
        is_memory.then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::MIB;

    #[test]
    fn the_memory_group_is_found_among_the_others() {
        let cgroup = "9:name=systemd:/x\n4:cpu,memory:/a/b:c\n0::/\n";
        assert_eq!(memory_path(cgroup), Some("/a/b:c"));
        assert_eq!(memory_path("0::/user.slice\n"), None);
        let mounts = "30 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      31 25 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n";
        assert_eq!(memory_mount(mounts), Some(("/", "/sys/fs/cgroup/memory")));
    }

    #[test]
    fn a_hog_that_outgrows_its_cage_is_killed_and_counted() {
        let Some(cage) = Cage::for_test("unit", 16 * MIB) else {
            return;
        };
        let before = crate::kills::kernel_kills().expect("a count");
        // `tail` keeps the one endless line that it reads.
        let status = cage
            .command("sh")
            .args(["-c", "tail /dev/zero"])
            .stderr(std::process::Stdio::null())
            .status()
            .expect("sh runs");
        assert!(!status.success());
        assert!(cage.local_kills().expect("a count") >= 1);
        assert!(crate::kills::kernel_kills().expect("a count") > before);
        assert!(cage.peak().expect("a peak") <= 16 * MIB);
    }

    #[test]
    fn a_cage_holds_its_command_and_goes_with_what_is_in_it() {
        let Some(cage) = Cage::for_test("unit", 64 * MIB) else {
            return;
        };
        let path = cage.path().to_owned();
        fs::create_dir(path.join("saferun-below")).expect("a group below");
        let mut child = cage.command("sleep").arg("60").spawn().expect("sh runs");
        let deadline = Instant::now() + Duration::from_secs(5);
        while !cage.processes().contains(&child.id()) {
            assert!(Instant::now() < deadline, "the child never joined");
            thread::sleep(Duration::from_millis(2));
        }
        assert!(cage.peak().expect("a peak") > 0);
        assert_eq!(cage.local_kills().expect("a count"), 0);
        let reaper = thread::spawn(move || child.wait().expect("a status"));
        drop(cage);
        assert!(!reaper.join().expect("no panic").success());
        assert!(!path.exists());
    }
}
