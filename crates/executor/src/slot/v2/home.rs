//! Where this process lives in the unified tree, and how room for a run is made there.
//!
//! In cgroup v2 a group that hands controllers down holds no processes of its own (the root
//! alone may), so a run's groups can be limited only when we leave our own group for a child of
//! it, our *home*. That is done only where nobody else lives in our group: a stranger's group is
//! not for us to arrange. What was changed stands in an extended attribute of the group, so that
//! whoever leaves last puts it back: the runner at its end, or the guard when the runner is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, XattrFlags};
use rustix::io::Errno;
use saferun_memory::GroupPath;

use crate::run_id::RunId;
use crate::slot::v1::files;
use crate::slot::v1::group::{self, PREFIX};

/// What a home's name adds to its run's. With it the name has no longer the form of a run's, so
/// that no sweeper takes it for one.
const HOME: &str = "-home";

/// Holds the controllers that were handed down for our sake (kernels since 5.7 keep it).
const ENABLED: &str = "user.saferun.enabled";

/// The controllers that a run can use; only the first is needed.
const WANTED: [&str; 2] = ["memory", "pids"];

/// How often a group that others are busy with is tried to be locked, and how long between.
const TRIES: u32 = 100;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

/// Our own group, if a run's groups can be made below it.
///
/// # Errors
///
/// Why not, in words for a person.
pub(crate) fn usable(own: Option<&GroupPath>) -> Result<&GroupPath, String> {
    let own = own.ok_or("no control groups are mounted here")?;
    let shown = own.dir.display();
    if !own.exact {
        return Err("our own control group can't be seen from here".into());
    }
    if !own.has("memory") {
        return Err(format!(
            "the memory controller of cgroup v2 isn't handed down to our own group {shown}"
        ));
    }
    // What counts is who we act as.
    let (write, flags) = (rustix::fs::Access::WRITE_OK, AtFlags::EACCESS);
    for file in ["", "cgroup.procs", "cgroup.subtree_control"] {
        rustix::fs::accessat(rustix::fs::CWD, own.dir.join(file), write, flags).map_err(
            |error| {
                format!(
                    "our own control group {shown} isn't ours ({error}){}",
                    hint()
                )
            },
        )?;
    }
    if !is_root(&own.dir) {
        let kind = std::fs::read_to_string(own.dir.join("cgroup.type"));
        if !kind.is_ok_and(|kind| kind.trim() == "domain") {
            return Err(format!("our own control group {shown} holds threads only"));
        }
        let others = strangers(&own.dir).map_err(|error| error.to_string())?;
        if others > 0 {
            return Err(format!(
                "others live in our own control group {shown} too ({others} processes){}",
                hint()
            ));
        }
    }
    Ok(own)
}

/// How to come to a group of our own, where a service manager can be asked for one.
fn hint() -> &'static str {
    let asked = Path::new("/run/systemd/system").exists();
    match (asked, rustix::process::geteuid().is_root()) {
        (false, _) => "",
        (true, true) => {
            "; `systemd-run --scope -p Delegate=yes saferun ...` runs it in one of its own"
        }
        (true, false) => {
            "; `systemd-run --user --scope -p Delegate=yes saferun ...` runs it in one of its own"
        }
    }
}

/// Whether this is the root of the whole tree, which alone has no type.
fn is_root(dir: &Path) -> bool {
    !dir.join("cgroup.type").exists()
}

/// How many processes beside us live in a group itself.
fn strangers(dir: &Path) -> io::Result<usize> {
    let dir = files::open_dir(rustix::fs::CWD, dir)?;
    Ok(files::procs(dir)?.len())
}

/// Makes room below our own group: moves us and the guard to a home of our own, unless we live
/// at the root, and hands the controllers down. The run's group is there already, so that nobody who leaves
/// meanwhile takes the controllers away.
///
/// # Errors
///
/// The system refused; what was done is undone.
pub(super) fn settle(
    own: &GroupPath,
    parent: BorrowedFd<'_>,
    run: &str,
    guard: Option<u32>,
) -> io::Result<()> {
    let settled = try_settle(own, parent, run, guard);
    if settled.is_err() {
        let _ = leave(parent, run);
    }
    settled
}

fn try_settle(
    own: &GroupPath,
    parent: BorrowedFd<'_>,
    run: &str,
    guard: Option<u32>,
) -> io::Result<()> {
    let before = controllers(parent)?;
    let missing: Vec<&str> = WANTED
        .into_iter()
        .filter(|wanted| own.has(wanted) && !before.iter().any(|c| c == wanted))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root(&own.dir) {
        let name = format!("{run}{HOME}");
        rustix::fs::mkdirat(parent, &*name, Mode::from_raw_mode(0o755))?;
        let home = files::open_dir(parent, &*name)?;
        files::write(&home, "cgroup.procs", "0")?;
        if let Some(guard) = guard {
            files::write(&home, "cgroup.procs", &guard.to_string())?;
        }
    }
    // Written before it is done: what is undone in vain does no harm.
    let told = remembered(parent).unwrap_or_default();
    let all: Vec<&str> = told
        .split_ascii_whitespace()
        .chain(missing.iter().copied())
        .collect();
    rustix::fs::fsetxattr(
        parent,
        ENABLED,
        all.join(" ").as_bytes(),
        XattrFlags::empty(),
    )?;
    for controller in missing {
        let enabled = files::write(parent, "cgroup.subtree_control", &format!("+{controller}"));
        if controller == WANTED[0] {
            enabled?;
        }
    }
    Ok(())
}

