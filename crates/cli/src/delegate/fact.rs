//! How an attempt of an agent ended, as it is written in the agent's folder at once: whoever
//! follows reads it when it starts.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use saferun_memory::show;
use serde::{Deserialize, Serialize};

use crate::artifacts::AgentRecord;
use crate::artifacts::manifest::private;
use crate::observe::words;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fact {
    /// In words.
    pub(crate) exit: String,
    /// Whether it succeeded.
    pub(crate) succeeded: bool,
    /// Which attempt, from 1 on.
    pub(crate) attempt: u32,
    /// How long it took.
    pub(crate) elapsed_ms: u64,
    /// The CPU time it took.
    pub(crate) cpu_ms: u64,
    /// The highest use of memory seen, in bytes.
    pub(crate) peak_bytes: u64,
    /// When it ended.
    pub(crate) ended: String,
}

impl Fact {
    const FILE: &str = "record.json";
    const NEXT: &str = "record.json.next";

    /// Writes it into an agent's folder, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        let next = folder.join(Self::NEXT);
        let mut file = private()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&next)?;
        file.write_all(&text)?;
        fs::rename(next, folder.join(Self::FILE))
    }

    /// What is written in an agent's folder.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(Self::FILE)).ok()?).ok()
    }

    /// Puts it into the manifest's record.
    pub(crate) fn tell(&self, record: &mut AgentRecord) {
        record.exit = Some(self.exit.clone());
        record.ended = Some(self.ended.clone());
        (record.elapsed_ms, record.cpu_ms) = (self.elapsed_ms, self.cpu_ms);
        (record.peak_bytes, record.attempts) = (self.peak_bytes, self.attempt);
    }

    /// For people and for agents.
    pub(crate) fn words(&self) -> String {
        let took = words::length(Duration::from_millis(self.elapsed_ms));
        format!("{} in {took}, peak {}", self.exit, show(self.peak_bytes))
    }
}
