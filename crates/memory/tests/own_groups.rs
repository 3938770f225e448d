//! Where our groups are found, on systems made of files.
#![cfg(target_os = "linux")]

mod fake_system;

use fake_system::FakeSystem;
use saferun_memory::{GroupPath, OwnGroups, ReadError};

fn own(system: &FakeSystem) -> OwnGroups {
    OwnGroups::read(&system.roots()).expect("readable")
}

fn lineage(group: &GroupPath, system: &FakeSystem) -> Vec<String> {
    group
        .lineage()
        .map(|dir| {
            let below = dir.strip_prefix(system.path("")).expect("below the root");
            below.to_str().expect("text").to_owned()
        })
        .collect()
}

#[test]
fn a_kernel_without_groups_has_none() {
    assert_eq!(own(&FakeSystem::new()), OwnGroups::default());
}

#[test]
fn hierarchies_that_are_not_mounted_have_none() {
    let system = FakeSystem::new();
    system.membership("4:memory:/a\n0::/\n", &[]);
    assert_eq!(own(&system), OwnGroups::default());
}

#[test]
fn all_hierarchies_of_a_hybrid_system_are_found() {
    let system = FakeSystem::new();
    system.membership(
        "8:pids:/\n6:freezer:/f\n4:memory:/a/b:c\n9:name=systemd:/\n0::/u\n",
        &[
            "/ /sys/fs/cgroup/memory rw shared:3 - cgroup cgroup rw,memory",
            "/ /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
            "/ /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer",
            "/ /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
        ],
    );
    system.write("sys/fs/cgroup/memory/a/b:c/tasks", "");
    system.write("sys/fs/cgroup/pids/tasks", "");
    system.write("sys/fs/cgroup/freezer/f/tasks", "");
    system.write(
        "sys/fs/cgroup/unified/u/cgroup.controllers",
        "hugetlb misc\n",
    );

    let own = own(&system);
    let memory = own.memory_v1.expect("mounted");
    assert!(memory.exact && memory.has("memory"));
    assert_eq!(
        lineage(&memory, &system),
        [
            "sys/fs/cgroup/memory/a/b:c",
            "sys/fs/cgroup/memory/a",
            "sys/fs/cgroup/memory"
        ]
    );
    assert_eq!(
        own.pids_v1.expect("mounted").dir,
        system.path("sys/fs/cgroup/pids")
    );
    assert_eq!(
        own.freezer_v1.expect("mounted").dir,
        system.path("sys/fs/cgroup/freezer/f")
    );
    let unified = own.unified.expect("mounted");
    assert_eq!(unified.dir, system.path("sys/fs/cgroup/unified/u"));
    assert!(unified.has("misc") && !unified.has("memory"));
}

#[test]
fn a_bind_mounted_root_is_taken_off_the_path() {
    let system = FakeSystem::new();
    system.membership(
        "4:memory:/docker/12ab/inner\n",
        &["/docker/12ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory"],
    );
    system.write("sys/fs/cgroup/memory/inner/tasks", "");
    let memory = own(&system).memory_v1.expect("mounted");
    assert_eq!(memory.dir, system.path("sys/fs/cgroup/memory/inner"));
    assert!(memory.exact);
}

#[test]
fn a_mount_point_with_a_blank_in_it() {
    let system = FakeSystem::new();
    system.membership("0::/\n", &["/ /my\\040groups rw - cgroup2 none rw"]);
    system.write("my groups/cgroup.procs", "");
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("my groups"));
}

#[test]
fn of_two_mounts_the_one_that_shows_more_is_taken() {
    let system = FakeSystem::new();
    system.membership(
        "0::/a/b\n",
        &[
            "/a /inner rw - cgroup2 none rw",
            "/ /outer rw - cgroup2 none rw",
            "/a/b /innermost rw - cgroup2 none rw",
            "/ /not/there rw - cgroup2 none rw",
        ],
    );
    for dir in ["inner/b", "outer/a/b", "innermost"] {
        system.write(&format!("{dir}/cgroup.procs"), "");
    }
    assert_eq!(
        own(&system).unified.expect("mounted").dir,
        system.path("outer/a/b")
    );
}

#[test]
fn both_above_the_namespace_by_the_same() {
    let system = FakeSystem::new();
    system.membership(
        "0::/../../x/y\n",
        &["/../../x /sys/fs/cgroup rw - cgroup2 none rw"],
    );
    system.write("sys/fs/cgroup/y/cgroup.procs", "");
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("sys/fs/cgroup/y"));
    assert!(unified.exact);
}

#[test]
fn a_mount_from_outside_of_the_namespace_is_searched_for_us() {
    let system = FakeSystem::new();
    // The mount shows two levels above our namespace's root; their names are not told.
    system.membership("0::/in\n", &["/../.. /sys/fs/cgroup rw - cgroup2 none rw"]);
    system.write("sys/fs/cgroup/p/other/in/cgroup.procs", "1\n");
    system.write(
        "sys/fs/cgroup/p/ours/in/cgroup.procs",
        format!("1\n{}\n", std::process::id()),
    );
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("sys/fs/cgroup/p/ours/in"));
    assert!(unified.exact);
    assert_eq!(unified.lineage().count(), 4);

    // Not to be found: the top is good for reading and for nothing else.
    system.write("sys/fs/cgroup/p/ours/in/cgroup.procs", "1\n");
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("sys/fs/cgroup"));
    assert!(!unified.exact);
}

#[test]
fn a_hidden_group_is_read_by_its_nearest_ancestor() {
    let system = FakeSystem::new();
    system.membership(
        "0::/a/hidden/x (deleted)\n",
        &["/ /cg rw - cgroup2 none rw"],
    );
    system.write("cg/a/cgroup.procs", "");
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("cg/a"));
    assert!(!unified.exact);
}

#[test]
fn a_mount_of_another_branch_is_never_ours() {
    let system = FakeSystem::new();
    system.membership("0::/a/b\n", &["/other /cg rw - cgroup2 none rw"]);
    system.write("cg/b/cgroup.procs", "");
    let unified = own(&system).unified.expect("mounted");
    assert_eq!(unified.dir, system.path("cg"));
    assert!(!unified.exact);
}

#[test]
fn garbage_is_an_error_with_its_path_and_text() {
    let system = FakeSystem::new();
    system.membership("4:memory\n", &[]);
    let error = OwnGroups::read(&system.roots()).expect_err("garbage");
    assert!(matches!(error, ReadError::Garbage { .. }));
    let text = error.to_string();
    assert!(
        text.contains("proc/self/cgroup") && text.contains("4:memory"),
        "{text}"
    );

    system.membership("0::/\n", &["nonsense"]);
    let error = OwnGroups::read(&system.roots()).expect_err("garbage");
    assert!(error.to_string().contains("mountinfo"), "{error}");

    system.remove("proc/self/mountinfo");
    assert!(
        OwnGroups::read(&system.roots()).is_err(),
        "unknown is not none"
    );
}
