//! One slot: a group below the run's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Signal;
use saferun_memory::GroupV2;

use super::into_io;
use crate::slot::SlotUsage;
use crate::slot::v1::files;
use crate::slot::v1::group::{self, RunGroup};
use crate::spawn::Place;

/// Cache of less than this stays with a slot that is used again: to give it back would cost
/// more than it is worth, and the kernel takes it itself once the run meets its limit.
const CACHE_KEPT: u64 = 16 << 20;

/// Below this much in use, the file cache in it isn't told apart: reading it costs ten times as
/// much as reading the use.
const CACHE_IGNORED: u64 = 2 << 20;

#[derive(Debug)]
pub(super) struct Slot {
    place: usize,
    generation: u64,
    dir: OwnedFd,
    procs: OwnedFd,
    memory: GroupV2,
    peak: Option<Peak>,
    events: OwnedFd,
    freezer: OwnedFd,
    cpu_stat: OwnedFd,
    /// Not there where the kernel counts no pressure (`psi=0`).
    cpu_pressure: Option<OwnedFd>,
    kills_before: u64,
    cpu_before: Duration,
    /// Whether it can't be born into any more; see [`Slot::renew`].
    spent: bool,
    /// Whether it was stopped and not let go on since.
    stopped: bool,
}

/// `memory.peak`, through a descriptor of its own: since 6.12 a write to it begins a new peak
/// for whoever reads that very descriptor.
#[derive(Debug)]
struct Peak {
    file: OwnedFd,
    /// Where it can't be begun anew: the peak of all tasks before.
    before: Option<u64>,
}

impl Peak {
    fn open(dir: &OwnedFd) -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, "memory.peak", flags, Mode::empty());
        match file {
            Ok(file) => Some(Self { file, before: None }),
            Err(_) => Some(Self {
                file: files::open_read(dir, "memory.peak").ok()?,
                before: Some(0),
            }),
        }
    }

    fn read(&self) -> io::Result<u64> {
        let mut buffer = [0; 32];
        let text = files::read_kept(self.file.as_fd(), &mut buffer)?;
        let invalid = |_| io::Error::from(io::ErrorKind::InvalidData);
        text.trim().parse().map_err(invalid)
    }

    fn begin(&mut self) {
        if let Some(before) = self.before {
            self.before = Some(self.read().unwrap_or(before));
        } else {
            // A group that is used again mustn't show the peak of the one before.
            let _ = rustix::io::write(&self.file, b"reset");
        }
    }

    /// The peak since [`Self::begin`]; `None` if it can't be told from those before.
    fn since(&self) -> io::Result<Option<u64>> {
        let peak = self.read()?;
        Ok((self.before.is_none_or(|before| peak > before)).then_some(peak))
    }
}

impl Slot {
    /// Makes the group below that of the run.
    pub(super) fn make(run: &RunGroup, place: usize) -> io::Result<Self> {
        Self::make_generation(run, place, 0)
    }

    fn make_generation(run: &RunGroup, place: usize, generation: u64) -> io::Result<Self> {
        let name = name(place, generation);
        let dir = match rustix::fs::mkdirat(&run.dir, &*name, Mode::from_raw_mode(0o755)) {
            // Left by an earlier attempt that failed half way.
            Ok(()) | Err(Errno::EXIST) => files::open_dir(&run.dir, &*name)?,
            Err(error) => return Err(error.into()),
        };
        // A task of which the kernel has killed a part is no whole task: it goes as one, and is
        // run again. Kernels before 4.19 don't know it.
        let _ = files::write(&dir, "memory.oom.group", "1");
        let mut slot = Self {
            place,
            generation,
            procs: files::open_write(&dir, "cgroup.procs")?,
            memory: GroupV2::open(&run.path.join(&name)).map_err(into_io)?,
            peak: Peak::open(&dir),
            events: files::open_read(&dir, "cgroup.events")?,
            freezer: files::open_write(&dir, "cgroup.freeze")?,
            cpu_stat: files::open_read(&dir, "cpu.stat")?,
            cpu_pressure: files::open_read(&dir, "cpu.pressure").ok(),
            dir,
            kills_before: 0,
            cpu_before: Duration::ZERO,
            spent: false,
            stopped: false,
        };
        slot.begin();
        Ok(slot)
    }

