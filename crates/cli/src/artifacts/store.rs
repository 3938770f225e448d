//! Where sessions are, and one of them.

use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::manifest::{Manifest, private};
use super::moment::Moment;
use crate::space::space_taken;

/// Where sessions lie below a project.
const PLACE: &str = ".saferun/artifacts";
/// Held by whoever works in a session.
const IN_USE: &str = "in-use.lock";
/// What the names of sessions that are being made or removed begin with.
pub(super) const HIDDEN: &str = ".";

/// The sessions of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    root: PathBuf,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    /// Its id.
    pub(crate) id: String,
    /// Its directory.
    pub(crate) directory: PathBuf,
}

/// A session is in use as long as this is there.
#[derive(Debug)]
pub(crate) struct InUse {
    _lock: File,
}

impl Store {
    /// The store of the project around the working directory: of the nearest directory that has
    /// one up to the root of the repository, else of that root; without a repository of the
    /// working directory.
    pub(crate) fn find() -> io::Result<Self> {
        let here = std::env::current_dir()?;
        let top = here.ancestors().find(|dir| dir.join(".git").exists());
        let top = top.unwrap_or(&here);
        let within = here.ancestors().take_while(|dir| dir.starts_with(top));
        let has_one = within.into_iter().find(|dir| dir.join(PLACE).is_dir());
        Ok(Self {
            root: has_one.unwrap_or(top).join(PLACE),
        })
    }

    /// A store in this directory.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Its directory, which need not be there.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Begins a session, in use from its first moment on. `fill` makes its manifest.
    ///
    /// # Errors
    ///
    /// The directory can't be written.
    pub(crate) fn begin(
        &self,
        fill: impl FnOnce(&str) -> Manifest,
    ) -> io::Result<(Session, InUse)> {
        private_directories().recursive(true).create(&self.root)?;
        // Agents that add all files to a commit must not add these.
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            fs::write(ignore, "*\n")?;
        }
        loop {
            let id = new_id();
            // Complete before anybody can see it, so that nobody prunes a half of it.
            let hidden = self.root.join(format!("{HIDDEN}{id}"));
            match private_directories().create(&hidden) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let lock = in_use(&hidden)?.ok_or_else(|| io::Error::other("it is in use"))?;
            fill(&id).create(&hidden)?;
            let directory = self.root.join(&id);
            // Only an empty directory could be replaced by this, and none of ours is empty.
            fs::rename(&hidden, &directory)?;
            return Ok((Session { id, directory }, lock));
        }
    }

    /// All sessions, the latest first.
    ///
    /// # Errors
    ///
    /// The directory can't be read. That there is none is no error.
    pub(crate) fn sessions(&self) -> io::Result<Vec<Session>> {
        let entries = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found: Vec<Session> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| {
                let id = entry.file_name().into_string().ok()?;
                (is_plain(&id)).then(|| Session {
                    id,
                    directory: entry.path(),
                })
            })
            .collect();
        found.sort_by(|one, other| other.id.cmp(&one.id));
        Ok(found)
    }

    /// The session of this id, if there is one.
    pub(crate) fn session(&self, id: &str) -> Option<Session> {
        let directory = self.root.join(id);
        let is_there = is_plain(id) && directory.is_dir();
        is_there.then(|| Session {
            id: id.to_owned(),
            directory,
        })
    }
}

impl Session {
    /// The session that an agent works in, by what its environment says.
    pub(crate) fn of_agent(folder: &Path) -> Option<(Self, String)> {
        let agent = folder.file_name()?.to_str()?.to_owned();
        let directory = folder.parent()?.to_path_buf();
        let id = directory.file_name()?.to_str()?.to_owned();
        let is_session = directory.join(super::manifest::FILE).is_file();
        is_session.then_some((Self { id, directory }, agent))
    }

    /// Its manifest.
    pub(crate) fn manifest(&self) -> io::Result<Manifest> {
        Manifest::read(&self.directory)
    }

    /// An agent's folder.
    pub(crate) fn folder(&self, agent: &str) -> PathBuf {
        self.directory.join(agent)
    }

    /// Makes an agent's folder.
    pub(crate) fn make_folder(&self, agent: &str) -> io::Result<PathBuf> {
        let folder = self.folder(agent);
        private_directories().recursive(true).create(&folder)?;
        Ok(folder)
    }

    /// Takes it into use; `None` where somebody else has.
    pub(crate) fn enter(&self) -> io::Result<Option<InUse>> {
        in_use(&self.directory)
    }

    /// What it takes on disk, in bytes.
    pub(crate) fn size(&self) -> u64 {
        space_taken(&self.directory)
    }
}

fn in_use(directory: &Path) -> io::Result<Option<InUse>> {
    let file = private()
        .append(true)
        .create(true)
        .open(directory.join(IN_USE))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(InUse { _lock: file })),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn private_directories() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

/// Sorted by time; chance tells apart those of one second.
fn new_id() -> String {
    // The standard library seeds each hasher anew from the system's randomness.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!(
        "{}-{:08x}",
        Moment::now().compact(),
        hasher.finish() & 0xffff_ffff
    )
}

/// Whether a word is the name of something right here, and nothing of ours that is hidden.
pub(crate) fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(HIDDEN) && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub(in crate::artifacts) fn empty(id: &str) -> Manifest {
        serde_json::from_value(serde_json::json!({"session": id})).unwrap()
    }

    #[test]
    fn ids_do_not_collide_within_a_moment() {
        let ids: HashSet<String> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn a_session_is_its_owners_alone_and_in_use_until_it_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("a/b"));
        assert!(store.sessions().unwrap().is_empty());
        let (session, lock) = store.begin(empty).unwrap();
        let folder = session.make_folder("agent").unwrap();
        for directory in [store.root(), &session.directory, &folder] {
            let mode = fs::metadata(directory).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", directory.display());
        }
        assert!(
            store
                .session(&session.id)
                .unwrap()
                .enter()
                .unwrap()
                .is_none()
        );
        drop(lock);
        assert!(session.enter().unwrap().is_some());
        let (found, agent) = Session::of_agent(&folder).unwrap();
        assert_eq!((found.id, agent.as_str()), (session.id, "agent"));
    }

    #[test]
    fn no_word_leads_out_of_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        for word in ["..", ".", "", "/etc", "a/../..", "a\0"] {
            assert!(store.session(word).is_none(), "{word:?}");
        }
    }
}
