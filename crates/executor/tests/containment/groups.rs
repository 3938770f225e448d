//! Slots that are control groups.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use saferun_executor::RunId;
use saferun_executor::slot::Slots;

use crate::support::{self, Runner, group_dirs, groups, kill, shell, state, until, wait};

const MIB: u64 = 1 << 20;

/// Takes so many MiB and holds them.
fn hog(mib: u32) -> String {
    format!(
        "x=$(head -c {}000000 /dev/zero | tr '\\0' x); sleep 600",
        mib
    )
}

#[test]
fn a_slot_is_used_again_and_counts_from_zero() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    let slot = slots.take().expect("a slot");
    let child = shell(
        &mut *slots,
        slot,
        &id,
        "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done",
    );
    assert_eq!(wait(&child).exit_status(), Some(0));
    assert!(slots.is_empty(slot).expect("readable"));
    assert!(slots.usage(slot).expect("readable").cpu > Duration::from_millis(1));
    slots.release(slot);
    assert_eq!(slots.take().expect("a slot"), slot);
    assert!(slots.usage(slot).expect("readable").cpu < Duration::from_millis(1));
    assert_eq!(slots.kernel_kills(slot).expect("readable"), 0);
    assert_ne!(slots.take().expect("another"), slot);
    slots.shutdown().expect("removed");
    assert!(group_dirs(id.as_str()).is_empty());
}

#[test]
fn all_of_a_slot_is_killed_frozen_or_not() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    let slot = slots.take().expect("a slot");
    for frozen in [false, true] {
        let child = shell(
            &mut *slots,
            slot,
            &id,
            "setsid sleep 600 & (sleep 600 &); sleep 600",
        );
        assert!(!slots.is_empty(slot).expect("readable"));
        if frozen {
            slots.freeze(slot).expect("frozen");
        }
        kill(&mut *slots, slot, &child);
        slots.release(slot);
        assert_eq!(slots.take().expect("a slot"), slot);
    }
    // Having been frozen doesn't stick to the slot.
    let child = shell(&mut *slots, slot, &id, "exit 3");
    assert_eq!(wait(&child).exit_status(), Some(3));
}

#[test]
fn freezing_stops_and_thawing_continues() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    let slot = slots.take().expect("a slot");
    let child = shell(&mut *slots, slot, &id, "while :; do :; done");
    let cpu = |slots: &mut dyn Slots| slots.usage(slot).expect("readable").cpu;
    slots.freeze(slot).expect("frozen");
    until("it stands still", || {
        let before = cpu(&mut *slots);
        std::thread::sleep(Duration::from_millis(20));
        cpu(&mut *slots) == before
    });
    slots.thaw(slot).expect("thawed");
    let before = cpu(&mut *slots);
    until("it goes on", || {
        cpu(&mut *slots) > before + Duration::from_millis(20)
    });
    slots.signal(slot, Signal::TERM).expect("signalled");
    assert_eq!(wait(&child).terminating_signal(), Some(15));
}

#[test]
fn a_full_group_waits_and_goes_on_with_more_room() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    slots.set_limit(24 * MIB, 16 * MIB).expect("set");
    let slot = slots.take().expect("a slot");
    let breached = slots
        .breach()
        .expect("a descriptor")
        .try_clone_to_owned()
        .expect("a copy");
    let child = shell(&mut *slots, slot, &id, &hog(60));
    let timeout = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let fired = poll(&mut [PollFd::new(&breached, PollFlags::IN)], Some(&timeout));
    assert_eq!(fired, Ok(1), "the breach is told");
    until("the group is full", || {
        slots.run_usage().expect("readable").full
    });
    assert!(slots.run_usage().expect("readable").used_bytes <= 24 * MIB);
    slots.set_limit(400 * MIB, 300 * MIB).expect("raised");
    until("the group is full no longer", || {
        !slots.run_usage().expect("readable").full
    });
    until("the task has gone on", || {
        let usage = slots.usage(slot).expect("readable").use_bytes;
        usage > 40 * MIB || state(child.pid).is_none_or(|state| state == 'Z')
    });
    assert_eq!(slots.kernel_kills(slot).expect("readable"), 0);
    kill(&mut *slots, slot, &child);
}

