//! What the runner says of an agent before it starts.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::artifacts::digest::Limit;
use crate::artifacts::manifest::private;

/// The file in the agent's folder.
const FILE: &str = "launch.json";

/// Everything that is needed to start an agent, but what those before it have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Launch {
    /// The session.
    pub(crate) session: String,
    /// The agent.
    pub(crate) agent: String,
    /// What it is for.
    pub(crate) about: String,
    /// The phase of the plan.
    pub(crate) phase: String,
    /// What was asked for.
    pub(crate) request: String,
    /// The folders of those before it, the nearest last.
    pub(crate) before: Vec<String>,
    /// Its command with placeholders.
    pub(crate) words: Vec<String>,
    /// How large a digest may be, in percent of its source.
    pub(crate) digest_percent: u64,
    /// How large it may be, in bytes.
    pub(crate) digest_bytes: u64,
}

impl Launch {
    /// How large a digest may be.
    pub(crate) fn limit(&self) -> Limit {
        Limit {
            percent: self.digest_percent,
            most_bytes: self.digest_bytes,
        }
    }

    /// What stands in the agent's folder.
    pub(super) fn read(folder: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(folder.join(FILE))?)?)
    }

    /// Writes it into the agent's folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(folder.join(FILE))?;
        file.write_all(&text)
    }
}
