//! A scope of our own: where others share our control group, as a shell does in a terminal,
//! systemd can be asked for a group that is ours to divide. It also takes us out of the
//! terminal's, so that a system's killer of whole groups doesn't take the terminal along.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use saferun_executor::guard::{ENVIRONMENT_MARK, SCOPE_MARK};
use saferun_executor::{GroupStanding, RUN_VARIABLE};

use crate::args::ScopeArg;
use crate::error::plain_cause;
use crate::printable::printable;

/// A manager that doesn't answer for so long is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether it has answered.
const LOOK: Duration = Duration::from_millis(5);

/// What there is to decide by.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Whether anybody has asked for it.
    pub(crate) asked: bool,
    /// Whether this process has been moved to one.
    pub(crate) moved: bool,
    /// Whether it is a task of another run, or has a guard that has seen to it.
    pub(crate) bound: bool,
    /// Our own group.
    pub(crate) group: GroupStanding,
    /// Whether we act as root, who asks the system's manager.
    pub(crate) root: bool,
    /// Whether that manager, or the user's, is there.
    pub(crate) manager: bool,
    /// The program that asks it.
    pub(crate) program: Option<PathBuf>,
}

/// What is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// We stay where we are, and nothing is to be said.
    Stay,
    /// We stay where we are, because of this.
    StayBecause(String),
    /// We are in one, and may divide it.
    Settled,
    /// We are in one, but it lacks this.
    Lacking(String),
    /// One is asked for by this program, as the user or as root.
    Ask(PathBuf, bool),
}

/// From facts to what is done.
pub(crate) fn decide(facts: &Facts) -> Decision {
    use Decision::{Ask, Lacking, Settled, Stay, StayBecause};
    if facts.moved {
        // Read back: a manager that has no controllers itself takes the wish and grants none.
        let lacks: Vec<&str> = ["memory", "pids"]
            .into_iter()
            .filter(|wanted| !facts.group.controllers.iter().any(|there| there == wanted))
            .collect();
        return match &facts.group.v2 {
            _ if !lacks.is_empty() => Lacking(format!(
                "the manager has handed down no {} controller",
                lacks.join(" and no ")
            )),
            Err(why) => Lacking(why.clone()),
            Ok(()) => Settled,
        };
    }
    // What would leave the group of the run that it is a task of, would leave its limits.
    if !facts.asked || facts.bound || facts.group.v2.is_ok() {
        return Stay;
    }
    if !facts.group.unified_memory {
        return StayBecause(
            "it is of use only with cgroup v2, which has no memory controller here".into(),
        );
    }
    let Some(program) = &facts.program else {
        return StayBecause("there is no systemd-run to ask for it".into());
    };
    match (facts.manager, facts.root) {
        (true, root) => Ask(program.clone(), root),
        (false, true) => StayBecause("systemd doesn't run here".into()),
        (false, false) => {
            StayBecause("no user manager of systemd runs for us (XDG_RUNTIME_DIR)".into())
        }
    }
}

impl Facts {
    /// As things are.
    pub(crate) fn gather(scope: ScopeArg) -> Self {
        let is_set = |name| std::env::var_os(name).is_some();
        let root = rustix::process::geteuid().is_root();
        let manager = if root {
            Path::new("/run/systemd/system").is_dir()
        } else {
            let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            runtime.is_some_and(|runtime| runtime.join("systemd").is_dir())
        };
        Self {
            asked: scope == ScopeArg::Auto,
            moved: is_set(SCOPE_MARK),
            bound: is_set(RUN_VARIABLE) || is_set(ENVIRONMENT_MARK),
            group: GroupStanding::read(),
            root,
            manager,
            program: find("systemd-run", std::env::var_os("PATH").as_deref()),
        }
    }
}

/// Sees to it, and answers with what is to be said. Where a scope can be had this process becomes
/// systemd-run, which becomes the same command once more within the scope; so it is to be called
/// while nothing has begun.
pub(crate) fn settle(scope: ScopeArg) -> Option<String> {
    if scope == ScopeArg::Never && std::env::var_os(SCOPE_MARK).is_none() {
        return None;
    }
    let refused = |why: String| Some(format!("no scope of our own: {why}"));
    match decide(&Facts::gather(scope)) {
        Decision::Stay | Decision::Settled => None,
        Decision::StayBecause(why) => refused(why),
        Decision::Lacking(what) => Some(format!("the scope of our own is of little use: {what}")),
        Decision::Ask(program, root) => refused(ask(&program, root)),
    }
}

