//! Opening the inspector of a Node process that has none open, and closing it again.

use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::json;

use super::inspector::Inspector;
use super::malloc::HeapUse;
use super::node::{ANSWER, DEFAULT_PORT, collect};
use crate::leftovers::listening_ports;
use crate::process::{ProcessId, Status};
use crate::roots::Roots;

/// How long an inspector may take to open or to close.
const OPENS: Duration = Duration::from_secs(2);

/// Opens the inspector of exactly this process, collects, and closes it again.
pub(super) fn by_signal(
    id: ProcessId,
    roots: &Roots,
) -> Result<Option<(HeapUse, HeapUse)>, String> {
    if Inspector::connect(DEFAULT_PORT).is_ok() {
        return Err(format!("port {DEFAULT_PORT} is another program's"));
    }
    let Some(pid) = i32::try_from(id.pid).ok().and_then(Pid::from_raw) else {
        return Ok(None);
    };
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| error.to_string())?;
    if ProcessId::read(roots, id.pid).ok().flatten() != Some(id) || !catches_usr1(roots, id.pid) {
        return Ok(None);
    }
    pidfd_send_signal(&pidfd, Signal::USR1).map_err(|error| error.to_string())?;
    let listens = || listening_ports(roots, id.pid).contains(&DEFAULT_PORT);
    if !until(OPENS, listens) {
        return Err("did not open its inspector".to_owned());
    }
    let mut inspector = Inspector::connect(DEFAULT_PORT)?;
    let result = collect(&mut inspector);
    let asked = inspector.call(
        "Runtime.evaluate",
        &json!({"expression": CLOSE, "includeCommandLineAPI": true}),
        ANSWER,
    );
    drop(inspector);
    if asked.is_err() || !until(OPENS, || !listens()) {
        return Err(format!(
            "its inspector could not be closed: it listens on port {DEFAULT_PORT} until it ends"
        ));
    }
    result.map(Some)
}

/// A little later, when we have hung up: closing waits for every connection to end.
const CLOSE: &str = "(() => { const inspector = process.getBuiltinModule \
    ? process.getBuiltinModule('inspector') : require('inspector'); \
    setTimeout(() => inspector.close(), 50); })()";

fn until(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether the process has a handler for SIGUSR1, as Node has unless built without inspector:
/// without one it would die.
pub(super) fn catches_usr1(roots: &Roots, pid: u32) -> bool {
    let bit = 1_u64 << (Signal::USR1.as_raw() - 1);
    matches!(Status::read(&roots.proc, pid), Ok(Some(status)) if status.caught & bit != 0)
}
