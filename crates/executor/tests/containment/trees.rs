//! Slots that are process trees.

use std::time::Duration;

use rustix::process::Signal;
use saferun_executor::slot::{Slots, Tier};
use saferun_executor::{Containment, RunId, guard};

use crate::support::{kill, shell, state, until, wait, with_environment};

fn trees(id: &RunId) -> Box<dyn Slots> {
    let (slots, _) = guard::open(Containment::Tree, id, None).expect("process trees");
    assert_eq!(slots.tier(), Tier::Tree);
    slots
}

#[test]
fn all_of_a_tree_is_killed_frozen_or_not() {
    for frozen in [false, true] {
        let id = RunId::new();
        let mut slots = trees(&id);
        let slot = slots.take().expect("a slot");
        let command = "setsid sleep 600 & setsid sh -c '(sleep 600 &)'; (sleep 600 &); sleep 600";
        let child = shell(&mut *slots, slot, &id, command);
        let mark = format!("SAFERUN_RUN={id}");
        // Four sleepers and the shell that waits for one of them.
        until("all are there", || {
            let all = with_environment(&mark);
            let sleepers = all.iter().filter(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/comm"))
                    .is_ok_and(|name| name.trim() == "sleep")
            });
            sleepers.count() == 4 && all.len() == 5
        });
        if frozen {
            slots.freeze(slot).expect("frozen");
            until("all are stopped", || {
                with_environment(&mark)
                    .iter()
                    .all(|pid| state(*pid) == Some('T'))
            });
        }
        kill(&mut *slots, slot, &child);
        assert_eq!(with_environment(&mark), [0u32; 0]);
        slots.release(slot);
    }
}

#[test]
fn a_slot_is_not_empty_while_an_orphan_of_its_task_lives() {
    let id = RunId::new();
    let mut slots = trees(&id);
    let slot = slots.take().expect("a slot");
    let child = shell(
        &mut *slots,
        slot,
        &id,
        "setsid sh -c '(sleep 600 &)'; (sleep 600 &)",
    );
    assert_eq!(wait(&child).exit_status(), Some(0));
    assert!(!slots.is_empty(slot).expect("readable"));
    kill(&mut *slots, slot, &child);
    let child = shell(&mut *slots, slot, &id, "exit 4");
    assert_eq!(wait(&child).exit_status(), Some(4));
    // Children of other tests in this process are taken for newcomers for a moment.
    until("it is empty", || slots.is_empty(slot).expect("readable"));
}

#[test]
fn a_tree_is_stopped_and_goes_on() {
    let id = RunId::new();
    let mut slots = trees(&id);
    let slot = slots.take().expect("a slot");
    let child = shell(&mut *slots, slot, &id, "while :; do :; done");
    slots.freeze(slot).expect("frozen");
    until("it stands still", || state(child.pid) == Some('T'));
    let before = slots.usage(slot).expect("readable").cpu;
    slots.thaw(slot).expect("thawed");
    until("it goes on", || {
        slots.usage(slot).expect("readable").cpu > before + Duration::from_millis(20)
    });
    slots.signal(slot, Signal::TERM).expect("signalled");
    assert_eq!(wait(&child).terminating_signal(), Some(15));
}

#[test]
fn what_a_tree_holds_is_counted() {
    let id = RunId::new();
    let mut slots = trees(&id);
    let slot = slots.take().expect("a slot");
    let hog = "x=$(head -c 40000000 /dev/zero | tr '\\0' x); sleep 600";
    let child = shell(&mut *slots, slot, &id, hog);
    until("it is counted", || {
        slots.run_usage().expect("readable").used_bytes > 36 << 20
            && slots.usage(slot).expect("readable").use_bytes > 36 << 20
    });
    kill(&mut *slots, slot, &child);
    assert_eq!(slots.run_usage().expect("readable").used_bytes, 0);
}

#[test]
fn a_storm_is_killed_whole() {
    let id = RunId::new();
    let mut slots = trees(&id);
    let slot = slots.take().expect("a slot");
    let storm = "f() { [ $1 -gt 0 ] || exit; sleep 0.002; (f $(($1-1)) &); exit; }; \
        i=0; while [ $i -lt 20 ]; do i=$((i+1)); (f 2000 &); done; sleep 600";
    let child = shell(&mut *slots, slot, &id, storm);
    let mark = format!("SAFERUN_RUN={id}");
    until("it rages", || with_environment(&mark).len() > 10);
    kill(&mut *slots, slot, &child);
    until("nothing is left", || {
        let _ = slots.kill(slot);
        with_environment(&mark).is_empty() && with_environment(&mark).is_empty()
    });
}
