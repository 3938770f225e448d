//! Removing old sessions that nobody uses.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::settings::ArtifactSettings;
use super::store::{HIDDEN, Session, Store};
use crate::space::space_taken;

/// What is removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expired {
    /// The session.
    pub(crate) id: String,
    /// What it takes.
    pub(crate) bytes: u64,
    /// Why it goes.
    pub(crate) why: Why,
}

/// Why a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was not touched for so long.
    Age(Duration),
    /// All together take too much, and it is the oldest.
    Size,
    /// It was being made or removed by a process that is gone.
    Remains,
}

impl Why {
    /// As people read it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Age(age) => format!("{} days old", age.as_secs() / 86_400),
            Self::Size => "all together take too much".to_owned(),
            Self::Remains => "left by a process that is gone".to_owned(),
        }
    }
}

/// Which sessions have expired, the oldest first; sessions in use never do.
///
/// # Errors
///
/// The store can't be read.
pub(crate) fn expired(store: &Store, settings: &ArtifactSettings) -> io::Result<Vec<Expired>> {
    let mut found = remains(store)?;
    let mut sessions: Vec<(Session, Duration, u64)> = store
        .sessions()?
        .into_iter()
        .map(|session| {
            let (age, bytes) = (age(&session), session.size());
            (session, age, bytes)
        })
        .collect();
    sessions.sort_by_key(|session| std::cmp::Reverse(session.1));
    let mut total = sessions
        .iter()
        .fold(0, |sum: u64, session| sum.saturating_add(session.2));
    for (session, age, bytes) in sessions {
        let why = if age > settings.max_age {
            Why::Age(age)
        } else if total > settings.max_bytes {
            Why::Size
        } else {
            continue;
        };
        if session.enter()?.is_some() {
            total = total.saturating_sub(bytes);
            found.push(Expired {
                id: session.id,
                bytes,
                why,
            });
        }
    }
    Ok(found)
}

/// Removes what has expired and answers with what was removed.
///
/// # Errors
///
/// The store can't be read or written; some may be removed already.
pub(crate) fn prune(store: &Store, settings: &ArtifactSettings) -> io::Result<Vec<Expired>> {
    let mut removed = Vec::new();
    for expired in expired(store, settings)? {
        let directory = match expired.why {
            Why::Remains => store.root().join(&expired.id),
            Why::Age(_) | Why::Size => {
                let Some(session) = store.session(&expired.id) else {
                    continue;
                };
                // Whoever took it into use since then keeps it.
                let Some(lock) = session.enter()? else {
                    continue;
                };
                // Out of sight first, so that nobody finds a half of it.
                let hidden = store.root().join(format!("{HIDDEN}{}", expired.id));
                fs::rename(&session.directory, &hidden)?;
                drop(lock);
                hidden
            }
        };
        fs::remove_dir_all(directory)?;
        removed.push(expired);
    }
    Ok(removed)
}

/// How long its manifest was not changed; taking the session into use changes the directory. A
/// clock that was set back makes nothing older.
fn age(session: &Session) -> Duration {
    let manifest = fs::metadata(session.directory.join(super::manifest::FILE));
    let changed = manifest.or_else(|_| fs::metadata(&session.directory));
    changed
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|changed| SystemTime::now().duration_since(changed).ok())
        .unwrap_or_default()
}

/// Sessions that a process that is gone was making or removing.
fn remains(store: &Store) -> io::Result<Vec<Expired>> {
    let entries = match fs::read_dir(store.root()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(id) = entry.file_name().into_string() else {
            continue;
        };
        let is_ours = id
            .strip_prefix(HIDDEN)
            .is_some_and(|id| id.starts_with(|c: char| c.is_ascii_digit()));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let directory: PathBuf = entry.path();
        let session = Session {
            id: id.clone(),
            directory: directory.clone(),
        };
        // It may be in the hands of one that lives: locked, or made just now.
        let is_young = age(&session) < Duration::from_secs(60);
        if !is_young && session.enter()?.is_some() {
            found.push(Expired {
                id,
                bytes: space_taken(&directory),
                why: Why::Remains,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// A session of so many bytes that was left so long ago.
    fn old(store: &Store, bytes: usize, days: u64) -> Session {
        let (session, lock) = store
            .begin(|id| serde_json::from_value(serde_json::json!({"session": id})).unwrap())
            .unwrap();
        drop(lock);
        fs::write(session.directory.join("big"), vec![b'x'; bytes]).unwrap();
        make_old(&session, days);
        session
    }

    fn make_old(session: &Session, days: u64) {
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        for path in [
            session.directory.join("manifest.json"),
            session.directory.clone(),
        ] {
            File::open(path).unwrap().set_modified(then).unwrap();
        }
    }

    fn left(store: &Store) -> Vec<String> {
        let mut ids: Vec<String> = store
            .sessions()
            .unwrap()
            .into_iter()
            .map(|session| session.id)
            .collect();
        ids.sort();
        ids
    }

    #[test]
    fn by_age_and_by_size_the_oldest_first_and_never_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let settings = ArtifactSettings {
            max_age: Duration::from_secs(10 * 86_400),
            max_bytes: 2_500_000,
            ..ArtifactSettings::default()
        };
        let used = old(&store, 1_000_000, 50);
        let lock = used.enter().unwrap().unwrap();
        make_old(&used, 50);
        let ancient = old(&store, 10, 40);
        let older = old(&store, 1_000_000, 5);
        let newer = old(&store, 1_000_000, 1);
        let mut all = vec![
            used.id.clone(),
            ancient.id.clone(),
            older.id.clone(),
            newer.id.clone(),
        ];
        all.sort();
        assert_eq!(left(&store), all);
        // Looking changes nothing.
        let found: Vec<(String, bool)> = expired(&store, &settings)
            .unwrap()
            .into_iter()
            .map(|expired| (expired.id, expired.why == Why::Size))
            .collect();
        assert_eq!(found, [(ancient.id, false), (older.id, true)]);
        assert_eq!(left(&store), all);
        assert_eq!(prune(&store, &settings).unwrap().len(), 2);
        let mut rest = vec![used.id.clone(), newer.id.clone()];
        rest.sort();
        assert_eq!(left(&store), rest);
        drop(lock);
        make_old(&used, 50);
        prune(&store, &settings).unwrap();
        assert_eq!(left(&store), [newer.id]);
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(other.path().join("precious"), "x").unwrap();
        let store = Store::at(dir.path());
        let session = old(&store, 10, 0);
        std::os::unix::fs::symlink(other.path(), session.directory.join("link")).unwrap();
        make_old(&session, 50);
        prune(&store, &ArtifactSettings::default()).unwrap();
        assert_eq!(
            (left(&store).len(), other.path().join("precious").exists()),
            (0, true)
        );
    }
}