    /// Where a process of this slot is born.
    pub(super) fn place(&self) -> Place<'_> {
        Place {
            unified_dir: Some(self.dir.as_fd()),
            unified_procs: Some(self.procs.as_fd()),
            join: &[],
        }
    }

    /// Puts a new group in the place of one that can't be born into, before the next birth.
    ///
    /// Some kernels (6.18 for one) count kills of a group, compare the count when a process is
    /// born in it with that of its parent's group, and kill the child if they differ: meant for
    /// those who fork while they are killed, but with `CLONE_INTO_CGROUP` it meets every birth
    /// in a group that was ever killed. And a task that has made groups below its own may have
    /// left them there.
    pub(super) fn renew(&mut self, run: &RunGroup) -> io::Result<()> {
        if !self.spent {
            return Ok(());
        }
        let old = name(self.place, self.generation);
        *self = Self::make_generation(run, self.place, self.generation + 1)?;
        // If it can't be removed yet, it goes with the run's group.
        let _ = rustix::fs::unlinkat(&run.dir, &*old, AtFlags::REMOVEDIR);
        Ok(())
    }

    /// Nothing is born in this group again.
    pub(super) fn spend(&mut self) {
        self.spent = true;
    }

    pub(super) fn freeze(&mut self) -> io::Result<()> {
        self.stopped = true;
        rustix::io::write(&self.freezer, b"1")?;
        Ok(())
    }

    pub(super) fn thaw(&mut self) -> io::Result<()> {
        rustix::io::write(&self.freezer, b"0")?;
        self.stopped = false;
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        for pid in files::procs(&self.dir)? {
            group::signal(pid, signal);
        }
        Ok(())
    }

    pub(super) fn kill(&mut self) {
        self.spent = true;
        group::kill(self.dir.as_fd());
    }

    pub(super) fn is_empty(&self) -> io::Result<bool> {
        let mut buffer = [0; 256];
        let text = files::read_kept(self.events.as_fd(), &mut buffer)?;
        Ok(files::keyed(text, "populated") == Some(0))
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
        let Some(pressure) = &self.cpu_pressure else {
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
        let Some(peak) = &self.peak else {
            return Ok(0);
        };
        match peak.since()? {
            Some(peak) => self.less_cache(peak),
            None => Ok(0),
        }
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
        if let Some(peak) = &mut self.peak {
            peak.begin();
        }
        self.kills_before = self.kills_total().unwrap_or(self.kills_before);
        self.cpu_before = self.cpu_total().unwrap_or(self.cpu_before);
    }

    /// The directory to be emptied before the slot is used again and how much of, if it holds
    /// much cache.
    pub(super) fn to_be_emptied(&self) -> Option<(io::Result<OwnedFd>, u64)> {
        let usage = self.memory.usage_bytes().ok()?;
        if usage <= CACHE_KEPT {
            return None;
        }
        let cache = self.memory.file_cache_bytes().ok()?;
        (cache > CACHE_KEPT).then(|| (self.dir.try_clone(), cache))
    }

    /// Events are those of groups below too, as a task may make some.
    fn kills_total(&self) -> io::Result<u64> {
        Ok(self.memory.events().map_err(into_io)?.oom_kill)
    }

    fn cpu_total(&self) -> io::Result<Duration> {
        let mut buffer = [0; 1024];
        let text = files::read_kept(self.cpu_stat.as_fd(), &mut buffer)?;
        files::keyed(text, "usage_usec")
            .map(Duration::from_micros)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }
}

/// What the group of a place is called, the first and those that came after it.
fn name(place: usize, generation: u64) -> String {
    match generation {
        0 => format!("slot-{place}"),
        _ => format!("slot-{place}.{generation}"),
    }
}
