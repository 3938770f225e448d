//! Garbage of Java programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::node::{held, is_there, settled};
use super::{About, Figure, Outcome, Prospect, Step, Taken};
use crate::bytes::show;
use crate::census::Census;
use crate::holders::sanitised;
use crate::process::ProcessId;
use crate::program::Program;
use crate::roots::Roots;

/// Starting `jcmd` takes half a second, collecting a large heap several.
const PATIENCE: Duration = Duration::from_secs(30);

/// Has the Java programs of our user collect their garbage (`jcmd PID GC.run`).
///
/// It needs `jcmd` of a JDK on the path, and being the same user. The program stands still while
/// it collects; how much of its heap it then gives back depends on its collector.
#[derive(Debug)]
pub struct Jvm {
    roots: Roots,
    seen: Option<Vec<Found>>,
}

#[derive(Debug, Clone)]
struct Found {
    id: ProcessId,
    name: String,
    bytes: u64,
}

impl Jvm {
    /// Of the system with these files.
    pub fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            seen: None,
        }
    }

    /// With a census that was taken a moment ago, so that a look needs none of its own. Taking
    /// the step looks anew in any case.
    pub fn seen_in(mut self, census: &Census) -> Self {
        self.seen = Some(jvms(census, &self.roots));
        self
    }

    fn find(&self) -> Result<(PathBuf, Vec<Found>), Outcome> {
        let census =
            Census::take(&self.roots).map_err(|error| Outcome::failed(error.to_string()))?;
        with_jcmd(jvms(&census, &self.roots))
    }
}

fn jvms(census: &Census, roots: &Roots) -> Vec<Found> {
    census
        .processes()
        .filter(|process| process.user == census.own_user() && !process.zombie)
        .filter(|process| process.called().to_string_lossy().contains("java"))
        .filter_map(|process| {
            let program = Program::of(process, roots);
            (program.executable == "java").then(|| Found {
                id: process.id,
                name: format!("{} ({})", sanitised(&program.short()), process.id.pid),
                bytes: process.rss_bytes,
            })
        })
        .collect()
}

fn with_jcmd(found: Vec<Found>) -> Result<(PathBuf, Vec<Found>), Outcome> {
    if found.is_empty() {
        return Err(Outcome::nothing("no Java program of ours runs"));
    }
    match on_path("jcmd") {
        Some(jcmd) => Ok((jcmd, found)),
        None => Err(Outcome::not_here("there is no jcmd on the path")),
    }
}

impl Step for Jvm {
    fn name(&self) -> &'static str {
        "jvm"
    }

    fn about(&self) -> About {
        About {
            does: "has Java programs of ours collect their garbage",
            needs: "jcmd of a JDK",
            costs: "each stands still while it collects",
            figure: Figure::Held,
        }
    }

    fn look(&mut self) -> Prospect {
        let found = match &self.seen {
            Some(seen) => with_jcmd(seen.clone()),
            None => self.find(),
        };
        match found {
            Err(outcome) => Prospect::none(outcome),
            Ok((_, found)) => Prospect {
                acts: found
                    .iter()
                    .map(|jvm| format!("collect in {} (jcmd {} GC.run)", jvm.name, jvm.id.pid))
                    .collect(),
                at_most_bytes: Some(found.iter().map(|jvm| jvm.bytes).sum()),
                hindrance: None,
            },
        }
    }

    fn take(&mut self) -> Taken {
        let (jcmd, found) = match self.find() {
            Ok(found) => found,
            Err(outcome) => return Taken::not(outcome),
        };
        let mut taken = Taken::not(Outcome::Done);
        let mut failures = Vec::new();
        let (mut before, mut after) = (0_u64, 0_u64);
        for jvm in &found {
            let held_before = held(&self.roots, jvm.id);
            match collect(&jcmd, jvm.id.pid) {
                // It has ended meanwhile.
                Err(_) if !is_there(&self.roots, jvm.id) => {}
                Err(why) => failures.push(format!("{}: {why}", jvm.name)),
                Ok(()) => {
                    let held_after = settled(|| held(&self.roots, jvm.id));
                    before = before.saturating_add(held_before);
                    after = after.saturating_add(held_after);
                    taken.acts.push(format!(
                        "collected in {}: held {} -> {}",
                        jvm.name,
                        show(held_before),
                        show(held_after)
                    ));
                }
            }
        }
        if !taken.acts.is_empty() {
            taken.before_bytes = Some(before);
            taken.after_bytes = Some(after);
        }
        if taken.acts.is_empty() {
            taken.outcome = Outcome::nothing("no Java program of ours runs any more");
        }
        if !failures.is_empty() {
            taken.outcome = Outcome::failed(failures.join("; "));
        }
        taken
    }
}

fn collect(jcmd: &PathBuf, pid: u32) -> Result<(), String> {
    let mut child = Command::new(jcmd)
        .args([&pid.to_string(), "GC.run"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("jcmd can't be started: {error}"))?;
    if !ends(child.id()) {
        // It may have ended by itself just now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("jcmd took more than {} s", PATIENCE.as_secs()));
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("jcmd ended with {status}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Waits for a child's end, for a time.
fn ends(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    let timeout = Timespec {
        tv_sec: i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    loop {
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(count) => return count > 0,
            Err(_) => return false,
        }
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}
