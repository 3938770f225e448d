//! What memory there is, on systems made of files.
#![cfg(target_os = "linux")]

mod fake_system;

use fake_system::{FakeSystem, GIB, MEMINFO, MIB};
use saferun_memory::{
    Binding, GroupV1, GroupV2, Limit, LimitKind, Machine, MachineReading, ReadError,
    kernel_kills_in,
};

const MEMORY: &str = "/ /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
const UNIFIED: &str = "/ /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
const V1_MAX: &str = "9223372036854771712";

fn read(system: &FakeSystem) -> MachineReading {
    let mut machine = Machine::open(&system.roots()).expect("opened");
    machine.read().expect("read")
}

#[test]
fn a_machine_without_groups() {
    let reading = read(&FakeSystem::new());
    assert_eq!(reading.total_bytes, 8 * GIB);
    assert_eq!(reading.available_bytes, 4 * GIB);
    assert_eq!(reading.free_bytes, GIB);
    assert_eq!(reading.cached_bytes, 3 * GIB);
    assert_eq!(reading.shared_bytes, 64 * MIB);
    assert_eq!(reading.swap_total_bytes, 2 * GIB);
    assert_eq!(reading.swap_free_bytes, GIB);
    assert_eq!(reading.binding(), Binding::Machine);
    assert_eq!(reading.limit_bytes(), 8 * GIB);
    assert_eq!(reading.room_bytes(), 4 * GIB);
}

#[test]
fn the_smallest_v1_limit_lies_in_the_middle() {
    let system = FakeSystem::new();
    system.membership("4:memory:/a/b/c\n", &[MEMORY]);
    let cg = "sys/fs/cgroup/memory";
    system.v1_group(cg, V1_MAX, 5 * GIB, 0);
    system.v1_group(&format!("{cg}/a"), "4294967296", 2 * GIB, 0);
    system.v1_group(&format!("{cg}/a/b"), "1073741824", 900 * MIB, 400 * MIB);
    system.v1_group(&format!("{cg}/a/b/c"), "2147483648", 100 * MIB, 0);
    system.v1_stat(&format!("{cg}/a/b/c"), 0, "1073741824");

    let reading = read(&system);
    let limits: Vec<u64> = reading.groups.iter().map(|g| g.limit_bytes).collect();
    assert_eq!(
        limits,
        [2 * GIB, GIB, 4 * GIB],
        "nearest first, none for the root"
    );
    assert_eq!(reading.binding(), Binding::Group(1));
    assert_eq!(
        reading.groups[1].path,
        system.path("sys/fs/cgroup/memory/a/b")
    );
    assert_eq!(reading.groups[1].used_bytes(), 500 * MIB);
    assert_eq!(reading.limit_bytes(), GIB);
    assert_eq!(reading.room_bytes(), GIB - 500 * MIB);
}

#[test]
fn a_v1_limit_above_all_that_is_seen() {
    let system = FakeSystem::new();
    system.membership("4:memory:/\n", &[MEMORY]);
    let cg = "sys/fs/cgroup/memory";
    system.v1_group(cg, V1_MAX, 300 * MIB, 100 * MIB);
    system.v1_stat(cg, 100 * MIB, "536870912");
    let reading = read(&system);
    assert_eq!(reading.groups.len(), 1);
    assert_eq!(reading.groups[0].kind, LimitKind::V1Above);
    assert_eq!(reading.limit_bytes(), 512 * MIB);
    assert_eq!(reading.room_bytes(), 312 * MIB);
}

#[test]
fn v2_limits_high_and_max() {
    let system = FakeSystem::new();
    system.membership("0::/a/b\n", &[UNIFIED]);
    let cg = "sys/fs/cgroup";
    system.write("sys/fs/cgroup/cgroup.controllers", "memory pids\n");
    system.v2_group(
        &format!("{cg}/a"),
        "1073741824",
        "2147483648",
        300 * MIB,
        50 * MIB,
    );
    system.v2_group(&format!("{cg}/a/b"), "max", "max", 100 * MIB, 0);
    let reading = read(&system);
    let kinds: Vec<LimitKind> = reading.groups.iter().map(|g| g.kind).collect();
    assert_eq!(kinds, [LimitKind::V2High, LimitKind::V2Max]);
    assert_eq!(reading.binding(), Binding::Group(0));
    assert_eq!(reading.room_bytes(), GIB - 250 * MIB);
}

#[test]
fn a_hybrid_system_has_limits_of_both_kinds() {
    let system = FakeSystem::new();
    system.membership(
        "4:memory:/a\n0::/u\n",
        &[MEMORY, "/ /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"],
    );
    system.v1_group("sys/fs/cgroup/memory/a", "1073741824", MIB, 0);
    system.v1_group("sys/fs/cgroup/memory", V1_MAX, MIB, 0);
    // The memory controller is in one hierarchy only, but nothing here relies on it.
    system.v2_group("sys/fs/cgroup/unified/u", "max", "536870912", MIB, 0);
    let reading = read(&system);
    assert_eq!(reading.groups.len(), 2);
    assert_eq!(reading.limit_bytes(), 512 * MIB);
}

