//! What a session holds, as a file that many processes change at once.
//!
//! A change takes the lock, reads, changes, writes a new file beside and renames it. So whoever
//! reads sees one state whole, and a process that is killed in between changes nothing: the next
//! one begins from the file that is there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The file.
pub(crate) const FILE: &str = "manifest.json";
/// The lock for changing it. A file of its own: the manifest itself is replaced.
const LOCK: &str = "manifest.lock";
/// The next state while it is written.
const NEXT: &str = "manifest.json.next";

/// How an agent, or a session, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Its time has not come.
    #[default]
    Waiting,
    /// It runs, or its runner was killed.
    Running,
    /// It succeeded.
    Done,
    /// It failed.
    Failed,
    /// It was not run because of another.
    Skipped,
    /// It does not fit the budget.
    GivenUp,
    /// The run was ended before it had an end of its own.
    Interrupted,
}

impl Status {
    /// As people read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::GivenUp => "given up",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A session and its agents. What others have put in is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The session's id.
    pub(crate) session: String,
    /// What was asked for.
    #[serde(default)]
    pub(crate) request: String,
    /// When it was begun.
    #[serde(default)]
    pub(crate) created: String,
    /// When anything was changed last.
    #[serde(default)]
    pub(crate) changed: String,
    /// Where it was begun, as text.
    #[serde(default)]
    pub(crate) directory: String,
    /// How it stands.
    #[serde(default)]
    pub(crate) status: Status,
    /// Its agents in the order of the plan.
    #[serde(default)]
    pub(crate) agents: Vec<AgentRecord>,
    /// How many notes there are of each kind.
    #[serde(default)]
    pub(crate) notes: Map<String, Value>,
    /// The plan, as `saferun plan` answers it.
    #[serde(default)]
    pub(crate) plan: Value,
    /// Whatever else somebody has put in.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// One agent's part in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub(crate) struct AgentRecord {
    /// The name of its folder: the agent's name, with a number where it works more than once.
    pub(crate) id: String,
    /// The agent.
    pub(crate) agent: String,
    /// The phase of the plan.
    #[serde(default)]
    pub(crate) phase: String,
    /// How many of its phase may work at once.
    #[serde(default)]
    pub(crate) together: u32,
    /// The folders of those that it follows.
    #[serde(default)]
    pub(crate) after: Vec<String>,
    /// How it stands.
    #[serde(default)]
    pub(crate) status: Status,
    /// How its latest attempt ended, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<String>,
    /// When its latest attempt began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<String>,
    /// How long its latest attempt took.
    #[serde(default)]
    pub(crate) elapsed_ms: u64,
    /// The CPU time of its latest attempt.
    #[serde(default)]
    pub(crate) cpu_ms: u64,
    /// The highest use of memory seen, in bytes.
    #[serde(default)]
    pub(crate) peak_bytes: u64,
    /// How many attempts there were.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// What its folder holds.
    #[serde(default)]
    pub(crate) outputs: Vec<OutputFile>,
    /// Whatever else somebody has put in.
    #[serde(flatten)]
    pub(crate) rest: Map<String, Value>,
}

/// A file that an agent has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutputFile {
    /// Its path within the agent's folder.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
}

impl Manifest {
    /// The manifest of a session's directory.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be read.
    pub(crate) fn read(directory: &Path) -> io::Result<Self> {
        let bytes = fs::read(directory.join(FILE))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    }

    /// Writes the first state, where nobody can have another one yet.
    pub(super) fn create(&self, directory: &Path) -> io::Result<()> {
        drop(lock(directory)?);
        self.replace(directory)
    }

    /// Changes it; what other processes change meanwhile is not lost.
    ///
    /// # Errors
    ///
    /// It can't be read, locked or written; it is as before then.
    pub(crate) fn update<T>(
        directory: &Path,
        change: impl FnOnce(&mut Self) -> T,
    ) -> io::Result<T> {
        // Released when it is closed, or when this process is killed.
        let _lock = lock(directory)?;
        let mut manifest = Self::read(directory)?;
        let answer = change(&mut manifest);
        manifest.changed = super::Moment::now().to_string();
        manifest.replace(directory)?;
        Ok(answer)
    }

    fn replace(&self, directory: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_whole(&directory.join(NEXT), &directory.join(FILE), &text)
    }

    /// The record of an agent's folder.
    pub(crate) fn agent_mut(&mut self, id: &str) -> Option<&mut AgentRecord> {
        self.agents.iter_mut().find(|record| record.id == id)
    }

    /// The record of an agent's folder.
    pub(crate) fn agent(&self, id: &str) -> Option<&AgentRecord> {
        self.agents.iter().find(|record| record.id == id)
    }
}

fn lock(directory: &Path) -> io::Result<File> {
    let file = private()
        .append(true)
        .create(true)
        .open(directory.join(LOCK))?;
    file.lock()?;
    Ok(file)
}

/// Puts a whole new file in the place of one that readers may have open. `next` must be nobody
/// else's.
pub(crate) fn write_whole(next: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(next)?;
    new.write_all(bytes)?;
    // Or else a crash of the machine may leave an empty file under the name.
    new.sync_data()?;
    fs::rename(next, file)
}

/// Files for their owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        serde_json::from_str(r#"{"session": "s", "agents": [], "more": {"of": 1}}"#).unwrap()
    }

    #[test]
    fn what_others_have_put_in_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        manifest().create(dir.path()).unwrap();
        Manifest::update(dir.path(), |manifest| manifest.request = "x".into()).unwrap();
        let read = Manifest::read(dir.path()).unwrap();
        assert_eq!(
            (read.request.as_str(), &read.rest["more"]["of"]),
            ("x", &1.into())
        );
    }

    #[test]
    fn a_writer_that_was_killed_leaves_what_was_there() {
        let dir = tempfile::tempdir().unwrap();
        manifest().create(dir.path()).unwrap();
        // As if killed in mid-write: half of the next state, and the lock file of a dead process.
        fs::write(dir.path().join(NEXT), "{\"session\": \"s\", \"agen").unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap().session, "s");
        Manifest::update(dir.path(), |manifest| manifest.request = "y".into()).unwrap();
        assert_eq!(Manifest::read(dir.path()).unwrap().request, "y");
        assert!(!dir.path().join(NEXT).exists());
    }

    #[test]
    fn threads_lose_no_update() {
        let dir = tempfile::tempdir().unwrap();
        manifest().create(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let dir = dir.path();
                scope.spawn(move || {
                    for turn in 0..10 {
                        let id = format!("{thread}-{turn}");
                        let record = AgentRecord {
                            id,
                            ..AgentRecord::default()
                        };
                        Manifest::update(dir, |manifest| manifest.agents.push(record)).unwrap();
                    }
                });
            }
        });
        assert_eq!(Manifest::read(dir.path()).unwrap().agents.len(), 80);
    }
}
