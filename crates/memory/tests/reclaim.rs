//! Giving page cache back, on systems made of files: what is written where, and what is said
//! where nothing can be.
#![cfg(target_os = "linux")]

mod fake_system;

use std::fs;

use fake_system::{FakeSystem, MIB};
use saferun_memory::reclaim::{Outcome, PageCache, Step};

const V1_MOUNT: &str = "/ /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
const V2_MOUNT: &str = "/ /sys/fs/cgroup rw - cgroup2 cgroup2 rw";

/// A system whose memory groups are of v1, with ours at `group`.
fn v1(group: &str) -> FakeSystem {
    let system = FakeSystem::new();
    system.membership(&format!("4:memory:{group}\n"), &[V1_MOUNT]);
    system
}

#[test]
fn a_v1_group_is_emptied_through_its_own_file() {
    let system = v1("/box");
    let dir = "sys/fs/cgroup/memory/box";
    system.v1_group(dir, "1000000000", 900 * MIB, 600 * MIB);
    system.write(&format!("{dir}/memory.force_empty"), "");
    let mut step = PageCache::new(&system.roots());
    let prospect = step.look();
    assert_eq!(prospect.hindrance, None);
    assert_eq!(prospect.at_most_bytes, Some(600 * MIB));
    let file = system.path(&format!("{dir}/memory.force_empty"));
    assert_eq!(
        fs::read_to_string(&file).expect("there"),
        "",
        "a look changes nothing"
    );
    let taken = step.take();
    assert_eq!(taken.outcome, Outcome::Done);
    assert_eq!(taken.before_bytes, Some(600 * MIB));
    assert_eq!(fs::read_to_string(&file).expect("there"), "0");
}

#[test]
fn the_root_group_gives_way_to_the_machine() {
    let system = v1("/");
    let dir = "sys/fs/cgroup/memory";
    system.v1_group(dir, "9223372036854771712", 900 * MIB, 600 * MIB);
    system.write(&format!("{dir}/release_agent"), "");
    system.write(&format!("{dir}/memory.force_empty"), "");
    system.write(
        "proc/meminfo",
        format!(
            "{}Active(file): 102400 kB\nInactive(file): 102400 kB\n",
            fake_system::MEMINFO
        ),
    );
    let mut step = PageCache::new(&system.roots());
    // A container has no such file.
    assert!(matches!(step.take().outcome, Outcome::NotHere { .. }));
    system.write("proc/sys/vm/drop_caches", "");
    let taken = step.take();
    assert_eq!(
        (taken.outcome, taken.before_bytes),
        (Outcome::Done, Some(200 * MIB))
    );
    let read = |path: &str| fs::read_to_string(system.path(path)).expect("there");
    assert_eq!(read("proc/sys/vm/drop_caches"), "1");
    assert_eq!(read(&format!("{dir}/memory.force_empty")), "");
}

#[test]
fn a_v2_group_is_asked_for_its_cache_without_swapping() {
    let system = FakeSystem::new();
    system.membership("0::/box\n", &[V2_MOUNT]);
    let dir = "sys/fs/cgroup/box";
    system.v2_group(dir, "max", "1000000000", 900 * MIB, 600 * MIB);
    system.write(&format!("{dir}/cgroup.controllers"), "memory\n");
    let mut step = PageCache::new(&system.roots());
    // Before Linux 5.19.
    assert!(matches!(step.take().outcome, Outcome::NotHere { .. }));
    system.write(&format!("{dir}/memory.reclaim"), "");
    assert_eq!(step.take().outcome, Outcome::Done);
    let written = fs::read_to_string(system.path(&format!("{dir}/memory.reclaim")));
    assert_eq!(
        written.expect("there"),
        format!("{} swappiness=0", 600 * MIB)
    );
}

#[test]
fn little_is_not_worth_a_cold_cache() {
    let system = v1("/box");
    let dir = "sys/fs/cgroup/memory/box";
    system.v1_group(dir, "1000000000", 900 * MIB, MIB / 2);
    system.write(&format!("{dir}/memory.force_empty"), "");
    let taken = PageCache::new(&system.roots()).take();
    assert!(
        matches!(taken.outcome, Outcome::NothingToGain { .. }),
        "{taken:?}"
    );
    assert_eq!(taken.gained_bytes(), 0);
}
