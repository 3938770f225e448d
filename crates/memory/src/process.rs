//! The files of one process.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{decimal, keyed_kib, slurp, slurp_if_there};
use crate::roots::Roots;

/// A process that is not mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it was started, in the kernel's ticks since the system's start.
    pub start_ticks: u64,
}

impl ProcessId {
    /// The process that has this number now; `None` when there is none.
    ///
    /// # Errors
    /// When it is there and can't be read.
    pub fn read(roots: &Roots, pid: u32) -> Result<Option<Self>, ReadError> {
        let stat = Stat::read(&roots.proc, pid)?;
        Ok(stat.map(|stat| Self {
            pid,
            start_ticks: stat.start_ticks,
        }))
    }
}

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    pub(crate) session: u32,
    pub(crate) start_ticks: u64,
    /// Its memory is given back, and it only waits to be waited for. A process whose first
    /// thread has ended looks the same but for the threads that go on.
    pub(crate) zombie: bool,
    pub(crate) threads: u64,
    /// CPU time of its own and of its children that have ended and were waited for.
    pub(crate) cpu_ticks: u64,
    /// Whether it has a controlling terminal.
    pub(crate) has_terminal: bool,
    /// Resident memory in pages, what it shares with others included.
    pub(crate) resident: u64,
}

impl Stat {
    /// `None` when there is no such process (any more).
    pub(crate) fn read(proc: &Path, pid: u32) -> Result<Option<Self>, ReadError> {
        let path = proc.join(format!("{pid}/stat"));
        let Some(text) = slurp_if_there(&path)? else {
            return Ok(None);
        };
        if is_dead(&text) {
            return Ok(None);
        }
        Self::parse(&text).map(Some).map_err(|flaw| flaw.at(&path))
    }

    /// The same with the name that the process gives itself.
    pub(crate) fn read_with_name(
        proc: &Path,
        pid: u32,
    ) -> Result<Option<(Self, OsString)>, ReadError> {
        let path = proc.join(format!("{pid}/stat"));
        let Some(text) = slurp_if_there(&path)? else {
            return Ok(None);
        };
        if is_dead(&text) {
            return Ok(None);
        }
        let stat = Self::parse(&text).map_err(|flaw| flaw.at(&path))?;
        let open = text.iter().position(|&b| b == b'(');
        let close = text.iter().rposition(|&b| b == b')');
        let name = match (open, close) {
            (Some(open), Some(close)) => text.get(open + 1..close).unwrap_or_default(),
            _ => &[],
        };
        Ok(Some((stat, OsString::from_vec(name.to_vec()))))
    }

    fn parse(text: &[u8]) -> Result<Self, Flaw> {
        let flaw = || Flaw::garbage("the fields of a process", text);
        // The name stands in parentheses and may itself hold blanks, parentheses and bytes that
        // are no text; what follows the last one is numbers.
        let close = text.iter().rposition(|&b| b == b')').ok_or_else(flaw)?;
        let mut fields = text[close + 1..]
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty());
        let zombie = matches!(fields.next(), Some(b"Z"));
        // Numbered as in proc(5), where the state, the first after the name, is 3.
        let mut at = 4;
        let mut field = |number: usize| {
            let skip = number - at;
            at = number + 1;
            fields.nth(skip).and_then(decimal).ok_or_else(flaw)
        };
        let narrow = |number: u64| u32::try_from(number).map_err(|_| flaw());
        let parent = narrow(field(4)?)?;
        let session = narrow(field(6)?)?;
        // A number of a device, which some kernels print with a sign.
        let has_terminal = field(7) != Ok(0);
        let mut cpu_ticks = 0u64;
        for number in 14..=17 {
            cpu_ticks = cpu_ticks.saturating_add(field(number)?);
        }
        let threads = field(20)?;
        let start_ticks = field(22)?;
        // Nothing before Linux 2.6 lacks it; a line that is cut is no reason to know nothing.
        let resident = field(24).unwrap_or(0);
        Ok(Self {
            parent,
            session,
            zombie,
            threads,
            cpu_ticks,
            start_ticks,
            has_terminal,
            resident,
        })
    }
}

/// Whether the line is of a process that was just taken off the list of all: it has no parent,
/// group or session any more, and is not even a zombie.
fn is_dead(text: &[u8]) -> bool {
    let close = text.iter().rposition(|&b| b == b')');
    let rest = close.and_then(|close| text.get(close + 1..));
    rest.is_some_and(|rest| matches!(rest.trim_ascii_start().first(), Some(b'X' | b'x')))
}