#[test]
fn limits_that_change_are_followed() {
    let system = FakeSystem::new();
    system.membership("0::/a\n", &[UNIFIED]);
    system.v2_group("sys/fs/cgroup/a", "max", "max", 0, 0);
    let mut machine = Machine::open(&system.roots()).expect("opened");
    assert_eq!(machine.read().expect("read").groups, []);
    system.write("sys/fs/cgroup/a/memory.max", "1048576\n");
    assert_eq!(machine.read().expect("read").limit_bytes(), MIB);
}

#[test]
fn a_limit_that_cant_be_read_is_not_taken_for_none() {
    let garbage = ["", "-1", "12x", "lots", "99999999999999999999999"];
    for text in garbage {
        let system = FakeSystem::new();
        system.membership("0::/a\n", &[UNIFIED]);
        system.v2_group("sys/fs/cgroup/a", "max", text, 0, 0);
        let mut machine = Machine::open(&system.roots()).expect("opened");
        let error = machine.read().expect_err("garbage");
        assert!(matches!(error, ReadError::Garbage { .. }), "{error}");
        assert!(error.to_string().contains("/a/memory.max"), "{error}");
    }
    let system = FakeSystem::new();
    system.membership("0::/a\n", &[UNIFIED]);
    system.v2_group("sys/fs/cgroup/a", "max", "1048576", 0, 0);
    system.remove("sys/fs/cgroup/a/memory.current");
    assert!(Machine::open(&system.roots()).is_err());
}

#[test]
fn memory_that_cant_be_read_is_an_error() {
    let system = FakeSystem::new();
    system.write("proc/meminfo", MEMINFO.replace("8388608 kB", "much"));
    let mut machine = Machine::open(&system.roots()).expect("opened");
    let error = machine.read().expect_err("garbage").to_string();
    assert!(
        error.contains("meminfo") && error.contains("much"),
        "{error}"
    );

    system.write("proc/meminfo", b"MemTotal: \xff\xfe");
    assert!(machine.read().is_err());
    system.write("proc/meminfo", "");
    assert!(matches!(machine.read(), Err(ReadError::Missing { .. })));
    system.remove("proc/meminfo");
    assert!(Machine::open(&system.roots()).is_err());
}

#[test]
fn a_v1_group() {
    let system = FakeSystem::new();
    system.v1_group("g", "1048576", 500, 200);
    let group = GroupV1::open(&system.path("g")).expect("a group");
    assert_eq!(group.usage_bytes().expect("usage"), 500);
    assert_eq!(
        group.file_cache_bytes().expect("cache"),
        200,
        "children's included"
    );
    assert_eq!(group.peak_bytes().expect("peak"), 77);
    assert_eq!(group.limit().expect("limit"), Limit::Bytes(MIB));
    let oom = group.oom().expect("oom");
    assert!(oom.kill_disable && !oom.under_oom);
    assert_eq!(oom.kills, 3);

    system.write("g/memory.usage_in_bytes", "garbage\n");
    assert!(matches!(
        group.usage_bytes(),
        Err(ReadError::Garbage { .. })
    ));
    system.write("g/memory.stat", "total_inactive_file 5\n");
    assert!(matches!(
        group.file_cache_bytes(),
        Err(ReadError::Missing {
            field: "total_active_file",
            ..
        })
    ));
    // Larger than any buffer that is at hand.
    let long = "other_field 1\n".repeat(5000);
    system.write(
        "g/memory.stat",
        format!("{long}total_inactive_file 5\ntotal_active_file 6\n"),
    );
    assert_eq!(group.file_cache_bytes().expect("cache"), 11);
    assert!(
        GroupV1::open(&system.path("other"))
            .expect_err("no group")
            .is_gone()
    );
}

#[test]
fn a_v2_group() {
    let system = FakeSystem::new();
    system.v2_group("g", "max", "2097152", 500, 200);
    let group = GroupV2::open(&system.path("g")).expect("a group");
    assert_eq!(group.usage_bytes().expect("usage"), 500);
    assert_eq!(group.file_cache_bytes().expect("cache"), 200);
    assert_eq!(group.peak_bytes().expect("an older kernel"), None);
    assert_eq!(group.high().expect("high"), Limit::Max);
    assert_eq!(group.max().expect("max"), Limit::Bytes(2 * MIB));
    let events = group.events().expect("events");
    assert_eq!(
        (events.high, events.oom_kill, events.oom_group_kill),
        (5, 1, None)
    );

    system.write("g/memory.peak", "900\n");
    let group = GroupV2::open(&system.path("g")).expect("a group");
    assert_eq!(group.peak_bytes().expect("a newer kernel"), Some(900));
}

#[test]
fn kills_of_the_kernel() {
    let system = FakeSystem::new();
    system.write("proc/vmstat", "nr_free_pages 7\noom_kill 12\n");
    assert_eq!(kernel_kills_in(&system.roots()).expect("counted"), 12);
    system.write("proc/vmstat", "nr_free_pages 7\n");
    assert!(kernel_kills_in(&system.roots()).is_err());
}
