//! One slot: a group in each hierarchy that the run uses.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::Signal;
use saferun_memory::{GroupV1, ReadError};

use super::files;
use super::group::{self, RunGroup};
use super::stop::Stop;
use crate::slot::SlotUsage;
use crate::spawn::Place;

/// Cache of less than this stays with a slot that is used again: to give it back would cost
/// more than it is worth, and the kernel takes it itself once the run meets its limit.
const CACHE_KEPT: u64 = 16 << 20;

/// Below this much in use, the file cache in it isn't told apart: reading it costs ten times as
/// much as reading the use.
const CACHE_IGNORED: u64 = 2 << 20;

#[derive(Debug)]
pub(super) struct Slot {
    name: String,
    memory: GroupV1,
    memory_dir: OwnedFd,
    birth: Birth,
    peak_reset: OwnedFd,
    unified: Option<Unified>,
    freezer: Option<(OwnedFd, OwnedFd)>,
    kills_before: u64,
    cpu_before: Duration,
    /// Whether its unified group was killed; see [`Slot::renew`].
    killed: bool,
    /// Whether it was stopped and not let go on since.
    stopped: bool,
}

/// How a process gets into the groups of v1: before it becomes its program it writes 0 to their
/// `tasks`, which moves the thread that writes. A thread that moves itself needs none of the
/// waiting for all cores that moving a process by `cgroup.procs` takes (0.3 ms on an idle
/// machine, 2 ms on a busy one, 15 ms on kernels without `favordynmods`).
#[derive(Debug)]
struct Birth {
    memory: OwnedFd,
    pids: Option<OwnedFd>,
}

/// The part of a slot in the unified hierarchy, which freezes, kills and counts CPU time. It
/// needs no controllers for that.
#[derive(Debug)]
struct Unified {
    dir: OwnedFd,
    procs: OwnedFd,
    events: OwnedFd,
    cpu_stat: OwnedFd,
    /// Not there where the kernel counts no pressure (`psi=0`).
    cpu_pressure: Option<OwnedFd>,
}

impl Birth {
    fn prepare(memory: &OwnedFd, pids: Option<&RunGroup>) -> io::Result<Self> {
        let pids = pids.map(|run| files::open_write(&run.dir, "tasks"));
        Ok(Self {
            memory: files::open_write(memory, "tasks")?,
            pids: pids.transpose()?,
        })
    }
}

impl Unified {
    fn make(run: &RunGroup, name: &str) -> io::Result<Self> {
        let dir = make_dir(run, name)?;
        Ok(Self {
            procs: files::open_write(&dir, "cgroup.procs")?,
            events: files::open_read(&dir, "cgroup.events")?,
            cpu_stat: files::open_read(&dir, "cpu.stat")?,
            cpu_pressure: files::open_read(&dir, "cpu.pressure").ok(),
            dir,
        })
    }
}

impl Slot {
    /// Makes the groups `name` below those of the run.
    pub(super) fn make(
        name: &str,
        memory: &RunGroup,
        unified: Option<&RunGroup>,
        freezer: Option<&RunGroup>,
        pids: Option<&RunGroup>,
    ) -> io::Result<Self> {
        let memory_dir = make_dir(memory, name)?;
        let group = GroupV1::open(&memory.path.join(name)).map_err(into_io)?;
        let unified = unified.map(|run| Unified::make(run, name)).transpose()?;
        let freezer = freezer
            .map(|run| {
                let dir = make_dir(run, name)?;
                let tasks = files::open_write(&dir, "tasks")?;
                Ok::<_, io::Error>((dir, tasks))
            })
            .transpose()?;
        let mut slot = Self {
            name: name.to_owned(),
            birth: Birth::prepare(&memory_dir, pids)?,
            peak_reset: files::open_write(&memory_dir, "memory.max_usage_in_bytes")?,
            memory: group,
            memory_dir,
            unified,
            freezer,
            kills_before: 0,
            cpu_before: Duration::ZERO,
            killed: false,
            stopped: false,
        };
        slot.begin();
        Ok(slot)
    }

