//! What `memory-cleanup` can do only on such a machine: give back the cache of a group of
//! version 2, that of the whole machine, and page out to swap.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use saferun_testbed::size::MIB;
use serde_json::Value;

use crate::Failure;
use crate::cage::{Cage, ROOT};

/// A check that holds says what it measured.
pub(crate) type Check = fn(&Who) -> Result<String, Failure>;

/// The checks by name.
pub(crate) const CHECKS: [(&str, Check); 3] = [
    ("cleanup-group", group_cache),
    ("cleanup-machine", machine_cache),
    ("cleanup-page-out", page_out),
];

/// Who calls it, and where there is room for files.
#[derive(Debug)]
pub(crate) struct Who {
    pub(crate) user: u32,
    pub(crate) scratch: PathBuf,
}

/// The file whose contents are cached.
const FILE: u64 = 200 * MIB;

/// What the idle program holds.
const IDLE: u64 = 128 * MIB;

/// In a cage, whose file cache is given back by `memory.reclaim`; an ordinary user may not, and
/// is told so.
fn group_cache(who: &Who) -> Result<String, Failure> {
    fs::write(
        Path::new(ROOT).join("cgroup.subtree_control"),
        "+memory +pids",
    )?;
    let cage = Cage::new(600 * MIB, (who.user != 0).then_some(who.user))?;
    let file = who.cached_file(cage.path())?;
    let answer = who.force(cage.path(), "page-cache");
    fs::remove_file(file)?;
    let step = step(&answer?)?;
    if who.user != 0 {
        let refused = step["outcome"] == "not-permitted" && step["permit"].is_string();
        return match refused {
            true => Ok("not permitted to an ordinary user".into()),
            false => Err(format!("{step}").into()),
        };
    }
    fell(&step, FILE * 3 / 4, "memory.reclaim")
}

/// Outside of any group root gives the machine's cache back.
fn machine_cache(who: &Who) -> Result<String, Failure> {
    let file = who.cached_file(Path::new(ROOT))?;
    let answer = who.force(Path::new(ROOT), "page-cache");
    fs::remove_file(file)?;
    let step = step(&answer?)?;
    if who.user != 0 {
        let refused = step["outcome"] == "not-permitted" && step["permit"].is_string();
        return match refused {
            true => Ok("not permitted to an ordinary user".into()),
            false => Err(format!("{step}").into()),
        };
    }
    fell(&step, FILE * 3 / 4, "drop_caches")
}

/// An idle program goes to swap where there is any, and is whole afterwards.
fn page_out(who: &Who) -> Result<String, Failure> {
    let mut idle = Idle::start(who)?;
    let before = swap_used()?;
    let step = step(&who.force(Path::new(ROOT), "page-out")?)?;
    if fs::read_to_string("/proc/swaps")?.lines().count() < 2 {
        return match step["why"] == "no swap" {
            true => Ok("without swap nothing is done".into()),
            false => Err(format!("{step}").into()),
        };
    }
    if who.user != 0 {
        return match step["outcome"] == "not-permitted" {
            true => Ok("not permitted to an ordinary user".into()),
            false => Err(format!("{step}").into()),
        };
    }
    let swapped = swap_used()?.saturating_sub(before);
    let figures = fell(&step, IDLE / 2, "process_madvise")?;
    if swapped < IDLE / 2 {
        return Err(format!("only {} MiB are in swap: {step}", swapped / MIB).into());
    }
    let woken = idle.wake()?;
    Ok(format!(
        "{figures}, {} MiB in swap; reading all of it again took {} ms",
        swapped / MIB,
        woken.as_millis()
    ))
}

/// That a step was done and its figure fell by as much.
fn fell(step: &Value, least: u64, by: &str) -> Result<String, Failure> {
    let bytes = |key: &str| step[key].as_u64().unwrap_or(0);
    let (before, after) = (bytes("before_bytes"), bytes("after_bytes"));
    if step["outcome"] != "done" || before.saturating_sub(after) < least {
        return Err(format!("{step}").into());
    }
    Ok(format!(
        "{} MiB -> {} MiB by {by}, can be used {} MiB -> {} MiB",
        before / MIB,
        after / MIB,
        bytes("room_before_bytes") / MIB,
        bytes("room_after_bytes") / MIB
    ))
}

fn step(answer: &Value) -> Result<Value, Failure> {
    let step = answer["steps"].get(0);
    Ok(step.ok_or("there is no step in the answer")?.clone())
}

fn swap_used() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let (total, free) = (kib("SwapTotal:"), kib("SwapFree:"));
    let used = total.zip(free).map(|(total, free)| (total - free) * 1024);
    Ok(used.ok_or("/proc/meminfo says nothing of swap")?)
}

impl Who {
    /// As the user, in a group and in a session of its own.
    fn command(&self, group: &Path) -> Command {
        let mut command = Command::new("/bin/vm-tests");
        command
            .arg("join")
            .arg(group)
            // Only root may join any group, so the user is changed after.
            .arg(self.user.to_string())
            .arg("setsid")
            .stdin(Stdio::null());
        command
    }

    /// `memory-cleanup --force --json --only STEP`.
    fn force(&self, group: &Path, step: &str) -> Result<Value, Failure> {
        let output = self
            .command(group)
            .args(["/bin/memory-cleanup", "--force", "--json", "--only", step])
            .output()?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("{}: {error}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Writes a file in a group, which then holds its contents in cache.
    fn cached_file(&self, group: &Path) -> Result<PathBuf, Failure> {
        let file = self.scratch.join("cached");
        let status = self
            .command(group)
            .args(["dd", "if=/dev/zero", "bs=1M"])
            .arg(format!("count={}", FILE / MIB))
            .arg(format!("of={}", file.display()))
            .stderr(Stdio::null())
            .status()?;
        match status.success() {
            true => Ok(file),
            false => Err(format!("dd: {status}").into()),
        }
    }
}

/// Holds memory without touching it until its input is closed, then reads all of it.
pub(crate) fn hold() -> ExitCode {
    let held: Vec<u64> = (0..IDLE / 8).collect();
    println!("ready");
    let read = io::stdin().read_to_end(&mut Vec::new());
    let sum = held
        .iter()
        .fold(0, |sum: u64, word| sum.wrapping_add(*word));
    println!("{sum}");
    match read {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// A process that holds memory and sleeps.
struct Idle(Child);

impl Idle {
    fn start(who: &Who) -> Result<Self, Failure> {
        let mut child = who
            .command(Path::new(ROOT))
            .args(["/bin/vm-tests", "hold"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ready = line(&mut child)?;
        let idle = Self(child);
        match ready == "ready" {
            true => Ok(idle),
            false => Err(format!("the idle program said {ready:?}").into()),
        }
    }

    /// Has it read all that it holds, and says how long that took.
    fn wake(&mut self) -> Result<Duration, Failure> {
        let start = Instant::now();
        drop(self.0.stdin.take());
        let sum = line(&mut self.0)?;
        let count = IDLE / 8;
        match sum == (count * (count - 1) / 2).to_string() {
            true => Ok(start.elapsed()),
            false => Err(format!("what came back is not what went: {sum:?}").into()),
        }
    }
}

/// What it says in one line.
fn line(child: &mut Child) -> Result<String, Failure> {
    let stream = child.stdout.as_mut().ok_or("no output")?;
    let mut text = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte)? == 1 && byte != *b"\n" {
        text.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
