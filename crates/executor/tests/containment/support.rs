//! What the tests share.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};
use saferun_executor::slot::{SlotId, Slots, Tier};
use saferun_executor::spawn::{Child, SpawnError, SpawnRequest, candidates};
use saferun_executor::{Containment, RunId, guard};

/// Far more than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until the condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A driver with memory groups, or why there is none here.
pub(crate) fn groups(id: &RunId) -> Option<Box<dyn Slots>> {
    let (slots, _) = guard::open(Containment::Best, id, None).expect("some containment");
    if slots.tier() == Tier::CgroupV1 {
        return Some(slots);
    }
    println!("skipped: {}", slots.notes().join("; "));
    None
}

/// Starts a shell command in a slot.
pub(crate) fn shell(slots: &mut dyn Slots, slot: SlotId, id: &RunId, command: &str) -> Child {
    start(slots, slot, id, &["sh", "-c", command], &null()).expect("sh starts")
}

pub(crate) fn null() -> File {
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .expect("/dev/null")
}

/// Starts a program in a slot, its output going to a file.
pub(crate) fn start(
    slots: &mut dyn Slots,
    slot: SlotId,
    id: &RunId,
    argv: &[&str],
    output: &File,
) -> Result<Child, SpawnError> {
    let path = std::env::var_os("PATH");
    let candidates = candidates(OsStr::new(argv[0]), path.as_deref()).expect("no NUL");
    let text = |text: String| CString::new(text).expect("no NUL");
    let argv: Vec<CString> = argv.iter().map(|arg| text((*arg).to_owned())).collect();
    let envp = [
        text(format!("SAFERUN_RUN={id}")),
        text(format!("SAFERUN_TASK={}", slot.0)),
        text(format!(
            "PATH={}",
            path.unwrap_or_default().to_string_lossy()
        )),
    ];
    let null = null();
    let request = SpawnRequest {
        candidates: &candidates,
        argv: &argv,
        envp: &envp,
        workdir: None,
        stdin: null.as_fd(),
        stdout: output.as_fd(),
        stderr: output.as_fd(),
    };
    slots.spawn(slot, &request)
}

/// Waits for a child and takes its status.
pub(crate) fn wait(child: &Child) -> WaitIdStatus {
    rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)
        .expect("a child")
        .expect("a status")
}

/// Kills all in a slot until it is empty, and takes the leader's status.
pub(crate) fn kill(slots: &mut dyn Slots, slot: SlotId, child: &Child) {
    until("the slot is empty after a kill", || {
        slots.kill(slot).expect("killed");
        // The status of the leader is taken by whoever started it.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let _ = rustix::process::waitid(WaitId::PidFd(child.pidfd.as_fd()), look);
        slots.is_empty(slot).expect("readable")
    });
}

/// The state letter of a process; `None` when it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The living processes whose environment has this entry.
pub(crate) fn with_environment(entry: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    all.filter_map(|dir| dir.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|&b| b == 0)
                .any(|e| e == entry.as_bytes())
        })
        .collect()
}

/// The directories of a run's groups that are there.
pub(crate) fn group_dirs(id: &str) -> Vec<PathBuf> {
    let own = saferun_memory::OwnGroups::read(&saferun_memory::Roots::default()).expect("groups");
    [own.memory_v1, own.pids_v1, own.freezer_v1, own.unified]
        .into_iter()
        .flatten()
        .map(|group| group.dir.join(format!("saferun-{id}")))
        .filter(|dir| dir.is_dir())
        .collect()
}

/// A runner in a process of its own.
pub(crate) struct Runner {
    pub(crate) process: Process,
    /// Kept open: the runner may write to it.
    _stdout: BufReader<ChildStdout>,
    pub(crate) id: String,
    /// The runner itself, which is a child of `process` where the guard is above it.
    pub(crate) pid: u32,
    pub(crate) has_groups: bool,
}

impl Runner {
    pub(crate) fn start(mode: &str, commands: &[&str]) -> Self {
        let mut process = Command::new(example("runner"))
            .arg(mode)
            .args(commands)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the runner starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.first(), Some(&"ready"), "{line}");
        Self {
            process,
            _stdout: stdout,
            id: words[1].to_owned(),
            pid: words[2].parse().expect("a number"),
            has_groups: line.contains("cgroup"),
        }
    }

    pub(crate) fn mark(&self) -> String {
        format!("SAFERUN_RUN={}", self.id)
    }

    pub(crate) fn kill_runner(&self) {
        signal(self.pid, Signal::KILL);
    }

    /// Ends it in order and returns its exit code.
    pub(crate) fn finish(mut self) -> Option<i32> {
        drop(self.process.stdin.take());
        self.process.wait().expect("a status").code()
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a pid");
    let _ = rustix::process::kill_process(pid, signal);
}

/// An example of this crate; `cargo test` builds them beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("our own path");
    let target = exe
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps");
    let path = target.join("examples").join(name);
    assert!(
        path.exists(),
        "{} isn't built: cargo build -p saferun-executor --examples",
        path.display()
    );
    path
}
