//! One run of one command, with all that is counted about it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use saferun_testbed::kills::kernel_kills;
use saferun_testbed::survivors::Marker;

use crate::Failure;

/// What ends before this needs no looking after.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(1);

/// What one run showed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) wall: Duration,
    pub(super) status: ExitStatus,
    /// The run took longer than allowed and was killed.
    pub(super) hung: bool,
    /// Kills by the kernel meanwhile, anywhere on the machine.
    pub(super) kills: u64,
    /// Processes left behind after a second.
    pub(super) processes_left: u64,
    /// Groups of ours left behind.
    pub(super) groups_left: u64,
}

/// A command with where its input comes from, run once.
pub(super) struct Trial {
    name: String,
    command: Command,
    events: Option<PathBuf>,
    marker: Marker,
    patience: Duration,
    interval: Duration,
}

impl Trial {
    /// Output is thrown away and input is empty unless said otherwise.
    pub(super) fn new(name: impl Into<String>, mut command: Command) -> Self {
        let marker = Marker::unique();
        marker.mark(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            name: name.into(),
            command,
            events: None,
            marker,
            patience: Duration::from_secs(900),
            interval: Duration::from_secs(1),
        }
    }

    /// Takes its input from a file.
    pub(super) fn input(mut self, path: &Path) -> io::Result<Self> {
        self.command.stdin(File::open(path)?);
        Ok(self)
    }

    /// Takes its input from a pipe, which `watch` finds in the child that it is given.
    pub(super) fn piped_input(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Keeps what it prints on stdout in a file.
    pub(super) fn output(mut self, path: &Path) -> io::Result<Self> {
        self.command.stdout(File::create(path)?);
        Ok(self)
    }

    /// Keeps what it says on stderr in a file: JSON lines, or whatever a peer has to say. The
    /// groups that count as left behind are then those of the run that the lines name.
    pub(super) fn events(mut self, path: &Path) -> io::Result<Self> {
        self.command.stderr(File::create(path)?);
        self.events = Some(path.to_owned());
        Ok(self)
    }

    /// How often [`Trial::watched`] looks.
    pub(super) fn every(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long it may take.
    pub(super) fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it.
    pub(super) fn run(self) -> Result<Outcome, Failure> {
        self.watched(|_| {})
    }

    /// Runs it and calls `watch` at the start and again and again until it has ended.
    pub(super) fn watched(mut self, mut watch: impl FnMut(&mut Child)) -> Result<Outcome, Failure> {
        let groups = Groups::now();
        let kills = kernel_kills()?;
        let start = Instant::now();
        let mut child = self.command.spawn().map_err(|error| {
            format!("{}: {error}", self.command.get_program().to_string_lossy())
        })?;
        let mut hung = false;
        watch(&mut child);
        while !ended_within(&child, self.interval)? {
            watch(&mut child);
            if start.elapsed() > self.patience {
                hung = true;
                child.kill()?;
            }
        }
        let status = child.wait()?;
        let wall = start.elapsed();
        // Long scenarios show that they live.
        eprintln!("{:.1} s: {}", wall.as_secs_f64(), self.name);
        let left = self.marker.wait_gone(LEFTOVER_PATIENCE);
        for survivor in left.iter().take(5) {
            eprintln!("left behind: {} {}", survivor.pid, survivor.command);
        }
        self.marker.kill_all();
        Ok(Outcome {
            wall,
            status,
            hung,
            kills: kernel_kills()?.saturating_sub(kills),
            processes_left: left.len() as u64,
            groups_left: groups.added(|path| match &self.events {
                Some(events) => run_id(events).is_some_and(|run| holds(path, &run)),
                None => true,
            }),
        })
    }
}

impl Outcome {
    /// The exit code as a shell would say it.
    pub(super) fn code(&self) -> i32 {
        self.status
            .code()
            .or_else(|| self.status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1)
    }
}

/// Waits for the end of a child without spending its core.
fn ended_within(child: &Child, time: Duration) -> Result<bool, Failure> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or("a process id out of range")?;
    let descriptor = pidfd_open(pid, PidfdFlags::empty())?;
    let mut waited = [PollFd::new(&descriptor, PollFlags::IN)];
    match poll(&mut waited, Some(&Timespec::try_from(time)?)) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The control groups of this machine that carry the project's name.
pub(super) struct Groups(BTreeSet<PathBuf>);

impl Groups {
    /// Those that are there now.
    pub(super) fn now() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mut found = BTreeSet::new();
        for line in mounts.lines() {
            let mut fields = line.split(' ').skip(1);
            if let (Some(point), Some("cgroup" | "cgroup2")) = (fields.next(), fields.next()) {
                collect(Path::new(point), &mut found);
            }
        }
        Self(found)
    }

    /// How many came since then and are still there after a moment. Those with processes that are
    /// not ours belong to somebody else's run, and so do cages.
    pub(super) fn added(&self, ours: impl Fn(&Path) -> bool) -> u64 {
        let deadline = Instant::now() + LEFTOVER_PATIENCE;
        loop {
            let now = Self::now();
            let added: Vec<&PathBuf> = now
                .0
                .difference(&self.0)
                .filter(|path| !is_cage(path) && is_empty(path) && ours(path))
                .collect();
            if added.is_empty() {
                return 0;
            }
            if Instant::now() > deadline {
                for path in added.iter().take(5) {
                    eprintln!("group left behind: {}", path.display());
                }
                return added.len() as u64;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The id of the run that these JSON lines tell of.
fn run_id(events: &Path) -> Option<String> {
    let text = fs::read_to_string(events).ok()?;
    text.lines().find_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(value.get("run")?.as_str()?.to_owned())
    })
}

fn holds(path: &Path, run: &str) -> bool {
    path.to_string_lossy().contains(run)
}

fn is_cage(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("saferun-cage-")
}

/// Whether neither the group nor one below it holds a process.
fn is_empty(path: &Path) -> bool {
    let own = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    own.trim().is_empty() && below(path).all(|group| is_empty(&group))
}

fn collect(path: &Path, found: &mut BTreeSet<PathBuf>) {
    for group in below(path) {
        collect(&group, found);
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        if name.contains("saferun") {
            found.insert(group);
        }
    }
}

fn below(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}
