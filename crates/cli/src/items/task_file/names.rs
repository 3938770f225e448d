//! From names in `after` to an order.

use std::collections::HashMap;

use saferun_executor::{OrderError, OrderedTasks, Task};
use saferun_scheduler::TaskId;

use super::document::{Entry, shown};
use super::problem::{at, nearest};
use super::text::Text;
use crate::error::CliError;

/// At most so many tasks of a cycle are named at each end.
const NAMED: usize = 6;

/// The tasks in an order in which they can run.
///
/// # Errors
///
/// Two tasks have one name, one is to run after a task that is not there, or tasks wait for one
/// another.
pub(super) fn ordered(text: &Text, mut entries: Vec<Entry>) -> Result<OrderedTasks, CliError> {
    let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
    for (number, entry) in entries.iter().enumerate() {
        let Some((name, place)) = &entry.name else {
            continue;
        };
        if let Some((_, first)) = places.insert(name, (number, *place)) {
            let cause = format!(
                "the name '{}' is that of the task at line {} already",
                shown(name),
                text.line(first)
            );
            return Err(at(text, *place, &cause, "another name"));
        }
    }
    let mut after = Vec::with_capacity(entries.len());
    for entry in &entries {
        let numbers = entry.after.iter().map(|(name, place)| {
            let number = places.get(name.as_str()).map(|(number, _)| *number as u64);
            number.ok_or_else(|| unknown(text, &entries, name, *place))
        });
        after.push(numbers.collect::<Result<Vec<u64>, _>>()?);
    }
    let tasks: Vec<Task> = (entries.iter_mut().zip(after))
        .map(|(entry, after)| Task {
            after: after.into_iter().map(TaskId).collect(),
            ..std::mem::replace(&mut entry.task, nothing())
        })
        .collect();
    OrderedTasks::new(tasks).map_err(|error| match error {
        OrderError::Cycle(cycle) => wait_for_one_another(text, &entries, &cycle),
        // Every name was found.
        OrderError::Unknown { .. } => CliError::usage(error.to_string(), "another name"),
    })
}

/// What is left where a task was taken out.
fn nothing() -> Task {
    Task::new("", saferun_executor::CommandSpec::new("", [""; 0]))
}

fn unknown(text: &Text, entries: &[Entry], name: &str, place: usize) -> CliError {
    let cause = format!("after: no task is named '{}'", shown(name));
    let unnamed = |entry: &&Entry| entry.name.is_none() && entry.task.name == *name;
    if let Some(entry) = entries.iter().find(unnamed) {
        let fix = format!(
            "name = \"{}\" in the task that runs this; only its own name can stand in after",
            shown(&entry.task.name.to_string_lossy())
        );
        return at(text, place, &cause, fix);
    }
    let names = entries.iter().filter_map(|entry| entry.name.as_ref());
    let fix = match nearest(name, names.map(|(name, _)| name.as_str())) {
        Some(nearest) => format!("'{}'", shown(nearest)),
        None => String::from("the name of a task in this file"),
    };
    at(text, place, &cause, fix)
}

fn wait_for_one_another(text: &Text, entries: &[Entry], cycle: &[usize]) -> CliError {
    let name = |place: usize| {
        (entries.get(place))
            .and_then(|entry| entry.name.as_ref())
            .map_or("", |(name, _)| name)
    };
    let first = cycle.first().copied().unwrap_or_default();
    let next = cycle.get(1).copied().unwrap_or(first);
    let place = (entries.get(first).iter())
        .flat_map(|entry| &entry.after)
        .find(|(on, _)| on == name(next))
        .map_or(0, |(_, place)| *place);
    if cycle.len() < 2 {
        let cause = format!("the task '{}' is to run after itself", shown(name(first)));
        return at(text, place, &cause, "leave it out of its own after");
    }
    let mut shown_names: Vec<String> = Vec::new();
    for (number, member) in cycle.iter().enumerate() {
        if number < NAMED || number + NAMED >= cycle.len() {
            shown_names.push(shown(name(*member)));
        } else if number == NAMED {
            shown_names.push(format!("... {} more ...", cycle.len() - 2 * NAMED));
        }
    }
    shown_names.push(shown(name(first)));
    let cause = format!(
        "tasks wait for one another: {} (each is after the next)",
        shown_names.join(" -> ")
    );
    at(text, place, &cause, "leave one of these names out of after")
}
