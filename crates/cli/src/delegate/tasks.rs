//! From members to tasks of a run.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use saferun_executor::{CommandSpec, Copies, Limit as Places, OrderError, OrderedTasks, Task};
use saferun_scheduler::TaskId;

use super::launch::Launch;
use super::{Crew, Member, folder};
use crate::AGENT_MODE;
use crate::artifacts::digest::Limit;
use crate::artifacts::{Session, Status, VARIABLE};

/// The variable that names the agent to itself.
const AGENT_VARIABLE: &str = "SAFERUN_AGENT";

/// Tasks for all members that are not done, and for each its folder's name.
pub(crate) struct Tasks {
    /// The tasks.
    pub(crate) tasks: OrderedTasks,
    /// The folder's name of each, by the task's number.
    pub(crate) ids: Vec<String>,
}

/// Makes the folders of all members that are not done, and their tasks.
///
/// # Errors
///
/// A folder can't be made or written, or members wait for one another.
pub(crate) fn tasks(
    crew: &Crew,
    session: &Session,
    request: &str,
    limit: Limit,
) -> io::Result<Tasks> {
    let program = std::env::current_exe()?;
    let open: Vec<&Member> = (crew.members.iter())
        .filter(|member| member.record.status != Status::Done)
        .collect();
    let places: HashMap<&str, u64> = (open.iter().map(|member| member.record.id.as_str()))
        .zip(0..)
        .collect();
    let after: BTreeMap<&str, &[String]> = (crew.members.iter())
        .map(|member| (member.record.id.as_str(), member.record.after.as_slice()))
        .collect();
    let mut tasks = Vec::new();
    for member in &open {
        let folder = session.make_folder(&member.record.id)?;
        for name in folder::OWN {
            // What an earlier try has left would be taken for this one's.
            match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Launch {
            session: session.id.clone(),
            agent: member.record.agent.clone(),
            about: member.about.clone(),
            phase: member.record.phase.clone(),
            request: request.to_owned(),
            before: before(&member.record.id, &after),
            words: member.words.clone(),
            digest_percent: limit.percent,
            digest_bytes: limit.most_bytes,
        }
        .write(&folder)?;
        tasks.push(task(member, &folder, &program, &places));
    }
    let tasks = OrderedTasks::new(tasks)
        .map_err(|error: OrderError| io::Error::other(error.to_string()))?;
    let ids = tasks
        .tasks()
        .map(|task| task.name.to_string_lossy().into_owned())
        .collect();
    Ok(Tasks { tasks, ids })
}

fn task(member: &Member, folder: &Path, program: &Path, places: &HashMap<&str, u64>) -> Task {
    let record = &member.record;
    let mut command = CommandSpec::new(program, [OsString::from(AGENT_MODE), folder.into()]);
    let own = member
        .env
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    command.env = own.collect();
    command.env.push((VARIABLE.into(), folder.into()));
    command
        .env
        .push((AGENT_VARIABLE.into(), record.id.clone().into()));
    let mut task = Task::new(record.id.clone(), command);
    task.declared_bytes = member.memory;
    task.restartable = member.restartable;
    task.retries = member.retries;
    task.timeout = member.timeout;
    // What one agent of a program needed tells of the others.
    let mut hasher = DefaultHasher::new();
    member.words.first().hash(&mut hasher);
    task.kind = Some(hasher.finish());
    // Whoever is done already is waited for by nobody.
    let waits = record.after.iter().filter_map(|id| places.get(id.as_str()));
    task.after = waits.map(|place| TaskId(*place)).collect();
    task.agent = Some(record.agent.clone());
    let together = NonZeroUsize::new(record.together as usize).unwrap_or(NonZeroUsize::MIN);
    task.limits = vec![
        Places {
            name: Arc::from(format!("agent {}", record.agent)),
            most: member.at_once,
        },
        Places {
            name: Arc::from(format!("phase {}", record.phase)),
            most: together,
        },
    ];
    task.copies = Some(Copies {
        stdout: folder.join(folder::STDOUT),
        stderr: folder.join(folder::STDERR),
    });
    task
}

/// All that come before, directly or through others, the nearest last.
fn before(id: &str, after: &BTreeMap<&str, &[String]>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut waiting: Vec<&String> = after
        .get(id)
        .into_iter()
        .flat_map(|ids| ids.iter().rev())
        .collect();
    waiting.reverse();
    let mut next = 0;
    while let Some(id) = waiting.get(next).copied() {
        next += 1;
        if !found.contains(id) {
            found.push(id.clone());
            waiting.extend(
                after
                    .get(id.as_str())
                    .into_iter()
                    .flat_map(|ids| ids.iter()),
            );
        }
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_before_comes_once_the_nearest_last() {
        let of = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let (a, b, c) = (of(&["begin"]), of(&["begin"]), of(&["a", "b"]));
        let none = of(&[]);
        let after = BTreeMap::from([
            ("begin", none.as_slice()),
            ("a", a.as_slice()),
            ("b", b.as_slice()),
            ("end", c.as_slice()),
        ]);
        assert_eq!(before("end", &after), ["begin", "b", "a"]);
        assert!(before("begin", &after).is_empty());
    }
}
