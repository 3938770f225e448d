//! Short ways to say what happens in a small run.

use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_scheduler::{
    Action, Config, EndCause, Event, Exit, Outcome, Reading, TaskId, TaskReading, TaskSpec,
};

use super::Model;

pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BUDGET: u64 = 600 * MIB;

pub(crate) fn config() -> Config {
    Config {
        cores: NonZeroUsize::new(64).unwrap(),
        ..Config::default()
    }
}

pub(crate) fn task(id: u64) -> TaskSpec {
    TaskSpec {
        id: TaskId(id),
        declared_bytes: None,
        restartable: true,
        retries: 0,
        kind: None,
        hint: None,
    }
}

pub(crate) fn declared(id: u64, mib: u64) -> TaskSpec {
    TaskSpec {
        declared_bytes: Some(mib * MIB),
        ..task(id)
    }
}

/// A task's use in MiB, and whether it is at the wall.
pub(crate) fn uses(id: u64, mib: u64, at_wall: bool) -> TaskReading {
    TaskReading {
        task: TaskId(id),
        use_bytes: mib * MIB,
        at_wall,
        busy_cores: 1.0,
    }
}

/// Lets 20 ms pass and reads.
pub(crate) fn read(model: &mut Model, budget: u64, tasks: &[TaskReading]) {
    model.now += Duration::from_millis(20);
    model.on(Event::Reading(Reading {
        budget_bytes: budget,
        undisturbed_bytes: BUDGET,
        used_bytes: tasks.iter().map(|task| task.use_bytes).sum(),
        tasks,
    }));
}

pub(crate) fn exit(model: &mut Model, id: u64, exit: Exit) {
    model.now += Duration::from_millis(5);
    model.on(Event::Exited {
        task: TaskId(id),
        exit,
        peak_bytes: 0,
    });
}

pub(crate) fn started(model: &Model) -> Vec<u64> {
    let started = |action: &Action| match action {
        Action::Start { task, .. } => Some(task.0),
        _ => None,
    };
    model.actions.iter().filter_map(started).collect()
}

pub(crate) fn ended(model: &Model) -> Vec<(u64, EndCause)> {
    let ended = |action: &Action| match action {
        Action::End { task, cause } => Some((task.0, *cause)),
        _ => None,
    };
    model.actions.iter().filter_map(ended).collect()
}

pub(crate) fn outcome(model: &Model, id: u64) -> Option<&Outcome> {
    model
        .concluded
        .iter()
        .find(|(task, _)| *task == TaskId(id))
        .map(|(_, outcome)| outcome)
}
