//! The session's own life: begun, taken up again, ended.

use serde_json::Value;

use super::say;
use crate::artifacts::store::InUse;
use crate::artifacts::{AgentRecord, Manifest, Moment, Session, Status, Store};
use crate::delegate::Crew;
use crate::delegate::fact::Fact;
use crate::error::{CliError, plain_cause};
use crate::printable::printable;
use crate::settings::path;

/// Begins one.
pub(super) fn begin(
    store: &Store,
    request: &str,
    plan: Value,
    crew: &Crew,
) -> Result<(Session, InUse), CliError> {
    let directory = std::env::current_dir().unwrap_or_default();
    let agents: Vec<AgentRecord> = crew
        .members
        .iter()
        .map(|member| member.record.clone())
        .collect();
    let now = Moment::now().to_string();
    let fill = |id: &str| Manifest {
        session: id.to_owned(),
        request: request.to_owned(),
        created: now.clone(),
        changed: now.clone(),
        directory: directory.to_string_lossy().into_owned(),
        status: Status::Running,
        agents,
        notes: serde_json::Map::new(),
        plan,
        rest: serde_json::Map::new(),
    };
    store
        .begin(fill)
        .map_err(|error| CliError::system("a session can't be made", error))
}

/// The session to go on with: the named one, else the latest that is not done.
pub(super) fn unfinished(store: &Store, named: Option<&str>) -> Result<(Session, InUse), CliError> {
    let session = match named {
        Some(id) => store.session(id).ok_or_else(|| {
            let id = printable(id.as_ref(), 60);
            CliError::usage(
                format!("there is no session '{id}'"),
                "saferun artifacts list",
            )
        })?,
        None => {
            let all = store.sessions();
            let all = all.map_err(|error| CliError::system("sessions can't be read", error))?;
            let is_open = |session: &Session| {
                session
                    .manifest()
                    .is_ok_and(|manifest| manifest.status != Status::Done)
            };
            all.into_iter().find(is_open).ok_or_else(|| {
                CliError::usage(
                    "there is no session to go on with",
                    "saferun artifacts list",
                )
            })?
        }
    };
    let manifest = session
        .manifest()
        .map_err(|error| unreadable(&session, &error))?;
    if manifest.status == Status::Done {
        return Err(CliError::usage(
            format!("session {} is done already", session.id),
            "saferun artifacts show, or a new request",
        ));
    }
    let here = std::env::current_dir().unwrap_or_default();
    if here.to_string_lossy() != manifest.directory {
        return Err(CliError::usage(
            format!(
                "session {} was begun in {}",
                session.id,
                printable(manifest.directory.as_ref(), 200)
            ),
            "go there first: agents work where the session was begun",
        ));
    }
    match session.enter() {
        Ok(Some(lock)) => Ok((session, lock)),
        Ok(None) => Err(CliError::usage(
            format!("session {} is being worked on", session.id),
            "wait for its end",
        )),
        Err(error) => Err(unreadable(&session, &error)),
    }
}

/// Brings the manifest up to date with what the agents' folders say: a runner that was killed may
/// not have come to it.
pub(super) fn catch_up(session: &Session) -> Result<Manifest, CliError> {
    update(session, |manifest| {
        for record in manifest
            .agents
            .iter_mut()
            .filter(|record| record.status != Status::Done)
        {
            let fact = Fact::read(&session.folder(&record.id)).filter(|fact| fact.succeeded);
            if let Some(fact) = fact {
                fact.tell(record);
                record.status = Status::Done;
            }
        }
        manifest.clone()
    })
}

/// Takes it up again: whoever is not done has everything before it.
pub(super) fn go_on(session: &Session) -> Result<(), CliError> {
    update(session, |manifest| {
        manifest.status = Status::Running;
        for record in manifest
            .agents
            .iter_mut()
            .filter(|record| record.status != Status::Done)
        {
            record.status = Status::Waiting;
            (record.exit, record.started, record.ended) = (None, None, None);
        }
    })
}

/// Writes down how it ended.
pub(super) fn end(session: &Session, status: Status) -> Result<(), CliError> {
    update(session, |manifest| {
        manifest.status = status;
        for record in &mut manifest.agents {
            // Nobody runs or waits any more.
            if matches!(record.status, Status::Running) {
                record.status = Status::Interrupted;
            }
        }
    })
}

/// Says what was not done, and how to go on.
pub(super) fn tell_rest(session: &Session) -> Result<(), CliError> {
    let manifest = session
        .manifest()
        .map_err(|error| unreadable(session, &error))?;
    for record in &manifest.agents {
        if matches!(record.status, Status::Failed | Status::GivenUp) {
            say(&format!(
                "{}: what it wrote is in {}",
                printable(record.id.as_ref(), 60),
                path(&session.folder(&record.id))
            ));
        }
    }
    say(&format!(
        "to go on with what is not done: saferun delegate --resume {}",
        session.id
    ));
    Ok(())
}

pub(super) fn unreadable(session: &Session, error: &std::io::Error) -> CliError {
    CliError::usage(
        format!(
            "the manifest of {} can't be read: {}",
            path(&session.directory),
            plain_cause(error)
        ),
        "saferun artifacts list",
    )
}

fn update<T>(session: &Session, change: impl FnOnce(&mut Manifest) -> T) -> Result<T, CliError> {
    Manifest::update(&session.directory, change)
        .map_err(|error| CliError::system("the session's manifest can't be written", error))
}
