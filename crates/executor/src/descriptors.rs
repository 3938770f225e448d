//! How many descriptors we may have open: a task costs a dozen, so that the usual soft limit of
//! 1024 would end at 80 tasks. Tasks get the limit that we were started with, as some programs
//! choose what they do by it.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for thousands of tasks.
const ENOUGH: u64 = 65_536;

static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises our soft limit as far as we may and need. Where that is refused it stays as it is.
pub(crate) fn raise() {
    BEFORE.get_or_init(|| {
        let before = getrlimit(Resource::Nofile);
        let wanted = before.maximum.unwrap_or(ENOUGH).min(ENOUGH);
        if before.current.is_some_and(|current| current < wanted) {
            let raised = Rlimit {
                current: Some(wanted),
                maximum: before.maximum,
            };
            let _ = setrlimit(Resource::Nofile, raised);
        }
        before
    });
}

/// The limits of tasks, soft and hard, in the kernel's form; `None` where ours were never
/// raised.
pub(crate) fn of_tasks() -> Option<[u64; 2]> {
    let before = BEFORE.get()?;
    // The kernel's word for no limit.
    let number = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    Some([number(before.current), number(before.maximum)])
}
