//! The two loads that every row carries.

use std::time::Duration;

use saferun_testbed::curve::{Curve, Shape};
use saferun_testbed::mix::Mix;
use saferun_testbed::random::SplitMix64;
use saferun_testbed::size::MIB;
use serde::Serialize;

/// A quick mix holds so many hogs, of lives shorter by [`QUICK_HOGS_FASTER`].
const QUICK_HOGS: usize = 6;
const QUICK_HOGS_FASTER: u32 = 4;
const QUICK_AGENTS_FASTER: u32 = 3;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Workload {
    /// 24 unknown commands that grow and hold.
    Hogs,
    /// Three agents that take much at their start and then mostly wait.
    Agents,
}

impl Workload {
    pub(super) const ALL: [Self; 2] = [Self::Hogs, Self::Agents];

    /// The mix of this seed.
    pub(super) fn mix(self, seed: u64, quick: bool) -> Mix {
        let (mut mix, faster) = match self {
            Self::Hogs => (Mix::hogs(seed), QUICK_HOGS_FASTER),
            Self::Agents => (agents(seed), QUICK_AGENTS_FASTER),
        };
        if quick {
            mix.tasks.truncate(QUICK_HOGS);
            for task in &mut mix.tasks {
                task.life /= faster;
            }
        }
        mix
    }

    /// What it is, for the head of its table.
    pub(super) fn title(self, quick: bool) -> String {
        match (self, quick) {
            (Self::Hogs, false) => "24 hogs of 30 to 320 MiB, 0.8 to 3 s".to_owned(),
            (Self::Hogs, true) => format!("{QUICK_HOGS} hogs of 30 to 320 MiB, 0.2 to 0.75 s"),
            (Self::Agents, false) => "3 agents of 190 to 240 MiB, 2.7 to 3 s".to_owned(),
            (Self::Agents, true) => "3 agents of 190 to 240 MiB, 0.9 to 1 s".to_owned(),
        }
    }
}

/// Three agents, a tenth of real ones in time and memory: each takes 190 to 240 MiB within the
/// first tenth of its 2.7 to 3 s, then keeps a quarter. Two fit at their highest, three do not,
/// and all their memory by time fills less than half of the machine while the longest runs.
fn agents(seed: u64) -> Mix {
    let mut random = SplitMix64::new(seed);
    let tasks = (0..3)
        .map(|_| Curve {
            shape: Shape::Spike,
            peak: random.uniform(190.0, 240.0).round() as u64 * MIB,
            life: Duration::from_millis(random.uniform(2700.0, 3000.0).round() as u64),
        })
        .collect();
    Mix { tasks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_agents_need_less_than_half_the_longest_by_area() {
        for seed in 0..50 {
            let bound = Workload::Agents.mix(seed, false).bound(600 * MIB);
            assert!(bound.area < bound.longest / 2.0, "{bound:?}");
            assert_eq!(bound.seconds(), bound.longest);
        }
    }

    #[test]
    fn a_quick_mix_is_a_short_one_of_the_same_peaks() {
        for workload in Workload::ALL {
            let (whole, quick) = (workload.mix(1, false), workload.mix(1, true));
            assert!(quick.bound(600 * MIB).sequential < 5.0);
            // Else running all of them at once would lose nothing.
            assert!(quick.tasks.iter().map(|task| task.peak).sum::<u64>() > 600 * MIB);
            assert!(
                (whole.tasks.iter().zip(&quick.tasks)).all(|(long, short)| long.peak == short.peak)
            );
        }
    }
}