#[test]
fn a_stalled_task_can_be_killed() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    slots.set_limit(24 * MIB, 16 * MIB).expect("set");
    let slot = slots.take().expect("a slot");
    let child = shell(&mut *slots, slot, &id, &hog(60));
    until("the group is full", || {
        slots.run_usage().expect("readable").full
    });
    slots.freeze(slot).expect("frozen");
    kill(&mut *slots, slot, &child);
    until("memory is back", || {
        slots.run_usage().expect("readable").used_bytes < 8 * MIB
    });
}

#[test]
fn the_threshold_can_be_moved_and_tells_again() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    let breached = slots
        .breach()
        .expect("a descriptor")
        .try_clone_to_owned()
        .expect("a copy");
    let fires = |seconds| {
        let timeout = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        poll(&mut [PollFd::new(&breached, PollFlags::IN)], Some(&timeout)) == Ok(1)
    };
    let slot = slots.take().expect("a slot");
    for threshold in [16 * MIB, 20 * MIB, 12 * MIB] {
        slots.set_limit(400 * MIB, threshold).expect("set");
        // The kernel takes its time to watch for it, so it is crossed until it tells.
        until("the threshold tells", || {
            let child = shell(&mut *slots, slot, &id, &hog(40));
            let told = fires(1);
            kill(&mut *slots, slot, &child);
            told
        });
        until("it is quiet again", || {
            slots.run_usage().expect("readable");
            !fires(0)
        });
    }
}

#[test]
fn cache_is_given_back_before_a_slot_is_used_again() {
    let id = RunId::new();
    let Some(mut slots) = groups(&id) else { return };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = dir.path().join("written");
    let slot = slots.take().expect("a slot");
    let write = format!(
        "head -c 64000000 /dev/zero > '{}'; sync '{0}'",
        file.display()
    );
    assert_eq!(
        wait(&shell(&mut *slots, slot, &id, &write)).exit_status(),
        Some(0)
    );
    if slots.run_usage().expect("readable").cache_bytes < 32 * MIB {
        println!("skipped: files written here aren't charged as cache");
        return;
    }
    assert!(
        slots.usage(slot).expect("readable").use_bytes < 16 * MIB,
        "cache is no use"
    );
    slots.release(slot);
    until("the slot is handed out again, without its cache", || {
        let taken = slots.take().expect("a slot");
        if taken != slot {
            slots.release(taken);
            return false;
        }
        true
    });
    assert!(slots.run_usage().expect("readable").cache_bytes < 32 * MIB);
}

#[test]
fn a_dead_run_is_swept_and_a_live_one_is_not() {
    let id = RunId::new();
    let Some(slots) = groups(&id) else { return };
    // A run whose runner and guard died together: its groups with a task, and nobody's lock.
    let own = saferun_memory::OwnGroups::read(&saferun_memory::Roots::default()).expect("groups");
    let stale = RunId::new();
    let mut sleeper = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("sleep");
    for group in [own.memory_v1, own.unified].into_iter().flatten() {
        let dir = group.dir.join(format!("saferun-{stale}/slot-0"));
        if std::fs::create_dir_all(&dir).is_ok() {
            std::fs::write(dir.join("cgroup.procs"), sleeper.id().to_string()).expect("joined");
        }
    }
    assert!(!group_dirs(stale.as_str()).is_empty());
    let stranger = group_dirs(id.as_str());
    assert!(!stranger.is_empty());

    let runner = Runner::start("best", &["true"]);
    assert_eq!(runner.finish(), Some(7));
    until("the stale groups are gone", || {
        group_dirs(stale.as_str()).is_empty()
    });
    let status = sleeper.wait().expect("a status");
    assert!(!status.success(), "its task was ended");
    assert_eq!(
        group_dirs(id.as_str()),
        stranger,
        "a live run's groups stay"
    );
    drop(slots);
    assert!(support::group_dirs(id.as_str()).is_empty());
}
