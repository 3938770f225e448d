//! The promises.

use saferun_scheduler::{Action, EndCause, Exit, GiveUpReason, Outcome, TaskId};

use super::setting::{BUDGET, Setting, Telling};
use super::task::{Place, Task};
use super::world::World;

/// Checks an action before it is carried out. `champion` was it before the event.
pub(super) fn check_action(
    world: &World,
    action: &Action,
    champion: Option<usize>,
    exited: Option<(usize, Exit)>,
    setting: &Setting,
) -> Result<(), String> {
    let is_champion = |id: &TaskId| champion == usize::try_from(id.0).ok();
    let broken = |what: &str| Err(format!("{what}: {action:?}"));
    match action {
        Action::Start { task, attempt } => {
            let task = find(world, *task)?;
            if world.stopped {
                return broken("started after the stop");
            }
            if task.place != Place::Waiting {
                return broken("doubled");
            }
            if *attempt != task.attempts + 1 {
                return broken("the attempts are miscounted");
            }
            check_room(world, task, setting)
        }
        Action::Freeze { task } => match find(world, *task)?.place {
            _ if is_champion(task) => broken("the champion was frozen"),
            Place::Running => Ok(()),
            _ => broken("frozen though it does not run"),
        },
        Action::Thaw { task } => match find(world, *task)?.place {
            Place::Frozen => Ok(()),
            _ => broken("thawed though it is not frozen"),
        },
        Action::End { task: id, cause } => {
            let task = find(world, *id)?;
            if !matches!(task.place, Place::Running | Place::Frozen) {
                return broken("ended though it does not run");
            }
            match cause {
                EndCause::Preempt { .. } if is_champion(id) => broken("the champion was ended"),
                EndCause::Preempt { .. } if !setting.may_end() => broken("it may not be ended"),
                EndCause::Stop if !world.stopped => broken("nobody wants the run to end"),
                EndCause::GiveUp(GiveUpReason::Pressure { .. }) if is_champion(id) => {
                    broken("the champion was given up")
                }
                EndCause::GiveUp(GiveUpReason::Pressure { .. }) if setting.may_end() => {
                    broken("given up though room can be made")
                }
                EndCause::GiveUp(GiveUpReason::ExceedsBudgetAlone { .. }) => {
                    let active = world.tasks.iter().filter(|task| task.is_active()).count();
                    if task.peak <= BUDGET || active > 1 {
                        return broken("given up though it fits");
                    }
                    Ok(())
                }
                _ => Ok(()),
            }
        }
        Action::Conclude { task: id, outcome } => {
            let task = find(world, *id)?;
            if task.place != Place::Waiting {
                return broken("concluded though it is not over");
            }
            let last = exited.filter(|(number, _)| *number as u64 == id.0);
            match (outcome, last) {
                (Outcome::Done, Some((_, Exit::Success))) => Ok(()),
                (Outcome::Done, _) => broken("it was never done"),
                (Outcome::Failed, Some((_, Exit::Success)) | None) => broken("it did not fail"),
                (Outcome::Failed, _) => Ok(()),
                (Outcome::Skipped(_), _) if !world.stopped => broken("skipped for nothing"),
                (Outcome::Skipped(_) | Outcome::GivenUp(_), _) => Ok(()),
            }
        }
        Action::Reclaim
        | Action::Checkpoint { .. }
        | Action::Batch { .. }
        | Action::OneByOne(_)
        | Action::SideBySide { .. } => Ok(()),
    }
}

/// Nothing is started beside others where what was read of them leaves no room; and where every peak
/// is known and nothing may be ended, the peaks of all that run fit.
fn check_room(world: &World, task: &Task, setting: &Setting) -> Result<(), String> {
    let active = world.tasks.iter().filter(|task| task.is_active()).count();
    if setting.limit().is_some_and(|most| active >= most) {
        return Err(format!("started beside {active}, which are enough"));
    }
    let mut live = world
        .tasks
        .iter()
        .filter(|other| matches!(other.place, Place::Running | Place::Frozen))
        .peekable();
    if live.peek().is_none() {
        return Ok(());
    }
    let (used, peaks) = live.fold((0, 0), |sum, other| {
        (sum.0 + other.read, sum.1 + other.peak)
    });
    if used > BUDGET {
        return Err(format!("started beside {used} bytes, past the budget"));
    }
    let is_certain = setting.telling == Telling::Peaks && !setting.may_end();
    if is_certain && peaks + task.peak > BUDGET {
        return Err(format!("reserved {} bytes", peaks + task.peak));
    }
    Ok(())
}

/// Checks the state after an event.
pub(super) fn check_state(
    world: &World,
    champion: Option<usize>,
    actions: &[Action],
) -> Result<(), String> {
    world
        .scheduler
        .sanity_check()
        .map_err(|broken| format!("{broken}: {actions:?}"))?;
    let count = |is: fn(&Place) -> bool| world.tasks.iter().filter(|task| is(&task.place)).count();
    let counts = world.scheduler.counts();
    let agrees = counts.queued == count(|place| *place == Place::Waiting)
        && counts.active == world.tasks.iter().filter(|task| task.is_active()).count()
        && counts.frozen == count(|place| *place == Place::Frozen)
        && counts.concluded() == count(|place| matches!(place, Place::Final(_))) as u64;
    if !agrees {
        return Err(format!("lost or doubled: {counts:?} after {actions:?}"));
    }
    if let Some(old) = champion
        && world.champion() != Some(old)
        && world
            .tasks
            .get(old)
            .is_some_and(|task| task.place == Place::Running && task.attempts > 0)
        && !actions
            .iter()
            .any(|action| matches!(action, Action::Start { task, .. } if task.0 == old as u64))
    {
        return Err("the champion was replaced while it runs".into());
    }
    Ok(())
}

/// Checks the end: each task has the outcome that it must have, and endings were bounded.
pub(super) fn check_end(world: &World, setting: &Setting) -> Result<(), String> {
    for (number, task) in world.tasks.iter().enumerate() {
        let Place::Final(outcome) = &task.place else {
            return Err(format!("task {number} was lost"));
        };
        let fits = task.peak <= BUDGET;
        let is_right = match outcome {
            Outcome::Done => fits,
            Outcome::Skipped(_) => world.stopped,
            Outcome::GivenUp(GiveUpReason::ExceedsBudgetAlone { .. }) => !fits,
            Outcome::GivenUp(GiveUpReason::DeclaredAboveBudget { .. }) => {
                !fits && setting.telling == Telling::Peaks
            }
            // What has to be reserved is known only where peaks are; and others keep memory for
            // too short a time to be a reason.
            Outcome::GivenUp(reason) => {
                matches!(reason, GiveUpReason::Pressure { .. }) && !setting.may_end()
            }
            // A victim that may not be run again has failed, and so has what failed on a stop.
            Outcome::Failed => setting.telling == Telling::OnceOnly || world.stopped,
        };
        if !is_right {
            return Err(format!("task {number} ended as {outcome:?}"));
        }
    }
    // What was ended is run again only after another exit, or when nothing else runs.
    let most = world.tasks.len() as u64 * (world.exits + 1);
    if world.endings() > most {
        return Err(format!(
            "{} endings, {} exits",
            world.endings(),
            world.exits
        ));
    }
    Ok(())
}

fn find(world: &World, id: TaskId) -> Result<&Task, String> {
    let place = usize::try_from(id.0).ok();
    place
        .and_then(|place| world.tasks.get(place))
        .ok_or_else(|| format!("there is no {id:?}"))
}
