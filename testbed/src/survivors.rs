//! Finding what is left of a family of processes, however it hid.
//!
//! A marker in the environment is inherited through double forks, new sessions and new parents, so
//! it finds what neither a process group nor a parent's list of children shows.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};

/// The environment variable that carries the marker.
pub const VARIABLE: &str = "SAFERUN_TESTBED_MARK";

/// A marker of our own, unlike any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker(String);

impl Marker {
    /// A marker that nothing else carries.
    #[must_use]
    pub fn unique() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let nanos = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| since.as_nanos());
        Self(format!("{}-{count}-{nanos}", std::process::id()))
    }

    /// Lets the command and all that descends from it carry the marker.
    pub fn mark(&self, command: &mut Command) {
        command.env(VARIABLE, &self.0);
    }

    /// Everything alive that carries the marker, except the caller. Zombies don't count: they
    /// hold nothing but a line in a table.
    #[must_use]
    pub fn alive(&self) -> Vec<Survivor> {
        let wanted = format!("{VARIABLE}={}", self.0);
        let own = std::process::id();
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|&pid| pid != own && carries(pid, wanted.as_bytes()))
            .map(|pid| Survivor {
                pid,
                command: command_line(pid),
            })
            .collect()
    }

    /// Polls until nothing carries the marker or the time is up; what is alive then.
    ///
    /// Processes that replace themselves can be between two lives while they are looked for, so
    /// only several empty looks in a row count.
    #[must_use]
    pub fn wait_gone(&self, patience: Duration) -> Vec<Survivor> {
        let deadline = Instant::now() + patience;
        let mut empty_looks = 0;
        loop {
            let alive = self.alive();
            empty_looks = if alive.is_empty() { empty_looks + 1 } else { 0 };
            if empty_looks == EMPTY_LOOKS || Instant::now() >= deadline {
                return alive;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills everything that carries the marker, for as long as something does, at most 5 s.
    ///
    /// A process that is just becoming another program shows no environment for a moment, so
    /// only several empty looks in a row count.
    pub fn kill_all(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut empty_looks = 0;
        while empty_looks < EMPTY_LOOKS && Instant::now() < deadline {
            let alive = self.alive();
            empty_looks = if alive.is_empty() { empty_looks + 1 } else { 0 };
            for survivor in alive {
                kill(survivor.pid);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// So many looks in a row must find nothing.
const EMPTY_LOOKS: u32 = 3;

/// A process that is still alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its process id.
    pub pid: u32,
    /// Its command line, for the message of a failing test.
    pub command: String,
}

/// Sends SIGKILL; that the process has just gone is no error.
pub(crate) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _gone = kill_process(pid, Signal::KILL);
    }
}

fn carries(pid: u32, wanted: &[u8]) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|&b| b == 0).any(|entry| entry == wanted))
}

fn command_line(pid: u32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> = raw
        .split(|&b| b == 0)
        .map(String::from_utf8_lossy)
        .collect();
    words.join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_a_session_of_its_own_is_found_and_ended() {
        let marker = Marker::unique();
        let mut command = Command::new("sh");
        command.args(["-c", "setsid sleep 60 & exit 0"]);
        marker.mark(&mut command);
        assert!(command.status().expect("sh runs").success());
        let deadline = Instant::now() + Duration::from_secs(5);
        // While it becomes another program it shows no environment, so only a steady look counts.
        while marker.alive().len() != 1 {
            assert!(Instant::now() < deadline, "{:?}", marker.alive());
            thread::sleep(Duration::from_millis(2));
        }
        marker.kill_all();
        assert_eq!(marker.wait_gone(Duration::from_secs(5)), Vec::new());
    }

    #[test]
    fn markers_differ() {
        assert_ne!(Marker::unique(), Marker::unique());
    }
}
