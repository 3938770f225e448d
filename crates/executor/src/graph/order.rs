//! An order in which every task comes after those that it depends on.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use saferun_scheduler::TaskId;

use crate::task::{Task, TaskSource};

/// A list of tasks that may depend on one another, in an order in which they can run.
///
/// ```
/// use saferun_executor::{CommandSpec, OrderedTasks, Task};
/// use saferun_scheduler::TaskId;
///
/// let mut test = Task::new("test", CommandSpec::new("make", ["check"]));
/// test.after = vec![TaskId(1)]; // the second of this list
/// let build = Task::new("build", CommandSpec::new("make", ["all"]));
/// let tasks = OrderedTasks::new(vec![test, build])?;
/// let names: Vec<_> = tasks.tasks().map(|task| &task.name).collect();
/// assert_eq!(names, ["build", "test"]);
/// # Ok::<(), saferun_executor::OrderError>(())
/// ```
#[derive(Debug)]
pub struct OrderedTasks {
    tasks: std::vec::IntoIter<Task>,
}

impl OrderedTasks {
    /// Brings tasks into an order in which they can run: that of the list, except that what
    /// others depend on comes before them. [`Task::after`] counts in the list as given (the
    /// first is 0); in what comes out it counts in the new order.
    ///
    /// # Errors
    ///
    /// Tasks wait for one another, or for one that is not there.
    pub fn new(tasks: Vec<Task>) -> Result<Self, OrderError> {
        let place = |id: &TaskId| usize::try_from(id.0).unwrap_or(usize::MAX);
        let after: Vec<Vec<usize>> = tasks
            .iter()
            .map(|task| task.after.iter().map(place).collect())
            .collect();
        let order = order(&after)?;
        let mut new_place = vec![0_u64; tasks.len()];
        for (new, &old) in (0..).zip(&order) {
            new_place[old] = new;
        }
        let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(Some).collect();
        let tasks: Vec<Task> = order
            .iter()
            .filter_map(|&old| {
                let mut task = tasks[old].take()?;
                task.after = after[old].iter().map(|&on| TaskId(new_place[on])).collect();
                Some(task)
            })
            .collect();
        Ok(Self {
            tasks: tasks.into_iter(),
        })
    }

    /// The tasks that are still to be handed out, in their order.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = &Task> {
        self.tasks.as_slice().iter()
    }
}

impl TaskSource for OrderedTasks {
    fn next_task(&mut self) -> Option<Result<Task, String>> {
        self.tasks.next().map(Ok)
    }

    fn count(&self) -> Option<u64> {
        Some(self.tasks.len() as u64)
    }

    fn has_dependencies(&self) -> bool {
        true
    }
}

/// Why tasks have no order in which they can run. Tasks are named by their place in the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A task depends on one that is not in the list.
    #[error("task {task} is to run after task {on}, and there is none of that number")]
    Unknown {
        /// The task.
        task: usize,
        /// What it is said to depend on.
        on: usize,
    },
    /// Each of these depends on the next, and the last on the first.
    #[error("tasks wait for one another: {}", in_a_circle(.0))]
    Cycle(Vec<usize>),
}

/// At most so many members of a cycle are shown at each end.
const SHOWN: usize = 6;

fn in_a_circle(cycle: &[usize]) -> String {
    let name = |&task: &usize| task.to_string();
    let mut names: Vec<String> = if cycle.len() > 2 * SHOWN {
        let (head, tail) = (&cycle[..SHOWN], &cycle[cycle.len() - SHOWN..]);
        let dots = std::iter::once(String::from("..."));
        (head.iter().map(name))
            .chain(dots)
            .chain(tail.iter().map(name))
            .collect()
    } else {
        cycle.iter().map(name).collect()
    };
    names.extend(cycle.first().map(name));
    names.join(" -> ")
}

/// The order in which tasks can run, where `after[n]` holds the places of those that must come
/// before the task at place `n`. Of those that could come next the first of the list does
/// (Kahn's algorithm with a heap), so a list that is in order already is left as it is.
///
/// # Errors
///
/// Tasks wait for one another, or for one that is not there.
pub fn order(after: &[Vec<usize>]) -> Result<Vec<usize>, OrderError> {
    let mut missing: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (task, ons) in after.iter().enumerate() {
        for &on in ons {
            match dependents.get_mut(on) {
                Some(list) => list.push(task),
                None => return Err(OrderError::Unknown { task, on }),
            }
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..after.len())
        .filter(|&task| missing[task] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(after.len());
    while let Some(Reverse(task)) = ready.pop() {
        order.push(task);
        for &dependent in &dependents[task] {
            missing[dependent] -= 1;
            if missing[dependent] == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    if order.len() < after.len() {
        return Err(OrderError::Cycle(cycle(after, &missing)));
    }
    Ok(order)
}

/// A cycle among the tasks that still miss something: each of them depends on another of them,
/// so following that leads back to one seen before.
fn cycle(after: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let on = |task: usize| after[task].iter().copied().find(|&on| missing[on] > 0);
    let mut path = Vec::new();
    let mut place_in_path = vec![None; after.len()];
    let mut at = missing.iter().position(|&count| count > 0);
    while let Some(task) = at {
        if let Some(place) = place_in_path[task] {
            path.drain(..place);
            break;
        }
        place_in_path[task] = Some(path.len());
        path.push(task);
        at = on(task);
    }
    // It begins with the one that comes first in the list.
    let first = (0..path.len()).min_by_key(|&place| path[place]);
    path.rotate_left(first.unwrap_or(0));
    path
}
