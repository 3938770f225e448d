//! What survives the runner: nothing.

use rustix::process::Signal;

use crate::support::{Runner, group_dirs, until, with_environment};

/// A task of each kind of stubbornness. Every process of it that stays forks away, sleeps, or
/// does both.
pub(crate) const KINDS: [(&str, &str); 6] = [
    ("plain", "sleep 600"),
    ("a session of its own", "setsid sleep 600 & sleep 600"),
    ("left in the background", "(sleep 600 &); exec sleep 600"),
    ("a double fork", "setsid sh -c '(sleep 600 &)' ; sleep 600"),
    (
        "stopped",
        "(sleep 600 & kill -STOP $!; sleep 600) & kill -STOP $$; sleep 600",
    ),
    (
        "self-replacing",
        "f() { [ $1 -gt 0 ] || exit; sleep 0.002; (f $(($1-1)) &); exit; }; (f 2000 &); sleep 600",
    ),
];

/// Twenty processes that each become another again and again, two thousand times at most.
pub(crate) const STORM: &str = "f() { [ $1 -gt 0 ] || exit; sleep 0.002; (f $(($1-1)) &); exit; }; \
    i=0; while [ $i -lt 20 ]; do i=$((i+1)); (f 2000 &); done; sleep 600";

fn nothing_survives(mode: &str) {
    for (kind, command) in KINDS.into_iter().chain([("a storm", STORM)]) {
        let mut runner = Runner::start(mode, &[command]);
        let mark = runner.mark();
        until("the task is there", || {
            with_environment(&mark).len() > 1 || kind == "plain"
        });
        runner.kill_runner();
        until(kind, || {
            // Twice, as a storm is never all there at once.
            with_environment(&mark).is_empty() && with_environment(&mark).is_empty()
        });
        until("the groups are removed", || {
            group_dirs(&runner.id).is_empty()
        });
        let status = runner.process.wait().expect("a status");
        if mode == "tree" {
            assert_eq!(status.code(), Some(137), "{kind}");
        }
    }
}

#[test]
fn nothing_survives_a_killed_runner_with_groups() {
    let runner = Runner::start("best", &["true"]);
    let has_groups = runner.has_groups;
    assert_eq!(runner.finish(), Some(7));
    if !has_groups {
        println!("skipped: there are no usable memory groups here");
        return;
    }
    nothing_survives("best");
}

#[test]
fn nothing_survives_a_killed_runner_below_its_guard() {
    nothing_survives("tree");
}

#[test]
fn nothing_survives_a_killed_runner_with_a_guard_that_looks_for_marks() {
    nothing_survives("marks");
}

#[test]
fn a_run_that_ends_in_order_leaves_nothing_in_any_tier() {
    for mode in ["best", "tree", "marks"] {
        let runner = Runner::start(mode, &["setsid sleep 600 & sleep 600", "sleep 600"]);
        let (mark, id) = (runner.mark(), runner.id.clone());
        assert_eq!(runner.finish(), Some(7), "{mode}");
        assert_eq!(with_environment(&mark), [0u32; 0], "{mode}");
        assert!(group_dirs(&id).is_empty(), "{mode}");
    }
}

#[test]
fn the_guard_above_hands_signals_on_and_mirrors_stops() {
    let mut runner = Runner::start("tree", &["sleep 600"]);
    let guard = runner.process.id();
    assert_ne!(guard, runner.pid);
    let state = crate::support::state;

    crate::support::signal(runner.pid, Signal::STOP);
    until("the guard stops with the runner", || {
        state(guard) == Some('T')
    });
    crate::support::signal(guard, Signal::CONT);
    until("the runner goes on with the guard", || {
        state(guard) != Some('T') && state(runner.pid) != Some('T')
    });

    let mark = runner.mark();
    crate::support::signal(guard, Signal::TERM);
    // The bare runner does nothing about it, so it dies of it, and the guard cleans up.
    let status = runner.process.wait().expect("a status");
    assert_eq!(status.code(), Some(128 + 15));
    assert_eq!(with_environment(&mark), [0u32; 0]);
}

#[test]
fn twenty_runs_at_once_don_t_touch_each_other() {
    let runners: Vec<Runner> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| Runner::start("best", &["exec sleep 600"])))
            .collect();
        starting
            .into_iter()
            .map(|runner| runner.join().expect("started"))
            .collect()
    });
    for runner in &runners {
        assert_eq!(with_environment(&runner.mark()).len(), 1, "its task lives");
        assert_eq!(group_dirs(&runner.id).is_empty(), !runner.has_groups);
    }
    // Every other one dies; the others stay whole.
    let (killed, kept): (Vec<_>, Vec<_>) = runners
        .into_iter()
        .enumerate()
        .partition(|(number, _)| number % 2 == 0);
    for (_, runner) in &killed {
        runner.kill_runner();
    }
    for (_, mut runner) in killed {
        runner.process.wait().expect("a status");
        until("a dead run is cleaned up", || {
            with_environment(&runner.mark()).is_empty() && group_dirs(&runner.id).is_empty()
        });
    }
    for (_, runner) in kept {
        assert_eq!(with_environment(&runner.mark()).len(), 1, "its task lives");
        assert_eq!(runner.finish(), Some(7));
    }
}

#[test]
fn a_guard_that_is_gone_is_noticed_and_replaced() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use saferun_executor::guard::Guard;
    use saferun_executor::{Containment, GuardProgram, Isolation, RunId};

    let program = GuardProgram {
        program: crate::support::example("runner").into(),
        args: vec!["guard".into()],
    };
    let id = RunId::new();
    let (mut slots, guard) =
        saferun_executor::guard::open(Containment::Best, &id, Some(&program)).expect("contained");
    let guard = guard.expect("a guard");
    let is_gone = |guard: &Guard, seconds| {
        let gone = guard.gone();
        let timeout = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        poll(&mut [PollFd::new(&gone, PollFlags::IN)], Some(&timeout)) == Ok(1)
    };
    assert!(!is_gone(&guard, 0));
    let gone = guard.gone().try_clone_to_owned().expect("a copy");
    rustix::process::pidfd_send_signal(&gone, Signal::TERM).expect("asked");
    rustix::process::pidfd_send_signal(&gone, Signal::HUP).expect("asked");
    rustix::process::pidfd_send_signal(&gone, Signal::KILL).expect("killed");
    assert!(is_gone(&guard, 20));

    let guard = Guard::restart(&id, &program, Isolation::None, &mut *slots).expect("another");
    assert!(!is_gone(&guard, 0));
    slots.shutdown().expect("removed");
    let gone = guard.gone().try_clone_to_owned().expect("a copy");
    guard.finish();
    // Its status was taken, so there is nobody to signal any more.
    assert!(rustix::process::pidfd_send_signal(&gone, Signal::TERM).is_err());
}
