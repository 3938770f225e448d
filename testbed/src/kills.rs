//! Counting the kernel's kills.

use std::fs;
use std::io;

/// The count of processes that the kernel has killed for want of memory since it booted, in any
/// group. With other tenants on the machine theirs are in it too.
///
/// # Errors
/// When `/proc/vmstat` can't be read or has no such count (kernels before 4.13).
pub fn kernel_kills() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/vmstat")?;
    field(&text, "oom_kill").ok_or_else(|| io::Error::other("/proc/vmstat has no oom_kill"))
}

/// The number that follows `name` on a line of its own.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "oom_kill_disable 1\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom"), None);
    }
}