/// What `/proc/PID/statm` says, in pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Statm {
    /// Address space; 0 only when there is none any more.
    pub(crate) size: u64,
    pub(crate) resident: u64,
    /// The part of it that belongs to files or is shared memory.
    pub(crate) shared: u64,
}

impl Statm {
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        let mut fields = text
            .split_ascii_whitespace()
            .map(|field| decimal(field.as_bytes()));
        match (fields.next(), fields.next(), fields.next()) {
            (Some(Some(size)), Some(Some(resident)), Some(Some(shared))) => Ok(Self {
                size,
                resident,
                shared,
            }),
            _ => Err(Flaw::garbage("counts of pages", text)),
        }
    }

    /// The pages that belong to this process alone or to its copies by fork.
    pub(crate) fn anonymous(self) -> u64 {
        self.resident.saturating_sub(self.shared)
    }

    pub(crate) fn read(proc: &Path, pid: u32) -> Result<Option<Self>, ReadError> {
        read_if_there(&proc.join(format!("{pid}/statm")), Self::parse)
    }

    /// By a thread that still has the process's memory when the first one has ended: the
    /// process's own figure is then 0. `None` when no thread has any.
    pub(crate) fn read_by_threads(proc: &Path, pid: u32) -> Result<Option<Self>, ReadError> {
        let threads = proc.join(format!("{pid}/task"));
        let tids = match all_pids(&threads) {
            Ok(tids) => tids,
            Err(error) if error.is_gone() => return Ok(None),
            Err(error) => return Err(error),
        };
        for tid in tids {
            let statm = read_if_there(&threads.join(format!("{tid}/statm")), Self::parse)?;
            if let Some(statm) = statm.filter(|statm| statm.size > 0) {
                return Ok(Some(statm));
            }
        }
        Ok(None)
    }
}

/// Resident shared memory; `None` when the process is gone. Kernels before 4.5 don't tell it
/// apart from files, and a process that is ending no longer has the line: 0 then.
pub(crate) fn shared_memory_bytes(proc: &Path, pid: u32) -> Result<Option<u64>, ReadError> {
    read_if_there(&proc.join(format!("{pid}/status")), |text| {
        Ok(keyed_kib(text, ["RssShmem"])?[0].unwrap_or(0))
    })
}

/// What `/proc/PID/status` says of who a process is and what it does about signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    /// The real, effective, saved and file system user.
    pub(crate) users: [u32; 4],
    /// A bit for each signal that is ignored, the lowest for signal 1.
    pub(crate) ignored: u64,
    /// A bit for each signal that has a handler.
    pub(crate) caught: u64,
}

impl Status {
    /// `None` when there is no such process (any more).
    pub(crate) fn read(proc: &Path, pid: u32) -> Result<Option<Self>, ReadError> {
        read_if_there(&proc.join(format!("{pid}/status")), Self::parse)
    }

    fn parse(text: &str) -> Result<Self, Flaw> {
        let field = |key: &'static str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
                .ok_or(Flaw::Missing(key))
        };
        let mask = |key: &'static str| {
            let text = field(key)?.trim();
            u64::from_str_radix(text, 16).map_err(|_| Flaw::garbage("a mask of signals", text))
        };
        let uids = field("Uid")?;
        let numbers: Option<Vec<u32>> = uids
            .split_ascii_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let users = numbers.and_then(|numbers| numbers.try_into().ok());
        Ok(Self {
            users: users.ok_or_else(|| Flaw::garbage("four users", uids))?,
            ignored: mask("SigIgn")?,
            caught: mask("SigCgt")?,
        })
    }

    /// Whether it is this user's in every respect. The owner of the files in `/proc` doesn't
    /// tell that: those of a process that may not be dumped are root's.
    pub(crate) fn is_all(&self, user: u32) -> bool {
        self.users.iter().all(|one| *one == user)
    }
}

/// Memory held, where each page counts by its share: a page that three processes have mapped
/// counts a third. `None` when the process is gone, is ending, or the kernel (before 4.14) has no
/// such file.
///
/// The kernel walks all of the process's pages for it: 0.1 to 1 ms and more.
pub(crate) fn proportional_bytes(proc: &Path, pid: u32) -> Result<Option<u64>, ReadError> {
    read_if_there(&proc.join(format!("{pid}/smaps_rollup")), |text| {
        let [pss] = keyed_kib(text, ["Pss"])?;
        pss.ok_or(Flaw::Missing("Pss"))
    })
}

