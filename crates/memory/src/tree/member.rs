//! One process of a tree, on a kept descriptor.

use std::path::Path;

use rustix::io::Errno;

use crate::error::ReadError;
use crate::kept::Kept;
use crate::process::{ProcessId, Stat, Statm, shared_memory_bytes};

/// So many descriptors are kept at most in one table. A storm of processes must not use up what
/// the program needs for its own work; those beyond are read by their path, 4 µs instead of 1.
const KEPT_AT_MOST: usize = 512;

#[derive(Debug)]
pub(super) struct Member {
    id: ProcessId,
    statm: Option<Kept>,
    /// The last figures while it had memory.
    last: Statm,
    /// Resident shared memory, and how many pages of files and shared memory there were when it
    /// was read.
    shared_memory_bytes: u64,
    at_shared_pages: u64,
}

/// What a look at a process has shown.
pub(super) enum Seen {
    /// It holds so much.
    Here(Statm),
    /// It has ended, holds nothing, and nobody has waited for it yet.
    Ended,
    Gone,
}

impl Member {
    /// `None` when there is no such process (any more).
    pub(super) fn open(
        proc: &Path,
        pid: u32,
        kept: usize,
    ) -> Result<Option<(Self, Stat)>, ReadError> {
        // The descriptor first: if the number changes hands between the two, the descriptor is
        // of a process that has ended, and the first look shows it.
        let statm = if kept < KEPT_AT_MOST {
            match Kept::open(proc.join(format!("{pid}/statm"))) {
                Ok(statm) => Some(statm),
                Err(error) if error.is_gone() => return Ok(None),
                Err(error) if is_out_of_descriptors(&error) => None,
                Err(error) => return Err(error),
            }
        } else {
            None
        };
        let Some(stat) = Stat::read(proc, pid)? else {
            return Ok(None);
        };
        let id = ProcessId {
            pid,
            start_ticks: stat.start_ticks,
        };
        let member = Self {
            id,
            statm,
            last: Statm::default(),
            shared_memory_bytes: 0,
            at_shared_pages: 0,
        };
        Ok(Some((member, stat)))
    }

    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    pub(super) fn shared_memory_bytes(&self) -> u64 {
        self.shared_memory_bytes
    }

    pub(super) fn is_alive(&self, proc: &Path) -> Result<bool, ReadError> {
        self.statm(proc).map(|statm| statm.is_some())
    }

    pub(super) fn look(&mut self, proc: &Path) -> Result<Seen, ReadError> {
        let Some(statm) = self.statm(proc)? else {
            return Ok(Seen::Gone);
        };
        if statm.size == 0 {
            return self.look_without_memory(proc);
        }
        if self.shared_has_changed(statm.shared) {
            if let Some(bytes) = shared_memory_bytes(proc, self.id.pid)? {
                self.shared_memory_bytes = bytes;
            }
            self.at_shared_pages = statm.shared;
        }
        self.last = statm;
        Ok(Seen::Here(statm))
    }

    /// No memory is shown in three cases, and only in one of them there is none.
    fn look_without_memory(&mut self, proc: &Path) -> Result<Seen, ReadError> {
        let pid = self.id.pid;
        let stat = Stat::read(proc, pid)?;
        let Some(stat) = stat.filter(|stat| stat.start_ticks == self.id.start_ticks) else {
            return Ok(Seen::Gone);
        };
        if !stat.zombie {
            // It is ending. The kernel takes the memory from the process first and then gives
            // it back page by page, which takes long where there is much of it; only then it
            // becomes a zombie. Until then what it held counts.
            return Ok(Seen::Here(self.last));
        }
        if stat.threads > 1
            && let Some(statm) = Statm::read_by_threads(proc, pid)?
        {
            self.last = statm;
            return Ok(Seen::Here(statm));
        }
        Ok(Seen::Ended)
    }

    /// `statm` counts shared memory and pages of files in one figure; only the slow `status`
    /// tells them apart. It is asked when that figure has moved by enough to matter: 1 MiB and
    /// an eighth.
    fn shared_has_changed(&self, shared: u64) -> bool {
        let moved = shared.abs_diff(self.at_shared_pages);
        moved >= 256 && moved >= self.at_shared_pages / 8
    }

    pub(super) fn cpu_ticks(&self, proc: &Path) -> Result<Option<u64>, ReadError> {
        Ok(Stat::read(proc, self.id.pid)?
            .filter(|stat| stat.start_ticks == self.id.start_ticks)
            .map(|stat| stat.cpu_ticks))
    }

    fn statm(&self, proc: &Path) -> Result<Option<Statm>, ReadError> {
        match &self.statm {
            Some(file) => match file.read_near::<128, _>(Statm::parse) {
                Ok(statm) => Ok(Some(statm)),
                Err(error) if error.is_gone() => Ok(None),
                Err(error) => Err(error),
            },
            None => {
                let stat = Stat::read(proc, self.id.pid)?;
                if stat.is_none_or(|stat| stat.start_ticks != self.id.start_ticks) {
                    return Ok(None);
                }
                Statm::read(proc, self.id.pid)
            }
        }
    }
}

fn is_out_of_descriptors(error: &ReadError) -> bool {
    match error {
        ReadError::Io { cause, .. } => matches!(
            Errno::from_io_error(cause),
            Some(Errno::MFILE | Errno::NFILE)
        ),
        _ => false,
    }
}
