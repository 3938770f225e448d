//! Uses `saferun-scheduler` alone.

use std::error::Error;
use std::time::Duration;

use saferun_scheduler::{
    Action, Config, Event, Exit, Outcome, Reading, Scheduler, TaskId, TaskSpec,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut scheduler = Scheduler::new(Config::default());
    let mut actions = Vec::new();
    let (task, budget) = (TaskId(1), 1 << 30);
    let spec = TaskSpec {
        id: task,
        declared_bytes: Some(1 << 20),
        restartable: true,
        retries: 0,
        kind: None,
        hint: None,
    };
    let reading = Reading {
        budget_bytes: budget,
        undisturbed_bytes: budget,
        used_bytes: 0,
        tasks: &[],
    };
    let exited = Event::Exited {
        task,
        exit: Exit::Success,
        peak_bytes: 1 << 20,
    };
    let events = [
        Event::Added(spec),
        Event::SourceDrained,
        Event::Reading(reading),
        exited,
    ];
    for (second, event) in (0..).zip(events) {
        scheduler.on(event, Duration::from_secs(second), &mut actions);
    }
    let expected = [
        Action::Start { task, attempt: 1 },
        Action::Conclude {
            task,
            outcome: Outcome::Done,
        },
    ];
    if actions != expected || !scheduler.is_finished() {
        return Err(format!("{actions:?}").into());
    }
    println!("scheduler: {} actions", actions.len());
    Ok(())
}
