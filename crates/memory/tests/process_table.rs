//! Trees of processes and sessions, on systems made of files.
#![cfg(target_os = "linux")]

mod fake_system;

use std::time::Duration;

use fake_system::{FakeSystem, MIB, page};
use saferun_memory::{ProcessId, ProcessTable, ReadError, session_use};

fn table(system: &FakeSystem, reaper: Option<u32>) -> ProcessTable {
    ProcessTable::open(&system.roots(), reaper).expect("opened")
}

fn pids(table: &ProcessTable, root: u32) -> Vec<u32> {
    table.processes_of(root).map(|id| id.pid).collect()
}

/// 10 has 11 and 12, 12 has 13; 20 is a stranger.
fn family(system: &FakeSystem) {
    for (pid, parent) in [(10, 1), (11, 10), (12, 10), (13, 12), (20, 1)] {
        system.process(pid, parent, 1, u64::from(pid));
    }
    system.children(10, "11 12 ");
    system.children(12, "13 ");
}

#[test]
fn descendants_are_found_by_lists_of_children_and_by_parents() {
    for listed in [true, false] {
        let system = FakeSystem::new();
        family(&system);
        if listed {
            system.lists_children();
        }
        let mut table = table(&system, None);
        table.add(10, &[]).expect("added");
        assert_eq!(pids(&table, 10), [10]);
        assert_eq!(table.find().expect("found"), 3);
        assert_eq!(table.find().expect("found"), 0);
        assert_eq!(pids(&table, 10), [10, 11, 12, 13]);
        let held = table.use_of(10).expect("read");
        assert_eq!(held.processes, 4);
        assert_eq!(held.bytes, (10 + 11 + 12 + 13) * page());
    }
}

#[test]
fn a_process_that_vanishes_is_simply_gone() {
    for listed in [true, false] {
        let system = FakeSystem::new();
        family(&system);
        if listed {
            system.lists_children();
        }
        // Listed, yet gone before it is looked at.
        system.children(13, "14 ");
        let mut table = table(&system, None);
        table.add(10, &[]).expect("added");
        table.find().expect("found");
        assert_eq!(pids(&table, 10), [10, 11, 12, 13]);
        system.end_process(11);
        assert!(table.cpu_of(10).is_ok());
        assert!(table.proportional_use_of(10).is_ok());
        table.find().expect("found");
        table.add(99, &[]).expect("a root that has ended already");
        assert_eq!(table.use_of(99).expect("nothing there").processes, 0);
    }
}

#[test]
fn of_shared_memory_the_largest_part_counts_once() {
    let system = FakeSystem::new();
    family(&system);
    // 300 pages of files and shared memory, of which `status` says that 2 MiB are shared.
    for pid in [11, 12] {
        system.write(&format!("proc/{pid}/statm"), "999 301 300 0 0 0 0\n");
    }
    let mut table = table(&system, None);
    table.add(10, &[]).expect("added");
    table.find().expect("found");
    let held = table.use_of(10).expect("read");
    assert_eq!(held.bytes, (10 + 13 + 2) * page() + 2 * MIB);
}

#[test]
fn no_memory_is_shown_in_three_cases_and_only_one_of_them_has_none() {
    let system = FakeSystem::new();
    family(&system);
    let mut table = table(&system, None);
    table.add(10, &[]).expect("added");
    table.find().expect("found");
    let all = table.use_of(10).expect("read");
    assert_eq!((all.processes, all.zombies), (4, 0));
    for pid in [11, 12, 13] {
        system.write(&format!("proc/{pid}/statm"), "0 0 0 0 0 0 0\n");
    }
    // All of them are ending: what they held is not yet given back.
    assert_eq!(table.use_of(10).expect("read"), all);
    // 11 has ended. So has 12's first thread, but not its second.
    let ended = |pid: u32, parent: u32, threads: u32| {
        let stat = format!(
            "{pid} (a) b) Z {parent} 0 1 0 -1 0 0 0 0 0 10 20 30 40 20 0 {threads} 0 {} 0 0\n",
            1000 + pid
        );
        system.write(&format!("proc/{pid}/stat"), stat);
    };
    ended(11, 10, 1);
    ended(12, 10, 2);
    system.write("proc/12/task/12/statm", "0 0 0 0 0 0 0\n");
    system.write("proc/12/task/99/statm", "999 510 10 0 0 0 0\n");
    let held = table.use_of(10).expect("read");
    assert_eq!(held.bytes, (10 + 500 + 13) * page());
    assert_eq!((held.processes, held.zombies), (3, 1));
}

