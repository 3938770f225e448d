//! The small machine that a run is played in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use saferun_testbed::cage::Cage as MemoryGroup;

/// A group with a limit on memory; which kind is for whoever makes it.
pub trait Cage {
    /// A command that joins the cage, and is whoever is to run there, before it becomes `program`.
    fn command(&self, program: &Path) -> Command;

    /// The kernel's kills, by group. A group may go and take its count along, so the highest that
    /// was ever seen of each counts.
    fn kills(&self) -> Vec<(PathBuf, u64)>;

    /// The bytes in use now.
    fn used(&self) -> u64;

    /// What a run has left in the cage after this time, in words.
    fn left(&self, patience: Duration) -> Vec<String>;
}

impl Cage for MemoryGroup {
    fn command(&self, program: &Path) -> Command {
        MemoryGroup::command(self, program)
    }

    fn kills(&self) -> Vec<(PathBuf, u64)> {
        self.groups()
            .into_iter()
            .chain([self.path().to_owned()])
            .map(|group| {
                let text = fs::read_to_string(group.join("memory.oom_control")).unwrap_or_default();
                let kills = text
                    .lines()
                    .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
                (group, kills.unwrap_or(0))
            })
            .collect()
    }

    fn used(&self) -> u64 {
        self.usage().unwrap_or(0)
    }

    fn left(&self, patience: Duration) -> Vec<String> {
        let deadline = Instant::now() + patience;
        loop {
            let groups = self.groups();
            if groups.is_empty() || Instant::now() > deadline {
                return groups
                    .iter()
                    .map(|group| group.display().to_string())
                    .collect();
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
