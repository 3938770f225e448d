//! How much of what processes hold is counted more than once, because they share it since a fork.
//!
//! Only the kernel's walk over all pages of a process tells that (`smaps_rollup`, proc_pid_smaps(5)):
//! about 4 ms for 100 MiB. The loop, whose readings are all that stops growth here, has no time
//! for it; so a thread reads it.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

/// A process of a tree that is not mistaken for a later one: its faults are its own.
pub(super) type Pid = u32;

/// What is to be read: the processes of one tree.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) leader: Pid,
    /// Which reading of this tree it is.
    pub(super) number: u64,
    pub(super) pids: Vec<Pid>,
}

/// What was read of one tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    pub(super) leader: Pid,
    pub(super) number: u64,
    /// What a sum over its processes counts too much, in bytes.
    pub(super) twice_bytes: u64,
    /// How often each process had touched a page that was not there or not its own, just before
    /// its pages were looked at.
    pub(super) faults: BTreeMap<Pid, u64>,
    /// The CPU time that it took.
    pub(super) took: Duration,
}

/// The thread that reads.
#[derive(Debug)]
pub(super) struct Reader {
    requests: mpsc::Sender<Request>,
    answers: mpsc::Receiver<Answer>,
}

impl Reader {
    /// Starts the thread; `None` where there can be none. It ends when this is dropped.
    pub(super) fn start() -> Option<Self> {
        let (requests, incoming) = mpsc::channel::<Request>();
        let (outgoing, answers) = mpsc::channel();
        std::thread::Builder::new()
            .name("shares".into())
            .stack_size(128 * 1024)
            .spawn(move || {
                for request in incoming {
                    if outgoing.send(answer(request)).is_err() {
                        break;
                    }
                }
            })
            .ok()?;
        Some(Self { requests, answers })
    }

    /// Whether the thread took it.
    pub(super) fn ask(&self, request: Request) -> bool {
        self.requests.send(request).is_ok()
    }

    /// What has been read since the last time.
    pub(super) fn answers(&self) -> impl Iterator<Item = Answer> {
        self.answers.try_iter()
    }
}

fn answer(request: Request) -> Answer {
    let begun = cpu_time();
    let mut answer = Answer {
        leader: request.leader,
        number: request.number,
        ..Answer::default()
    };
    for pid in request.pids {
        // The faults first: what is touched while the pages are looked at must not be missed.
        let Some(faults) = faults_of(pid) else {
            continue;
        };
        let twice = std::fs::read(format!("/proc/{pid}/smaps_rollup"))
            .ok()
            .and_then(|text| twice_bytes(&String::from_utf8_lossy(&text)));
        // What may not be looked at, or is gone, is in the sum as it stands.
        if let Some(twice) = twice {
            answer.twice_bytes = answer.twice_bytes.saturating_add(twice);
            answer.faults.insert(pid, faults);
        }
    }
    answer.took = cpu_time().saturating_sub(begun);
    answer
}

/// Of this thread. That it had to wait for a core while others used it costs nobody anything.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or(Duration::ZERO)
}

/// How many pages a process has touched that were not there or not its own, its threads'
/// included; `None` when it is gone.
pub(super) fn faults_of(pid: Pid) -> Option<u64> {
    faults(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// The tenth field of proc_pid_stat(5); the name, the second, may hold anything.
fn faults(stat: &[u8]) -> Option<u64> {
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(7)?.parse().ok()
}

/// Anonymous memory less the process's share of it. Kernels before 5.3 don't tell the share of
/// anonymous memory apart from that of files, which isn't in the sum that is corrected.
fn twice_bytes(rollup: &str) -> Option<u64> {
    let kib = |key: &str| {
        let rest = rollup.lines().find_map(|line| line.strip_prefix(key))?;
        let number = rest.strip_prefix(':')?.trim().strip_suffix("kB")?;
        number.trim_end().parse::<u64>().ok()
    };
    let held = kib("Anonymous")?;
    Some(held.saturating_sub(kib("Pss_Anon")?).saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROLLUP: &str = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\n\
        Rss:              107616 kB\nPss:               19359 kB\nPss_Anon:          17196 kB\n\
        Pss_File:           2162 kB\nAnonymous:        102852 kB\nAnonHugePages:         0 kB\n";

    #[test]
    fn what_is_counted_twice_is_what_is_held_less_the_share() {
        assert_eq!(twice_bytes(ROLLUP), Some((102_852 - 17_196) * 1024));
        let old: String = ROLLUP
            .lines()
            .filter(|line| !line.starts_with("Pss_A"))
            .collect();
        assert_eq!(twice_bytes(&old), None);
    }

    #[test]
    fn faults_stand_behind_any_name() {
        let faults = |text: &str| faults(text.as_bytes());
        assert_eq!(faults("7 (a b) c) S 1 7 7 0 -1 41 1234 5 6 7"), Some(1234));
        assert_eq!(faults("7 (a) S 1"), None);
        assert!(faults_of(std::process::id()).is_some_and(|faults| faults > 0));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String, bytes: Vec<u8>) {
            let _ = twice_bytes(&text);
            let _ = twice_bytes(&format!("Anonymous:{text}kB\nPss_Anon: 18446744073709551615 kB"));
            let _ = faults(&bytes);
        }
    }
}