/// Puts our own group back as it was, if this run was the last in it: the controllers are no
/// longer handed down, and who lives in the run's home moves back. The run's group must be gone.
///
/// # Errors
///
/// The system refused.
pub(crate) fn leave(parent: BorrowedFd<'_>, run: &str) -> io::Result<()> {
    if remembered(parent).is_none() && files::open_dir(parent, format!("{run}{HOME}")).is_err() {
        return Ok(());
    }
    // An open file description of our own, so that our lock is ours and not the runner's too.
    let parent = files::open_dir(parent, ".")?;
    lock(&parent)?;
    let left = leave_locked(parent.as_fd(), run);
    let _ = group::lock(&parent, FlockOperation::Unlock);
    left
}

fn leave_locked(parent: BorrowedFd<'_>, run: &str) -> io::Result<()> {
    if runs_below(parent)?.is_empty()
        && let Some(told) = remembered(parent)
    {
        for controller in told.split_ascii_whitespace() {
            if WANTED.contains(&controller) {
                // Not handed down at all is as well as no longer.
                let _ = files::write(parent, "cgroup.subtree_control", &format!("-{controller}"));
            }
        }
        rustix::fs::fremovexattr(parent, ENABLED)?;
    }
    let name = format!("{run}{HOME}");
    let home = match files::open_dir(parent, &*name) {
        Ok(home) => home,
        Err(error) if files::is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    // The first line of a list written so moves the writer itself.
    let own = rustix::process::getpid().as_raw_nonzero().get();
    for pid in files::procs(&home)?.into_iter().chain([own]) {
        if pid != own || lives_in(&name) {
            match files::write(parent, "cgroup.procs", &pid.to_string()) {
                // Gone meanwhile.
                Err(error) if !files::is_gone(&error) => return Err(error),
                _ => {}
            }
        }
    }
    match rustix::fs::unlinkat(parent, &*name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes the empty homes of runs that are gone. What they have changed, the last run that
/// leaves puts back.
///
/// # Errors
///
/// The group can't be read.
pub(crate) fn tidy(parent: BorrowedFd<'_>) -> io::Result<()> {
    let runs = runs_below(parent)?;
    for name in files::children(parent)? {
        let Some(run) = name.to_str().ok().and_then(|name| name.strip_suffix(HOME)) else {
            continue;
        };
        if is_run(run) && !runs.iter().any(|known| known == run) {
            // One in which somebody lives can't be removed.
            let _ = rustix::fs::unlinkat(parent, name.as_c_str(), AtFlags::REMOVEDIR);
        }
    }
    Ok(())
}

/// The controllers that a group hands down.
fn controllers(dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let fd = files::open_read(dir, "cgroup.subtree_control")?;
    let mut buffer = [0; 512];
    let text = files::read_kept(fd.as_fd(), &mut buffer)?;
    Ok(text.split_ascii_whitespace().map(str::to_owned).collect())
}

/// What was handed down for the sake of runs in this group.
fn remembered(parent: BorrowedFd<'_>) -> Option<String> {
    let mut buffer = [0u8; 128];
    let length = rustix::fs::fgetxattr(parent, ENABLED, &mut buffer).ok()?;
    let text = buffer.get(..length)?;
    String::from_utf8(text.to_vec()).ok()
}

fn runs_below(parent: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let names = files::children(parent)?.into_iter();
    Ok(names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| is_run(name))
        .collect())
}

fn is_run(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(RunId::is_form)
}

/// Whether we live in the group of that name.
fn lives_in(name: &str) -> bool {
    let membership = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    membership
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .is_some_and(|path| path.trim_end().rsplit('/').next() == Some(name))
}

fn lock(parent: &OwnedFd) -> io::Result<()> {
    for _ in 0..TRIES {
        match group::lock(parent, FlockOperation::NonBlockingLockExclusive) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_not_taken_for_a_run() {
        let run = format!("{PREFIX}{}", RunId::new());
        assert!(is_run(&run));
        assert!(!is_run(&format!("{run}{HOME}")));
    }

    #[test]
    fn where_no_memory_is_handed_down_nothing_is_touched() {
        let dir = tempfile::tempdir().expect("a directory");
        let own = |controllers: &[&str], exact| GroupPath {
            dir: dir.path().to_owned(),
            mount_point: dir.path().to_owned(),
            exact,
            controllers: controllers.iter().map(|c| (*c).to_owned()).collect(),
        };
        assert!(usable(None).is_err());
        let hidden = own(&["memory"], false);
        assert!(usable(Some(&hidden)).is_err_and(|why| why.contains("seen")));
        let bare = own(&["cpu", "pids"], true);
        assert!(usable(Some(&bare)).is_err_and(|why| why.contains("memory controller")));
        // No group at all: there is nothing to write to.
        let empty = own(&["memory"], true);
        assert!(usable(Some(&empty)).is_err_and(|why| why.contains("isn't ours")));
    }

    #[test]
    fn strangers_in_our_group_are_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).expect("written");
        };
        file("cgroup.subtree_control", "");
        file("cgroup.type", "domain\n");
        let own = GroupPath {
            dir: dir.path().to_owned(),
            mount_point: dir.path().to_owned(),
            exact: true,
            controllers: vec!["memory".into()],
        };
        file("cgroup.procs", &format!("{}\n", std::process::id()));
        assert_eq!(usable(Some(&own)), Ok(&own));
        file("cgroup.procs", &format!("1\n{}\n7\n", std::process::id()));
        assert!(usable(Some(&own)).is_err_and(|why| why.contains("2 processes")));
        file("cgroup.type", "domain invalid\n");
        assert!(usable(Some(&own)).is_err_and(|why| why.contains("threads")));
    }
}
