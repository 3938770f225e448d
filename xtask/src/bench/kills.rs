//! The kernel's kills in a cage and in the groups that come and go below it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use saferun_testbed::cage::Cage;

/// How often groups should be looked at, since one that goes takes its count along.
pub(super) const INTERVAL: Duration = Duration::from_millis(20);

/// The highest count seen in each group. Unlike the machine's own count it holds no other
/// tenant's kills.
#[derive(Debug, Default)]
pub(super) struct CageKills(BTreeMap<PathBuf, u64>);

impl CageKills {
    /// Reads the counts as they are now.
    pub(super) fn look(&mut self, cage: &Cage) {
        for group in std::iter::once(cage.path().to_owned()).chain(cage.groups()) {
            let text = fs::read_to_string(group.join("memory.oom_control")).unwrap_or_default();
            let count = text
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
                .unwrap_or(0);
            let seen = self.0.entry(group).or_default();
            *seen = count.max(*seen);
        }
    }

    /// All kills seen, which can't be more than the whole machine saw meanwhile.
    pub(super) fn sum(&self, on_machine: u64) -> u64 {
        self.0.values().sum::<u64>().min(on_machine)
    }
}
