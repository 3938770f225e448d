//! What the scheduler would start first, asked of the scheduler itself.

use std::num::NonZeroUsize;
use std::time::Duration;

use saferun_scheduler::{Action, Config, Event, Reading, Scheduler, TaskId, TaskSpec};

/// So many tasks are offered; no machine starts more at once of which it knows nothing.
const OFFERED: u64 = 256;

/// How many tasks of which nothing is known would be started at once.
pub(super) fn first(budget_bytes: u64, brake: bool, cores: NonZeroUsize) -> usize {
    let mut scheduler = Scheduler::new(Config {
        cores,
        brake,
        ..Config::default()
    });
    let mut actions = Vec::new();
    for id in 0..OFFERED {
        let task = TaskSpec {
            id: TaskId(id),
            declared_bytes: None,
            restartable: true,
            retries: 0,
            kind: Some(0),
            hint: None,
        };
        scheduler.on(Event::Added(task), Duration::ZERO, &mut actions);
    }
    scheduler.on(Event::SourceDrained, Duration::ZERO, &mut actions);
    let reading = Reading {
        budget_bytes,
        undisturbed_bytes: budget_bytes,
        used_bytes: 0,
        tasks: &[],
    };
    scheduler.on(Event::Reading(reading), Duration::ZERO, &mut actions);
    actions
        .iter()
        .filter(|action| matches!(action, Action::Start { .. }))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_room_starts_no_fewer() {
        let cores = NonZeroUsize::new(4).unwrap();
        let small = first(100 << 20, true, cores);
        let large = first(64 << 30, true, cores);
        assert!(small >= 1 && large >= small, "{small} {large}");
    }
}
