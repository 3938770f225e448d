//! Which session, and which agent of it.

use std::path::PathBuf;

use crate::artifacts::{Session, Store, VARIABLE};
use crate::error::CliError;
use crate::printable::printable;

/// A session, and an agent of it if one is meant.
#[derive(Debug)]
pub(super) struct Chosen {
    /// The session.
    pub(super) session: Session,
    /// The name of the agent's folder.
    pub(super) agent: Option<String>,
}

impl Chosen {
    /// By what was named; where no session was, the one that this process works in as an agent,
    /// else the latest.
    ///
    /// # Errors
    ///
    /// There is no such session or agent.
    pub(super) fn find(names: &[String], session: Option<&str>) -> Result<Self, CliError> {
        let store = super::store()?;
        let mut names = names;
        let mut named = session.map(|id| by_id(&store, id)).transpose()?;
        if named.is_none()
            && let Some((first, rest)) = names.split_first()
            && let Some(session) = store.session(first)
        {
            named = Some(session);
            names = rest;
        }
        let has_name = named.is_some();
        let here = std::env::var_os(VARIABLE).map(PathBuf::from);
        let here = here.and_then(|folder| Session::of_agent(&folder));
        let (session, own) = match (named, here) {
            (Some(session), _) => (session, None),
            (None, Some((session, agent))) => (session, Some(agent)),
            (None, None) => (latest(&store)?, None),
        };
        let agent = match names {
            [] if has_name => None,
            [] => own,
            [agent] => Some(agent_of(&session, agent)?),
            [_, other, ..] => {
                return Err(CliError::usage(
                    format!("'{}' is one name too many", printable(other.as_ref(), 60)),
                    "saferun artifacts show [SESSION] [AGENT]",
                ));
            }
        };
        Ok(Self { session, agent })
    }
}

fn by_id(store: &Store, id: &str) -> Result<Session, CliError> {
    store.session(id).ok_or_else(|| {
        CliError::usage(
            format!("there is no session '{}'", printable(id.as_ref(), 60)),
            "saferun artifacts list",
        )
    })
}

fn latest(store: &Store) -> Result<Session, CliError> {
    let sessions = store
        .sessions()
        .map_err(|error| super::unreadable(store.root(), &error))?;
    sessions.into_iter().next().ok_or_else(|| {
        CliError::usage(
            "there are no sessions here",
            "saferun delegate makes one; run this within its project",
        )
    })
}

/// The folder that is meant by an agent's name: one that the manifest knows.
fn agent_of(session: &Session, name: &str) -> Result<String, CliError> {
    let manifest = session
        .manifest()
        .map_err(|error| super::unreadable(&session.directory, &error))?;
    let known: Vec<&str> = manifest
        .agents
        .iter()
        .map(|agent| agent.id.as_str())
        .collect();
    if known.contains(&name) {
        return Ok(name.to_owned());
    }
    // The agent's own name may have characters that its folder has not.
    let by_agent = manifest.agents.iter().find(|record| record.agent == name);
    by_agent.map(|record| record.id.clone()).ok_or_else(|| {
        let all = known
            .iter()
            .map(|id| printable(id.as_ref(), 40))
            .collect::<Vec<_>>();
        CliError::usage(
            format!(
                "there is neither a session nor an agent '{}' here",
                printable(name.as_ref(), 60)
            ),
            match all.as_slice() {
                [] => "saferun artifacts list".to_owned(),
                all => format!("one of {}", all.join(", ")),
            },
        )
    })
}
