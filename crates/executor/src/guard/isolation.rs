//! A PID namespace for the tasks, of which the guard is the first process: even when runner and
//! guard are killed at once, the kernel ends everything in it.

use std::fmt;
use std::io;

use crate::spawn::{Child, Founder, Helper, HelperError, Refused, Spawner};

/// What tasks are kept in beside their containment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Nothing.
    #[default]
    None,
    /// A PID namespace (pid_namespaces(7)) whose first process is the guard, with a `/proc` of its
    /// own. Made with the rights of the caller where they suffice, else in a user namespace in
    /// which only the caller's own user and group are known.
    Pid,
}

/// Why tasks can't be isolated: the cause and what would permit it, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no PID namespace can be had: {0}")]
pub struct IsolationError(String);

/// Whether tasks can be isolated here. It is tried with a process that does all that a guard does
/// but become a program.
///
/// # Errors
///
/// Why not.
pub fn probe() -> Result<(), IsolationError> {
    // A directory is no program, so this fails once all before has gone well.
    let nothing = Helper {
        candidates: &[c"/".to_owned()],
        argv: &[c"saferun".to_owned()],
        envp: &[],
        fds: &[],
        steadfast: true,
    };
    match found(&nothing) {
        Err(Failure::Refused(error)) => Err(error),
        Ok(_) | Err(Failure::Other(_)) => Ok(()),
    }
}

pub(super) enum Failure {
    Refused(IsolationError),
    /// The namespace could be had, but the program in it not.
    Other(io::Error),
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => Self::other(error),
            Failure::Other(error) => error,
        }
    }
}

/// Starts a helper as the first process of a new namespace.
pub(super) fn found(helper: &Helper<'_>) -> Result<(Child, Founder), Failure> {
    let attempt = |with_users| {
        let founder = Founder::new(with_users);
        Spawner::new()
            .spawn_founder(helper, &founder)
            .map(|child| (child, founder))
    };
    let refused = |error: HelperError, with_users| match error.refused {
        Some(what) => Failure::Refused(IsolationError(explain(
            what,
            with_users,
            &error.cause,
            &Limits::read(),
        ))),
        None => Failure::Other(error.cause),
    };
    match attempt(false) {
        Err(error)
            if error.cause.raw_os_error() == Some(libc::EPERM) && error.refused.is_some() =>
        {
            attempt(true).map_err(|error| refused(error, true))
        }
        other => other.map_err(|error| refused(error, false)),
    }
}

/// What administrators may have said of user namespaces; `None` where this system has no such
/// switch.
#[derive(Debug, Default)]
struct Limits {
    /// `user.max_user_namespaces`
    most: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, which Debian's kernels have
    unprivileged: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, which Ubuntu's kernels have
    apparmor: Option<u64>,
}

impl Limits {
    fn read() -> Self {
        let number = |path: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/{path}")).ok()?;
            text.trim().parse().ok()
        };
        Self {
            most: number("user/max_user_namespaces"),
            unprivileged: number("kernel/unprivileged_userns_clone"),
            apparmor: number("kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

/// The cause and what would permit it.
fn explain(what: Refused, with_users: bool, cause: &io::Error, limits: &Limits) -> String {
    let forbidden = matches!(cause.raw_os_error(), Some(libc::EPERM | libc::EACCES));
    let switch = |name: &str, value: u64, remedy: &str| {
        format!("{name} is {value} here; root is not bound by it, and {remedy} would permit it")
    };
    if with_users && limits.most == Some(0) {
        return switch("user.max_user_namespaces", 0, "a larger number");
    }
    if with_users && forbidden && limits.unprivileged == Some(0) {
        return switch("kernel.unprivileged_userns_clone", 0, "1");
    }
    if with_users && forbidden && limits.apparmor.is_some_and(|value| value > 0) {
        return switch(
            "kernel.apparmor_restrict_unprivileged_userns",
            limits.apparmor.unwrap_or_default(),
            "an AppArmor profile for this program with `userns,`",
        );
    }
    let text: &dyn fmt::Display = match (what, cause.raw_os_error()) {
        (Refused::Namespace, Some(libc::ENOSYS | libc::EINVAL)) => {
            &"this kernel, or a filter of system calls, has no clone3 with namespaces; Linux 5.8 on x86-64 or AArch64 has"
        }
        (Refused::Namespace, Some(libc::ENOSPC)) => {
            &"there are as many namespaces as user.max_pid_namespaces permits, or they are nested 32 deep; fewer would permit it"
        }
        (Refused::Namespace, Some(libc::EPERM)) => {
            &"neither our own rights (CAP_SYS_ADMIN) nor a user namespace permit it, as in most containers; `--cap-add SYS_ADMIN` for the container, or root outside of one, would"
        }
        (Refused::Mount, Some(libc::EPERM | libc::EACCES)) => {
            &"a fresh /proc can't be mounted, as parts of the one here are hidden, which containers do; `--security-opt systempaths=unconfined` for the container would permit it"
        }
        (Refused::Mount, Some(libc::EINVAL)) => {
            &"our root directory is no mount point, as in a chroot; outside of it, it can be had"
        }
        _ => {
            let step = match what {
                Refused::Namespace => "making one",
                Refused::Map => "mapping our user in it",
                Refused::Mount => "mounting its /proc",
            };
            return format!("{step} was refused ({cause}); root may be permitted to");
        }
    };
    text.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(what: Refused, with_users: bool, errno: i32, limits: &Limits) -> String {
        explain(
            what,
            with_users,
            &io::Error::from_raw_os_error(errno),
            limits,
        )
    }

    #[test]
    fn each_refusal_names_its_cause_and_a_way_out() {
        let none = Limits::default();
        let cases = [
            (
                Refused::Namespace,
                libc::ENOSPC,
                Limits {
                    most: Some(0),
                    ..Limits::default()
                },
                "user.max_user_namespaces is 0",
            ),
            (
                Refused::Namespace,
                libc::EPERM,
                Limits {
                    unprivileged: Some(0),
                    ..Limits::default()
                },
                "kernel.unprivileged_userns_clone is 0",
            ),
            (
                Refused::Mount,
                libc::EACCES,
                Limits {
                    apparmor: Some(1),
                    unprivileged: Some(1),
                    most: Some(1000),
                },
                "AppArmor",
            ),
            (
                Refused::Namespace,
                libc::EPERM,
                Limits::default(),
                "CAP_SYS_ADMIN",
            ),
            (
                Refused::Mount,
                libc::EPERM,
                Limits::default(),
                "systempaths",
            ),
            (Refused::Mount, libc::EINVAL, Limits::default(), "chroot"),
            (Refused::Namespace, libc::ENOSYS, Limits::default(), "5.8"),
        ];
        for (what, errno, limits, part) in cases {
            let text = said(what, true, errno, &limits);
            assert!(text.contains(part), "{text}");
            assert!(text.contains("permit") || text.contains("has") || text.contains("had"));
            assert_eq!(text.lines().count(), 1);
        }
        // What binds only others isn't named to root.
        let limits = Limits {
            most: Some(0),
            ..Limits::default()
        };
        assert!(!said(Refused::Mount, false, libc::EPERM, &limits).contains("max_user"));
        let other = said(Refused::Map, true, libc::EIO, &none);
        assert!(other.contains("mapping our user"), "{other}");
    }
}