    /// Calls `spawn` with the places where a process of this slot is born.
    pub(super) fn born<R>(&self, spawn: impl FnOnce(Place<'_>) -> R) -> R {
        let pids = self.birth.pids.as_ref();
        let freezer = self.freezer.as_ref().map(|(_, tasks)| tasks);
        let mut join = [self.birth.memory.as_fd(); 3];
        let mut count = 1;
        for fd in [pids, freezer].into_iter().flatten() {
            join[count] = fd.as_fd();
            count += 1;
        }
        spawn(Place {
            unified_dir: self.unified.as_ref().map(|u| u.dir.as_fd()),
            unified_procs: self.unified.as_ref().map(|u| u.procs.as_fd()),
            join: &join[..count],
        })
    }

    /// Puts a new unified group in the place of one that was killed, before the next birth.
    ///
    /// Some kernels (6.18 for one) count kills of a group, compare the count when a process is
    /// born in it with that of its parent's group, and kill the child if they differ: meant for
    /// those who fork while they are killed, but with `CLONE_INTO_CGROUP` it meets every birth
    /// in a group that was ever killed.
    pub(super) fn renew(&mut self, run: Option<&RunGroup>) -> io::Result<()> {
        let (true, Some(run)) = (self.killed, run) else {
            return Ok(());
        };
        let generation = self.name.split('.').nth(1).and_then(|n| n.parse().ok());
        let place = self.name.split('.').next().unwrap_or_default();
        let name = format!("{place}.{}", generation.unwrap_or(0u64) + 1);
        self.unified = Some(Unified::make(run, &name)?);
        // If it can't be removed yet, it goes with the run's group.
        let _ = rustix::fs::unlinkat(&run.dir, &*self.name, rustix::fs::AtFlags::REMOVEDIR);
        self.name = name;
        self.killed = false;
        self.stopped = false;
        self.begin();
        Ok(())
    }

    pub(super) fn freeze(&mut self) -> io::Result<()> {
        self.stopped = true;
        self.stop().freeze()
    }

    pub(super) fn thaw(&mut self) -> io::Result<()> {
        self.stop().thaw()?;
        self.stopped = false;
        Ok(())
    }

    /// How everything in the slot is stopped and let go on.
    fn stop(&self) -> Stop<'_> {
        match (&self.unified, &self.freezer) {
            (Some(unified), _) => Stop::Unified(unified.dir.as_fd()),
            (None, Some((dir, _))) => Stop::Freezer(dir.as_fd()),
            (None, None) => Stop::Signals(self.memory_dir.as_fd()),
        }
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        for pid in files::procs(self.members())? {
            group::signal(pid, signal);
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) {
        self.killed = true;
        if let Some(unified) = &self.unified {
            group::kill(unified.dir.as_fd());
        }
        if let Some((dir, _)) = &self.freezer {
            group::kill(dir.as_fd());
        }
        // Also where the above has done it: what moved itself to another unified group is
        // still here.
        group::kill(self.memory_dir.as_fd());
    }

    pub(super) fn is_empty(&self) -> io::Result<bool> {
        let mut buffer = [0; 256];
        match &self.unified {
            Some(unified) => {
                let text = files::read_kept(unified.events.as_fd(), &mut buffer)?;
                Ok(files::keyed(text, "populated") == Some(0))
            }
            None => Ok(files::procs(&self.memory_dir)?.is_empty()),
        }
    }

    pub(super) fn usage(&self) -> io::Result<SlotUsage> {
        let usage = self.memory.usage_bytes().map_err(into_io)?;
        Ok(SlotUsage {
            use_bytes: self.less_cache(usage)?,
            in_doubt: false,
            cpu: self.cpu_total()?.saturating_sub(self.cpu_before),
        })
    }

    /// By the `some` line of the group's CPU pressure (Documentation/accounting/psi.rst).
    pub(super) fn cpu_wait(&self) -> io::Result<Duration> {
        let pressure = self.unified.as_ref().and_then(|u| u.cpu_pressure.as_ref());
        let Some(pressure) = pressure else {
            return Ok(Duration::ZERO);
        };
        let mut buffer = [0; 256];
        let text = files::read_kept(pressure.as_fd(), &mut buffer)?;
        text.lines()
            .find_map(|line| line.strip_prefix("some ")?.rsplit_once("total="))
            .and_then(|(_, total)| total.trim().parse().ok())
            .map(Duration::from_micros)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    pub(super) fn peak_bytes(&self) -> io::Result<u64> {
        let peak = self.memory.peak_bytes().map_err(into_io)?;
        self.less_cache(peak)
    }

    /// Without file cache, unless there is so little of both that it isn't worth a look.
    fn less_cache(&self, bytes: u64) -> io::Result<u64> {
        if bytes < CACHE_IGNORED {
            return Ok(bytes);
        }
        let cache = self.memory.file_cache_bytes().map_err(into_io)?;
        Ok(bytes.saturating_sub(cache))
    }

    pub(super) fn kernel_kills(&self) -> io::Result<u64> {
        Ok(self.kills_total()?.saturating_sub(self.kills_before))
    }

    /// Counts from here on for the next task.
    pub(super) fn begin(&mut self) {
        // A slot that was ended while stopped would stop the next task too.
        if self.stopped {
            let _ = self.thaw();
        }
        // Writing sets the peak to what is charged now.
        let _ = rustix::io::write(&self.peak_reset, b"0");
        self.kills_before = self.kills_total().unwrap_or(self.kills_before);
        self.cpu_before = self.cpu_total().unwrap_or(self.cpu_before);
    }

    /// The directory to be emptied before the slot is used again, if it holds much cache.
    pub(super) fn to_be_emptied(&self) -> Option<io::Result<OwnedFd>> {
        let much = |bytes: Result<u64, ReadError>| bytes.is_ok_and(|bytes| bytes > CACHE_KEPT);
        (much(self.memory.usage_bytes()) && much(self.memory.file_cache_bytes()))
            .then(|| self.memory_dir.try_clone())
    }

    fn members(&self) -> BorrowedFd<'_> {
        match &self.unified {
            Some(unified) => unified.dir.as_fd(),
            None => self.memory_dir.as_fd(),
        }
    }

    fn kills_total(&self) -> io::Result<u64> {
        Ok(self.memory.oom().map_err(into_io)?.kills)
    }

    fn cpu_total(&self) -> io::Result<Duration> {
        let Some(unified) = &self.unified else {
            return Ok(super::stop::cpu_of(&files::procs(&self.memory_dir)?));
        };
        let mut buffer = [0; 1024];
        let text = files::read_kept(unified.cpu_stat.as_fd(), &mut buffer)?;
        files::keyed(text, "usage_usec")
            .map(Duration::from_micros)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

fn make_dir(run: &RunGroup, name: &str) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(&run.dir, name, Mode::from_raw_mode(0o755)) {
        // Left by an earlier attempt that failed half way.
        Ok(()) | Err(Errno::EXIST) => files::open_dir(&run.dir, name),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn into_io(error: ReadError) -> io::Error {
    match error {
        ReadError::Io { cause, .. } => cause,
        other => io::Error::other(other),
    }
}
