//! The programs that are measured and the machine that they are measured on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Failure;
use crate::workspace::{Metadata, cargo, root};

/// Memory touched for the first time since a machine booted is slow, so so much is touched first.
const WARM_UP: u64 = 3 << 30;

/// Where the measured programs lie: in a directory of their own that any user can reach, so that
/// nothing that is built meanwhile changes them.
#[derive(Debug)]
pub(crate) struct Programs {
    directory: tempfile::TempDir,
    target: PathBuf,
}

impl Programs {
    /// Takes the programs from a directory, else builds them optimised; copies them and warms the
    /// machine up.
    pub(crate) fn take(from: Option<&Path>) -> Result<Self, Failure> {
        let target = Metadata::read()?.target_directory;
        let (saferun, workload) = match from {
            Some(given) => (given.join("saferun"), given.join("workload")),
            None => {
                build()?;
                let release = target.join("release");
                (release.join("saferun"), release.join("examples/workload"))
            }
        };
        let directory = tempfile::Builder::new()
            .prefix("saferun-bench-")
            .tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        let programs = Self { directory, target };
        for (from, to) in [
            (saferun, programs.saferun()),
            (workload, programs.workload()),
        ] {
            fs::copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
        }
        programs.warm_up()?;
        Ok(programs)
    }

    /// The program that this project is about.
    pub(crate) fn saferun(&self) -> PathBuf {
        self.directory.path().join("saferun")
    }

    /// The memory-hungry workloads.
    pub(crate) fn workload(&self) -> PathBuf {
        self.directory.path().join("workload")
    }

    /// A directory that goes with the run.
    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// A directory that stays, for input that is costly to make.
    pub(super) fn kept(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.target.join("bench").join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    fn warm_up(&self) -> Result<(), Failure> {
        let bytes = WARM_UP.min(meminfo("MemAvailable:").unwrap_or(0) / 2);
        Command::new(self.workload())
            .args(["flat", "--seconds", "0", "--peak", &bytes.to_string()])
            .stdin(Stdio::null())
            .status()?;
        Ok(())
    }
}

fn build() -> Result<(), Failure> {
    let status = cargo()
        .args(["build", "--release", "--quiet", "--package", "saferun-cli"])
        .args(["--bins", "--example", "workload"])
        .current_dir(root())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err("the program could not be built".into())
    }
}

/// One line that says what machine this is.
pub(super) fn machine() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let total = meminfo("MemTotal:").unwrap_or(0) as f64 / f64::from(1 << 30);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let has = |kind: &str, option: &str| {
        mounts.lines().any(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            fields.get(2) == Some(&kind)
                && fields.get(3).is_some_and(|options| {
                    option.is_empty() || options.split(',').any(|o| o == option)
                })
        })
    };
    let groups = match (has("cgroup", "memory"), has("cgroup2", "")) {
        (true, true) => "cgroup v1 memory beside v2",
        (true, false) => "cgroup v1 memory",
        (false, true) => "cgroup v2",
        (false, false) => "no cgroups",
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    format!(
        "{cores} cores{}, {total:.1} GiB, Linux {}, {groups}, load {load} at the start",
        processor(),
        kernel.trim()
    )
}

/// What the cores call themselves, in brackets.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, name)| name.trim());
    if name.is_empty() {
        String::new()
    } else {
        format!(" ({name})")
    }
}

fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The path of an installed program.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}
