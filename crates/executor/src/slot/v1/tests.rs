//! What takes the place of the unified tree where that isn't writable.

use std::ffi::CString;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use saferun_memory::{OwnGroups, Roots};

use super::{CgroupV1, files};
use crate::run_id::RunId;
use crate::slot::{SlotId, Slots};
use crate::spawn::{Child, SpawnRequest};

fn driver(change: impl FnOnce(&mut OwnGroups)) -> Option<CgroupV1> {
    let mut own = OwnGroups::read(&Roots::default()).expect("groups");
    change(&mut own);
    match CgroupV1::open(&own, &RunId::new()) {
        Ok(slots) => Some(slots),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

fn shell(slots: &mut CgroupV1, slot: SlotId, command: &str) -> Child {
    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let argv = ["sh", "-c", command].map(|arg| CString::new(arg).expect("no NUL"));
    let request = SpawnRequest {
        candidates: &[c"/bin/sh".to_owned()],
        argv: &argv,
        envp: &[c"PATH=/bin:/usr/bin".to_owned()],
        workdir: None,
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    slots.spawn(slot, &request).expect("it starts")
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn members(slots: &CgroupV1, slot: SlotId) -> Vec<i32> {
    let dir = files::open_dir(&slots.memory.dir, format!("slot-{}", slot.0)).expect("a slot");
    files::procs(dir).expect("readable")
}

/// A slot is stopped, killed while it is stopped, and used again.
fn life_of_a_slot(mut slots: CgroupV1, is_stopped: impl Fn(&CgroupV1, &[i32]) -> bool) {
    let slot = slots.take().expect("a slot");
    for _ in 0..2 {
        let child = shell(
            &mut slots,
            slot,
            "setsid sleep 600 & (sleep 600 &); sleep 600",
        );
        // Three sleepers and the shell that waits for one of them.
        until("all are there", || {
            let members = members(&slots, slot);
            let sleepers = members.iter().filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.trim() == "sleep")
            });
            sleepers.count() == 3 && members.len() == 4
        });
        slots.freeze(slot).expect("stopped");
        until("all are stopped", || {
            is_stopped(&slots, &members(&slots, slot))
        });
        assert!(!slots.is_empty(slot).expect("readable"));
        until("the slot is empty", || {
            slots.kill(slot).expect("killed");
            slots.is_empty(slot).expect("readable")
        });
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        assert!(status.expect("a child").expect("a status").killed());
        slots.release(slot);
        assert_eq!(slots.take().expect("a slot"), slot);
    }
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 600";
    let child = shell(&mut slots, slot, busy);
    until("its time is counted", || {
        slots.usage(slot).expect("readable").cpu > Duration::from_millis(10)
    });
    slots.freeze(slot).expect("stopped");
    slots.thaw(slot).expect("let go on");
    let term = rustix::process::Signal::TERM;
    until("it ends when asked to", || {
        slots.signal(slot, term).expect("signalled");
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), look);
        matches!(status, Ok(Some(_)))
    });
    until("the slot is empty", || {
        slots.kill(slot).expect("killed");
        slots.is_empty(slot).expect("readable")
    });
    let path = slots.memory.path.clone();
    slots.shutdown().expect("removed");
    assert!(!path.exists());
}

#[test]
fn the_freezer_of_v1_takes_the_place_of_the_unified_tree() {
    let Some(slots) = driver(|own| own.unified = None) else {
        return;
    };
    if slots.freezer.is_none() {
        println!("skipped: {}", slots.notes.join("; "));
        return;
    }
    assert!(slots.notes[0].contains("freezer"), "{:?}", slots.notes);
    life_of_a_slot(slots, |slots, _| {
        let run = slots.freezer.as_ref().expect("a freezer");
        let state = run.path.join("slot-0/freezer.state");
        std::fs::read_to_string(state).expect("readable").trim() == "FROZEN"
    });
}

#[test]
fn signals_take_the_place_of_the_freezer() {
    let Some(slots) = driver(|own| {
        own.unified = None;
        own.freezer_v1 = None;
    }) else {
        return;
    };
    assert!(slots.notes[0].contains("signals"), "{:?}", slots.notes);
    life_of_a_slot(slots, |_, members| {
        members.iter().all(|pid| {
            std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
                stat.rsplit_once(") ")
                    .is_some_and(|(_, s)| s.starts_with('T'))
            })
        })
    });
}

#[test]
fn the_number_of_processes_is_limited() {
    let Some(slots) = driver(|_| {}) else { return };
    let Some(pids) = &slots.pids else {
        println!("skipped: {}", slots.notes.join("; "));
        return;
    };
    let max = std::fs::read_to_string(pids.path.join("pids.max")).expect("readable");
    assert!(max.trim().parse::<u64>().expect("a number") >= 2);
}