/// Asks for a scope, and returns only with the reason why it can't be had.
fn ask(program: &Path, root: bool) -> String {
    // First with a command that does nothing, since there is no way back once we have become it.
    let mut trial = Command::new(program);
    trial.args(arguments(root)).arg("true");
    if let Err(why) = succeeds(trial) {
        return why;
    }
    let own = match std::env::current_exe() {
        Ok(own) => own,
        Err(error) => return format!("our own program can't be found: {}", plain_cause(&error)),
    };
    let error = Command::new(program)
        .args(arguments(root))
        .arg(own)
        .args(std::env::args_os().skip(1))
        .env(SCOPE_MARK, "1")
        .exec();
    format!("systemd-run can't be started: {}", plain_cause(&error))
}

fn arguments(root: bool) -> impl Iterator<Item = &'static str> {
    let user = if root { None } else { Some("--user") };
    user.into_iter().chain([
        "--scope",
        "--quiet",
        "--collect",
        "-p",
        "Delegate=yes",
        "--",
    ])
}

/// Runs a command without input and output, and says why it failed.
fn succeeds(mut command: Command) -> Result<(), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("systemd-run can't be started: {}", plain_cause(&error)))?;
    let status = wait(&mut child)?;
    if status.success() {
        return Ok(());
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        // What can't be read is left out.
        let _ = stderr.take(4096).read_to_string(&mut said);
    }
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    Err(match line {
        Some(line) => format!("systemd-run says: {}", printable(line.as_ref(), 200)),
        None => format!("systemd-run has failed ({status})"),
    })
}

fn wait(child: &mut Child) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("systemd-run gave no answer in {PATIENCE:?}"));
            }
            Err(error) => return Err(plain_cause(&error)),
        }
    }
}

fn find(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    std::env::split_paths(path?)
        .map(|dir| dir.join(OsString::from(name)))
        .find(|path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            asked: true,
            moved: false,
            bound: false,
            group: GroupStanding {
                v2: Err("others live in our own control group /x too (3 processes)".into()),
                v1: Err("there is none".into()),
                unified_memory: true,
                controllers: vec!["memory".into(), "pids".into()],
            },
            root: false,
            manager: true,
            program: Some("/usr/bin/systemd-run".into()),
        }
    }

    #[test]
    fn a_scope_is_asked_for_where_others_share_our_group() {
        let program = || PathBuf::from("/usr/bin/systemd-run");
        assert_eq!(decide(&facts()), Decision::Ask(program(), false));
        let root = Facts {
            root: true,
            ..facts()
        };
        assert_eq!(decide(&root), Decision::Ask(program(), true));
    }

    #[test]
    fn we_stay_where_nobody_asked_or_nothing_is_to_be_gained_or_a_run_holds_us() {
        let unasked = Facts {
            asked: false,
            ..facts()
        };
        let task = Facts {
            bound: true,
            ..facts()
        };
        let mut usable = facts();
        usable.group.v2 = Ok(());
        for facts in [unasked, task, usable] {
            assert_eq!(decide(&facts), Decision::Stay);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let because = |change: &dyn Fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            match decide(&facts) {
                Decision::StayBecause(why) => why,
                other => panic!("{other:?}"),
            }
        };
        assert!(because(&|facts| facts.group.unified_memory = false).contains("cgroup v2"));
        assert!(because(&|facts| facts.program = None).contains("no systemd-run"));
        assert!(because(&|facts| facts.manager = false).contains("user manager"));
        let as_root = because(&|facts| {
            facts.manager = false;
            facts.root = true;
        });
        assert!(as_root.contains("systemd doesn't run"));
    }

    #[test]
    fn what_was_granted_is_read_back_and_asked_for_once_only() {
        let mut moved = facts();
        moved.moved = true;
        moved.group.v2 = Ok(());
        assert_eq!(decide(&moved), Decision::Settled);
        moved.group.controllers = vec!["memory".into()];
        assert_eq!(
            decide(&moved),
            Decision::Lacking("the manager has handed down no pids controller".into())
        );
        moved.group.controllers.clear();
        assert_eq!(
            decide(&moved),
            Decision::Lacking(
                "the manager has handed down no memory and no pids controller".into()
            )
        );
        let mut shared = facts();
        shared.moved = true;
        assert!(matches!(decide(&shared), Decision::Lacking(why) if why.contains("others live")));
    }

    #[test]
    fn who_asks_in_vain_says_why() {
        assert!(ask(Path::new("/no/such/program"), false).contains("can't be started"));
        // A program that fails without a word.
        let why = succeeds(Command::new("false"));
        assert!(why.is_err_and(|why| why.contains("exit status: 1")));
    }

    #[test]
    fn the_real_one_without_a_manager_fails_in_one_line() {
        let Some(program) = find("systemd-run", std::env::var_os("PATH").as_deref()) else {
            println!("skipped: there is no systemd-run here");
            return;
        };
        if Path::new("/run/systemd").exists() {
            println!("skipped: systemd runs here");
            return;
        }
        let why = ask(&program, true);
        assert!(why.starts_with("systemd-run says: "), "{why}");
        assert_eq!(why.lines().count(), 1, "{why}");
    }
}
