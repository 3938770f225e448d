//! The bound on a run's processes: a fork bomb inside it must leave room for those who end it.

use std::time::Instant;

use saferun_memory::GroupPath;

use super::files;
use super::group::RunGroup;

/// Processes and threads that any run may have, however few cores there are.
const LEAST: u64 = 4096;
/// And for each core: a large machine runs more of them side by side.
const PER_CORE: u64 = 512;

/// How many processes and threads a run may have below our own group.
pub(crate) fn most(own: Option<&GroupPath>) -> u64 {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    // Half of what we have ourselves stays for everything else in it.
    let max = bound(own).map_or(LEAST, |bound| bound / 2);
    max.min(LEAST.max(PER_CORE * cores)).max(1)
}

/// Sets the limit on the run's group.
pub(super) fn limit(group: RunGroup, own: Option<&GroupPath>) -> Result<RunGroup, String> {
    let max = most(own);
    match files::write(&group.dir, "pids.max", &max.to_string()) {
        Ok(()) => Ok(group),
        Err(error) => {
            let _ = group.end(Instant::now());
            Err(error.to_string())
        }
    }
}

/// The smallest of all limits that bind us.
fn bound(own: Option<&GroupPath>) -> Option<u64> {
    let read = |path: &std::path::Path| -> Option<u64> {
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    let groups = own.into_iter().flat_map(|own| own.lineage());
    let of_groups = groups.filter_map(|dir| read(&dir.join("pids.max")));
    let of_kernel = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
    of_groups
        .chain(of_kernel.iter().filter_map(|path| read(path.as_ref())))
        .min()
}
