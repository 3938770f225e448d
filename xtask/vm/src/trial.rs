//! One run of the program, with what is counted about it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use saferun_testbed::kills::kernel_kills;
use saferun_testbed::survivors::Marker;

use crate::Failure;

/// The program.
pub(crate) const SAFERUN: &str = "/bin/saferun";

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(150);

/// What a run is given.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    /// The group that it is started in.
    pub(crate) group: &'a Path,
    /// Who runs it.
    pub(crate) user: u32,
    /// Arguments after `run`.
    pub(crate) arguments: &'a [&'a str],
    /// What it reads.
    pub(crate) input: &'a str,
    /// Where it may write, and where its tasks do.
    pub(crate) scratch: &'a Path,
}

/// What it showed.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) wall: Duration,
    /// The exit code; `None` if a signal ended it or it hung.
    pub(crate) code: Option<i32>,
    /// Kills by the kernel meanwhile, anywhere.
    pub(crate) kills: u64,
    /// Processes left behind.
    pub(crate) left: usize,
    /// Attempts that were run again.
    pub(crate) restarts: u64,
    /// The containment that it says it uses.
    pub(crate) tier: String,
    /// What it said last, for a test that fails.
    pub(crate) last: String,
}

impl Trial<'_> {
    /// Starts it and everything that it starts carries the marker.
    pub(crate) fn start(&self, marker: &Marker) -> Result<Child, Failure> {
        let input = self.scratch.join("input");
        fs::write(&input, self.input)?;
        let mut command = program(self.group, self.user);
        command
            .arg("run")
            .args(self.arguments)
            .current_dir(self.scratch)
            .stdin(File::open(&input)?)
            .stdout(Stdio::null())
            .stderr(File::create(self.events())?);
        marker.mark(&mut command);
        Ok(command.spawn()?)
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Result<Outcome, Failure> {
        let marker = Marker::unique();
        let kills = kernel_kills()?;
        let start = Instant::now();
        let mut child = self.start(&marker)?;
        let mut status = None;
        while status.is_none() && start.elapsed() < PATIENCE {
            status = child.try_wait()?;
            std::thread::sleep(Duration::from_millis(10));
        }
        if status.is_none() {
            child.kill()?;
            child.wait()?;
        }
        let wall = start.elapsed();
        let left = marker.wait_gone(Duration::from_secs(2));
        marker.kill_all();
        let events = fs::read_to_string(self.events())?;
        Ok(Outcome {
            wall,
            code: status.and_then(|status| status.code()),
            kills: kernel_kills()?.saturating_sub(kills),
            left: left.len(),
            restarts: number(&events, "restarted") + number(&events, "victims"),
            tier: text(&events, "containment"),
            last: events.lines().last().unwrap_or_default().to_owned(),
        })
    }

    fn events(&self) -> PathBuf {
        self.scratch.join("events")
    }
}

/// The program in a group, as a user.
pub(crate) fn program(group: &Path, user: u32) -> Command {
    let mut command = Command::new("/bin/vm-tests");
    command
        .arg("join")
        .arg(group)
        .arg(user.to_string())
        .arg(SAFERUN);
    command
}

/// The last number of this name in JSON lines, anywhere.
fn number(events: &str, name: &str) -> u64 {
    values(events)
        .filter_map(|value| find(&value, name)?.as_u64())
        .last()
        .unwrap_or(0)
}

/// The first text of this name.
fn text(events: &str, name: &str) -> String {
    values(events)
        .find_map(|value| Some(find(&value, name)?.as_str()?.to_owned()))
        .unwrap_or_default()
}

fn values(events: &str) -> impl Iterator<Item = serde_json::Value> {
    events
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
}

fn find<'v>(value: &'v serde_json::Value, name: &str) -> Option<&'v serde_json::Value> {
    let fields = value.as_object()?;
    fields
        .get(name)
        .or_else(|| fields.values().find_map(|field| find(field, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_wherever_they_stand() {
        let events = "{\"containment\":\"cgroup v2\"}\nno json\n{\"report\":{\"restarted\":3}}\n{}";
        assert_eq!(number(events, "restarted"), 3);
        assert_eq!(number(events, "victims"), 0);
        assert_eq!(text(events, "containment"), "cgroup v2");
    }
}
