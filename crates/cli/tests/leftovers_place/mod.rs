//! Where the tests of leftovers grow theirs: all processes are real, copies of `sleep` under names
//! that rules know.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use saferun_testbed::program;
use serde_json::Value;
use tempfile::TempDir;

/// Copies of `sleep`.
const SLEEPERS: [&str; 3] = ["mcp-server-test", "my-mcp-server-test-notes", "helper"];
/// A copy of the shell, so that scripts are told from those of others.
pub(crate) const SHELL: &str = "forker";

/// A place with programs that rules know, and those rules. What was started in it is ended with
/// it, by the path of its executable.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) children: Vec<Child>,
}

impl Place {
    pub(crate) fn new(older_than: &str, may_listen: bool) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            children: Vec::new(),
        };
        for name in SLEEPERS {
            program::copy("/bin/sleep".as_ref(), &place.path(name)).unwrap();
        }
        program::copy("/bin/sh".as_ref(), &place.path(SHELL)).unwrap();
        fs::write(
            place.path("rules.toml"),
            format!(
                "[[rule]]\nname = \"test helper\"\nkind = \"mcp-server\"\n\
                 programs = [\"mcp-server-test\"]\nscripts = [\"mcp_test_listener.js\"]\n\
                 older_than = \"{older_than}\"\nmay_listen = {may_listen}\n"
            ),
        )
        .unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A shell script in a session of its own, with `$D` for the place, waited for.
    pub(crate) fn sh(&self, script: &str, environment: &[(&str, &str)]) {
        let status = self.command(script, environment).status().unwrap();
        assert!(status.success(), "{script}");
    }

    pub(crate) fn command(&self, script: &str, environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new("env");
        command
            // Under nohup all of these would look as if they were meant to stay.
            .args(["--default-signal=HUP", "setsid", "sh", "-c", script])
            .env("D", self.dir.path())
            .env_remove("SAFERUN_RUN")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The processes whose executable lies here, or that write here what they are.
    pub(crate) fn pids(&self, name: &str) -> Vec<u32> {
        pids_of(&self.path(name))
    }

    /// Waits until so many processes of the program are there.
    pub(crate) fn await_count(&self, name: &str, count: usize) -> Vec<u32> {
        let begun = Instant::now();
        loop {
            let pids = self.pids(name);
            if pids.len() == count {
                return pids;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{name}: {pids:?}, not {count}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Leftovers are always named here: those of whoever runs these tests are none of theirs.
    pub(crate) fn memory_cleanup(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("memory-cleanup"));
        command
            .arg("--rules")
            .arg(self.path("rules.toml"))
            .args(arguments)
            .env_remove("SAFERUN_RUN")
            .stdin(Stdio::null());
        command.output().unwrap()
    }

    pub(crate) fn found(&self) -> Report {
        let output = self.memory_cleanup(&["--json"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        Report(serde_json::from_slice(&output.stdout).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        // The shells first: they start the others.
        for name in [SHELL].iter().chain(&SLEEPERS) {
            for pid in self.pids(name) {
                kill(pid);
            }
        }
    }
}

/// What `--json` says.
pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn is_found(&self, pid: u32) -> bool {
        let found = self.0["leftovers"]["found"].as_array().unwrap();
        found
            .iter()
            .any(|row| row["pids"].as_array().unwrap().contains(&pid.into()))
    }

    pub(crate) fn kept_because(&self, pid: u32) -> Option<String> {
        let kept = self.0["leftovers"]["kept"].as_array().unwrap();
        let row = kept.iter().find(|row| row["pid"] == pid)?;
        Some(row["why"].as_str().unwrap().to_owned())
    }
}

fn pids_of(executable: &Path) -> Vec<u32> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == executable) {
            pids.push(pid);
        }
    }
    pids
}

/// Ends a process that a test has started.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

fn parent(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    rest.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Where orphans don't fall to PID 1 (below a subreaper) nothing can be shown.
pub(crate) fn orphans_fall_to_init(pid: u32) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if parent(pid) == 1 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    eprintln!("skipped: orphans don't fall to PID 1 here");
    false
}

/// A shell gives `/dev/null` to what it starts in the background, unless told otherwise.
pub(crate) const TALKED_TO: &str = "exec 3<&0; \"$D/mcp-server-test\" 600 <&3 3<&- & exit 0";
/// An orphan that the rule names.
pub(crate) const ORPHAN: &str = "\"$D/mcp-server-test\" 600 & exit 0";
