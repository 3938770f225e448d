//! The readers on the system that the tests run on, with real processes that hold real memory.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use saferun_memory::{
    GroupV1, LimitKind, Machine, OwnGroups, PressureReader, ProcessTable, Roots, kernel_kills,
    session_use,
};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// `tail` keeps what has no line break, until its input ends.
const HOLD_64_MIB: &str = "(head -c 64M /dev/zero; sleep 60) | tail -n 1";

/// A shell and all that it starts; ended and waited for when dropped.
struct Shell(Child);

impl Shell {
    fn start(script: &str, args: &[&Path], mark: Option<&str>) -> Self {
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .args(args)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some((name, value)) = mark.and_then(|mark| mark.split_once('=')) {
            command.env(name, value);
        }
        Self(command.spawn().expect("sh can be started"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn end(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = Pid::from_child(&self.0);
        // It may have ended by itself.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.end();
    }
}

/// Looks again until it is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn this_machine_has_memory_and_its_figures_agree() {
    let mut machine = Machine::open(&Roots::default()).expect("opened");
    let reading = machine.read().expect("read");
    assert!(reading.total_bytes > 64 * MIB);
    assert!(reading.available_bytes <= reading.total_bytes);
    assert!(reading.room_bytes() <= reading.available_bytes);
    assert!(reading.limit_bytes() <= reading.total_bytes);
    kernel_kills().expect("counted");
}

#[test]
fn a_tree_holds_what_its_processes_touched() {
    let mut shell = Shell::start(HOLD_64_MIB, &[], None);
    let root = shell.pid();
    let mut table = ProcessTable::open(&Roots::default(), None).expect("opened");
    table.add(root, &[]).expect("added");
    let held = until("a tree of 64 MiB", || {
        table.find().expect("found");
        let held = table.use_of(root).expect("read");
        (held.bytes >= 64 * MIB).then_some(held)
    });
    assert!(held.bytes < 80 * MIB, "{held:?}");
    assert!(held.processes >= 3, "{held:?}");
    // `head` may be just ending, and an ending process can't be asked for its share.
    let share = until("the shares of all", || {
        table.find().expect("found");
        let share = table.proportional_use_of(root).expect("read");
        (share.estimated == 0).then_some(share)
    });
    assert!(
        share.bytes >= 64 * MIB && share.bytes < 90 * MIB,
        "{share:?}"
    );
    until("processor time", || {
        (table.cpu_of(root).expect("read") > Duration::ZERO).then_some(())
    });

    shell.end();
    until("an empty tree", || {
        table.find().expect("found");
        (table.use_of(root).expect("read").processes == 0).then_some(())
    });
}

#[test]
fn what_gets_away_by_a_double_fork_is_found_by_its_mark() {
    // Orphans of this process's descendants fall to it from now on, and not to PID 1.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("allowed");
    let mark = format!("SAFERUN_TASK=live-{}", std::process::id());
    let mut shell = Shell::start("(setsid sleep 60 &); exit 0", &[], Some(&mark));
    let root = shell.pid();
    // All between it and us has ended before anybody looked.
    shell.0.wait().expect("it ends by itself");
    let mut table =
        ProcessTable::open(&Roots::default(), Some(std::process::id())).expect("opened");
    table.add(root, &[mark.as_bytes()]).expect("added");
    let stray = until("the one that got away", || {
        table.find().expect("found");
        table.processes_of(root).next()
    });
    let pid = i32::try_from(stray.pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a number");
    rustix::process::kill_process(pid, Signal::KILL).expect("it is ours");
    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty())
        .expect("it has become our child");
    table.find().expect("found");
    assert!(table.processes_of(root).all(|id| id != stray));
}

#[test]
fn our_session_holds_at_least_ourselves() {
    let held = session_use(&Roots::default()).expect("read");
    assert!(held.processes >= 1 && held.bytes > MIB, "{held:?}");
}

#[test]
fn pressure_of_this_machine() {
    let Some(reader) = PressureReader::machine(&Roots::default()).expect("opened") else {
        println!("skipped: this kernel doesn't tell pressure");
        return;
    };
    let Some(pressure) = reader.read().expect("read") else {
        println!("skipped: pressure is switched off");
        return;
    };
    assert!(pressure.full.total <= pressure.some.total);
    assert!((0.0..=100.0).contains(&pressure.some.avg10));
}

/// A v1 memory group below our own; removed when dropped.
struct LimitedGroup(PathBuf);

impl LimitedGroup {
    /// `None`, with the reason printed, where that isn't possible.
    fn make(limit: u64) -> Option<Self> {
        let own = OwnGroups::read(&Roots::default()).expect("readable");
        let Some(own) = own.memory_v1.filter(|own| own.exact) else {
            println!("skipped: no memory controller of cgroup v1");
            return None;
        };
        let dir = own
            .dir
            .join(format!("saferun-memory-test-{}", std::process::id()));
        if let Err(cause) = fs::create_dir(&dir) {
            println!(
                "skipped: no group can be made in {}: {cause}",
                own.dir.display()
            );
            return None;
        }
        let group = Self(dir);
        fs::write(group.0.join("memory.limit_in_bytes"), limit.to_string()).expect("a limit");
        Some(group)
    }

    fn remove(&self) {
        until("an empty group", || match fs::remove_dir(&self.0) {
            Ok(()) => Some(()),
            Err(cause) => (cause.kind() == std::io::ErrorKind::NotFound).then_some(()),
        });
    }
}

impl Drop for LimitedGroup {
    fn drop(&mut self) {
        // A failed test has left it; its processes are ended by now.
        let _ = fs::remove_dir(&self.0);
    }
}

/// The system as another process sees it.
fn seen_by(pid: u32) -> (TempDir, Roots) {
    let dir = TempDir::new().expect("a temporary directory");
    let link = std::os::unix::fs::symlink::<String, PathBuf>;
    link(format!("/proc/{pid}"), dir.path().join("self")).expect("a link");
    link("/proc/meminfo".into(), dir.path().join("meminfo")).expect("a link");
    let roots = Roots {
        proc: dir.path().to_path_buf(),
        ..Roots::default()
    };
    (dir, roots)
}

#[test]
fn a_real_group_of_cgroup_v1() {
    let Some(limited) = LimitedGroup::make(256 * MIB) else {
        return;
    };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let script = format!(
        "echo $$ > \"$1/cgroup.procs\" || exit; head -c 24M /dev/zero > \"$2\"; {HOLD_64_MIB}"
    );
    let mut shell = Shell::start(&script, &[&limited.0, file.path()], None);
    let group = GroupV1::open(&limited.0).expect("a group");
    let used = until("64 MiB in the group", || {
        let cache = group.file_cache_bytes().expect("cache");
        let used = group.usage_bytes().expect("usage").saturating_sub(cache);
        (used >= 64 * MIB).then_some(used)
    });
    assert!(used < 84 * MIB, "{used}");
    if on_tmpfs(file.path()) {
        println!("skipped in part: temporary files are memory here");
    } else {
        until("the file in the cache", || {
            (group.file_cache_bytes().expect("cache") >= 20 * MIB).then_some(())
        });
    }
    assert!(group.peak_bytes().expect("peak") >= 64 * MIB);
    assert_eq!(group.limit().expect("limit").bytes(), Some(256 * MIB));
    let oom = group.oom().expect("oom");
    assert!(!oom.under_oom && oom.kills == 0);

    let (_dir, roots) = seen_by(shell.pid());
    let reading = Machine::open(&roots).expect("opened").read().expect("read");
    let seen = &reading.groups[0];
    assert_eq!(
        (seen.kind, seen.limit_bytes),
        (LimitKind::V1Limit, 256 * MIB)
    );
    assert_eq!(seen.path, limited.0);
    assert!(reading.room_bytes() <= 192 * MIB, "{reading:?}");

    shell.end();
    limited.remove();
    assert!(group.usage_bytes().expect_err("removed").is_gone());
    assert!(group.file_cache_bytes().expect_err("removed").is_gone());
}

fn on_tmpfs(path: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    rustix::fs::statfs(path).is_ok_and(|fs| i128::from(fs.f_type) == TMPFS)
}