/// The environment that a process was started with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Environment(Vec<u8>);

impl Environment {
    /// Of a process; `None` when it is gone or not ours to look at.
    pub(crate) fn read(proc: &Path, pid: u32) -> Result<Option<Self>, ReadError> {
        match slurp(&proc.join(format!("{pid}/environ"))) {
            Ok(bytes) => Ok(Some(Self(bytes))),
            Err(error) if error.is_gone() || error.is_refused() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether it is empty, as that of a process which has ended or is just becoming another
    /// program.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it holds all of these entries, each as `NAME=value`; no entries are never held.
    pub(crate) fn has_marks(&self, marks: &[Vec<u8>]) -> bool {
        let has = |mark: &Vec<u8>| self.0.split(|&b| b == 0).any(|entry| entry == mark);
        !marks.is_empty() && marks.iter().all(has)
    }
}

fn read_if_there<R>(
    path: &Path,
    parse: impl FnOnce(&str) -> Result<R, Flaw>,
) -> Result<Option<R>, ReadError> {
    let Some(bytes) = slurp_if_there(path)? else {
        return Ok(None);
    };
    // A name in it may be no text; the fields that are wanted always are.
    parse(&String::from_utf8_lossy(&bytes))
        .map(Some)
        .map_err(|flaw| flaw.at(path))
}

/// The processes that `/proc` lists now; of a process's `task` the threads.
pub(crate) fn all_pids(proc: &Path) -> Result<Vec<u32>, ReadError> {
    let io = |cause| ReadError::Io {
        path: proc.to_path_buf(),
        cause,
    };
    let mut pids = Vec::new();
    for entry in std::fs::read_dir(proc).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        if let Some(pid) = decimal(name.as_encoded_bytes()).and_then(|pid| u32::try_from(pid).ok())
        {
            pids.push(pid);
        }
    }
    Ok(pids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &[u8] = b"4242 (a ) b\xff(\n) S 17 4242 99 0 -1 4194304 99 0 0 0 5 6 7 8 20 0 \
        1 0 184573 3133440 413 18446744073709551615 1 1 1 0 0\n";

    #[test]
    fn a_name_may_hold_anything() {
        let stat = Stat::parse(LINE).expect("fine");
        assert_eq!(
            stat,
            Stat {
                parent: 17,
                session: 99,
                zombie: false,
                threads: 1,
                start_ticks: 184_573,
                cpu_ticks: 26,
                has_terminal: false,
                resident: 413
            }
        );
    }

    #[test]
    fn users_and_signals_of_a_process() {
        let text = "Name:\ta\nUid:\t7\t7\t0\t7\nSigIgn:\t0000000000000001\n\
            SigCgt:\t0000000000000200\n";
        let status = Status::parse(text).expect("fine");
        assert_eq!((status.ignored, status.caught), (1, 0x200));
        assert!(!status.is_all(7));
        for text in ["", "Uid:\t1\nSigIgn:\t0\nSigCgt:\t0\n", "Uid:\t1 1 1 x\n"] {
            assert!(Status::parse(text).is_err(), "{text}");
        }
    }

    /// As Linux 6.18 shows a process between its end and its disappearance.
    #[test]
    fn a_process_that_was_taken_off_the_list_is_gone() {
        let line = b"15959 (true) X 0 -1 -1 0 -1 4227084 52 0 0 0 0 0 0 0 30 10 0 0 1476929 0 0";
        assert!(is_dead(line));
        assert!(!is_dead(LINE) && !is_dead(b"") && !is_dead(b"1 (X) S 1"));
    }

    #[test]
    fn garbage_is_said() {
        for text in [
            &b""[..],
            b"1 (x",
            b"1 (x)",
            b"1 (x) S 1 2",
            b"1 (x) S -1 2 3",
        ] {
            assert!(Stat::parse(text).is_err());
        }
        for text in ["", "1", "1 2", "1 -2 3", "a b c"] {
            assert!(Statm::parse(text).is_err());
        }
        let crossed = Statm::parse("9 3 5 0 0 0 0").expect("fine");
        assert_eq!(crossed.anonymous(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in any::<Vec<u8>>(), cut in 0..LINE.len()) {
            let _ = Stat::parse(&bytes);
            let _ = Stat::parse(&LINE[..cut]);
            let _ = Statm::parse(&String::from_utf8_lossy(&bytes));
        }
    }
}