#[test]
fn orphans_are_found_by_all_of_their_marks() {
    for listed in [true, false] {
        let system = FakeSystem::new();
        family(&system);
        // Children of the reaper 5: a daemon of task 7, one of another run, one without marks.
        for pid in [5, 30, 31, 32, 33] {
            system.process(pid, if pid == 33 { 30 } else { 5 }, 1, 1);
        }
        system.write("proc/30/environ", "A=1\0SAFERUN_RUN=r1\0SAFERUN_TASK=7\0");
        system.write("proc/31/environ", "SAFERUN_RUN=r2\0SAFERUN_TASK=7\0");
        system.write("proc/32/environ", b"SAFERUN_TASK=77\0\xff");
        system.children(5, "30 31 32 ");
        system.children(30, "33");
        if listed {
            system.lists_children();
        }
        let mut table = table(&system, Some(5));
        table
            .add(10, &[b"SAFERUN_RUN=r1", b"SAFERUN_TASK=7"])
            .expect("added");
        table.add(20, &[]).expect("added");
        table.find().expect("found");
        assert_eq!(pids(&table, 10), [10, 11, 12, 13, 30, 33]);
        assert_eq!(pids(&table, 20), [20]);
        table.remove(10);
        assert_eq!(pids(&table, 10), Vec::<u32>::new());
        assert!(matches!(table.use_of(10), Err(ReadError::Unknown { .. })));
    }
}

#[test]
fn who_was_known_stays_known_when_its_parent_ends() {
    let system = FakeSystem::new();
    family(&system);
    system.lists_children();
    let mut table = table(&system, None);
    table.add(10, &[]).expect("added");
    table.find().expect("found");
    // 12 ends, 13 falls to PID 1 and has a child of its own.
    system.end_process(12);
    system.process(13, 1, 1, 13);
    system.process(14, 13, 1, 14);
    system.children(13, "14");
    table.find().expect("found");
    assert!(pids(&table, 10).contains(&14));
}

#[test]
fn processor_time_never_goes_back() {
    let system = FakeSystem::new();
    family(&system);
    let mut table = table(&system, None);
    table.add(10, &[]).expect("added");
    table.find().expect("found");
    let one = Duration::from_millis(100 * 1000 / rustix::param::clock_ticks_per_second());
    assert_eq!(table.cpu_of(10).expect("read"), 4 * one);
    system.end_process(11);
    assert_eq!(table.cpu_of(10).expect("read"), 4 * one);
}

#[test]
fn a_number_that_changed_hands_is_another_process() {
    let system = FakeSystem::new();
    family(&system);
    let roots = system.roots();
    let first = ProcessId::read(&roots, 11).expect("read").expect("there");
    assert_eq!(first.start_ticks, 1011);
    system.end_process(11);
    assert_eq!(ProcessId::read(&roots, 11).expect("read"), None);
}

#[test]
fn garbage_is_an_error_with_its_path() {
    let system = FakeSystem::new();
    family(&system);
    let mut table = table(&system, None);
    table.add(10, &[]).expect("added");
    system.write("proc/10/statm", "garbage");
    let error = table.use_of(10).expect_err("garbage").to_string();
    assert!(
        error.contains("proc/10/statm") && error.contains("garbage"),
        "{error}"
    );
    system.write("proc/11/stat", "11 (x) S what 1 2");
    assert!(table.find().is_err());
}

#[test]
fn a_session_and_its_descendants() {
    let system = FakeSystem::new();
    // 50 leads the session; 51 is in it; 52 left it, but is a child; 60 is a stranger.
    for (pid, parent, session) in [(50, 1, 50), (51, 50, 50), (52, 51, 52), (60, 1, 60)] {
        system.process(pid, parent, session, 100);
    }
    std::os::unix::fs::symlink("51", system.path("proc/self")).expect("a link");
    system.write(
        "proc/51/smaps_rollup",
        "0-1 ---p [rollup]\nRss: 9 kB\nPss:   5 kB\n",
    );
    let held = session_use(&system.roots()).expect("read");
    assert_eq!(held.processes, 3);
    assert_eq!(held.by_resident, 2);
    assert_eq!(held.bytes, 2 * 110 * page() + 5 * 1024);

    system.write("proc/51/smaps_rollup", "Pss: much\n");
    assert!(session_use(&system.roots()).is_err());
}
