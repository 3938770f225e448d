//! The machine's memory from `/proc/meminfo`, and the limits of our groups.

use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{Kept, keyed_kib};
use crate::own_groups::OwnGroups;
use crate::roots::Roots;

use super::MachineReading;
use super::cgroup_v1::LineageV1;
use super::cgroup_v2::LineageV2;

#[derive(Debug)]
pub(super) struct System {
    meminfo: Kept,
    v1: Option<LineageV1>,
    v2: Option<LineageV2>,
}

impl System {
    pub(super) fn open(roots: &Roots) -> Result<Self, ReadError> {
        let own = OwnGroups::read(roots)?;
        Ok(Self {
            meminfo: Kept::open(roots.proc.join("meminfo"))?,
            v1: own.memory_v1.as_ref().map(LineageV1::open).transpose()?,
            v2: own.unified.as_ref().map(LineageV2::open).transpose()?,
        })
    }

    pub(super) fn read(&mut self) -> Result<MachineReading, ReadError> {
        let mut reading = self.meminfo.read(parse)?;
        if let Some(v1) = &self.v1 {
            v1.read(&mut reading.groups)?;
        }
        if let Some(v2) = &self.v2 {
            v2.read(&mut reading.groups)?;
        }
        Ok(reading)
    }
}

fn parse(text: &str) -> Result<MachineReading, Flaw> {
    const KEYS: [&str; 8] = [
        "MemTotal",
        "MemFree",
        "MemAvailable",
        "Buffers",
        "Cached",
        "Shmem",
        "SwapTotal",
        "SwapFree",
    ];
    let [
        total,
        free,
        available,
        buffers,
        cached,
        shared,
        swap_total,
        swap_free,
    ] = keyed_kib(text, KEYS)?;
    let total = total.ok_or(Flaw::Missing("MemTotal"))?;
    let free = free.ok_or(Flaw::Missing("MemFree"))?;
    let cached = cached.ok_or(Flaw::Missing("Cached"))?;
    // Kernels before 2.6.32 have no such line; none of them can run this.
    let shared = shared.unwrap_or(0);
    // Kernels before 3.14 leave the estimate to us. Without the line on reclaimable slab it is
    // a little less than theirs, never more.
    let estimate = || free + (buffers.unwrap_or(0) + cached).saturating_sub(shared);
    Ok(MachineReading {
        total_bytes: total,
        available_bytes: available.unwrap_or_else(estimate).min(total),
        free_bytes: free,
        cached_bytes: cached,
        // A kernel built without swap has no such lines, and no swap.
        swap_total_bytes: swap_total.unwrap_or(0),
        swap_free_bytes: swap_free.unwrap_or(0),
        shared_bytes: shared,
        groups: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FINE: &str = "MemTotal:       1000 kB\nMemFree:         100 kB\n\
        MemAvailable:    500 kB\nBuffers:          50 kB\nCached:          400 kB\n\
        SwapCached:        0 kB\nShmem:            70 kB\nSwapTotal:       200 kB\n\
        SwapFree:        150 kB\nHugePages_Total:       0\n";

    #[test]
    fn fine() {
        let reading = parse(FINE).expect("fine");
        assert_eq!(reading.total_bytes, 1000 << 10);
        assert_eq!(reading.available_bytes, 500 << 10);
        assert_eq!(reading.shared_bytes, 70 << 10);
        assert_eq!(reading.swap_free_bytes, 150 << 10);
    }

    #[test]
    fn an_old_kernel_leaves_the_estimate_to_us() {
        let old = FINE.replace("MemAvailable:    500 kB\n", "");
        assert_eq!(parse(&old).expect("fine").available_bytes, 480 << 10);
    }

    #[test]
    fn what_must_be_there_is_asked_for() {
        for (line, field) in [("MemTotal", "MemTotal"), ("MemFree", "MemFree")] {
            let text = FINE.replace(line, "Other");
            assert_eq!(parse(&text), Err(Flaw::Missing(field)));
        }
        assert!(matches!(parse(""), Err(Flaw::Missing(_))));
    }

    #[test]
    fn garbage_is_said() {
        for value in [
            "100",
            "-1 kB",
            "kB",
            "x kB",
            "99999999999999999999 kB",
            "18014398509481983 kB",
        ] {
            let text = FINE.replace("100 kB", value);
            assert!(matches!(parse(&text), Err(Flaw::Garbage { .. })), "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "([A-Z][a-z]{2}[A-Za-z]{0,9}: {0,9}[0-9]{0,22} ?k?B?\n){0,9}") {
            let _ = parse(&text);
        }
    }
}
