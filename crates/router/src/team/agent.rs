//! One agent: what it is for, and how it is run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is known of an agent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agent {
    /// What it is for.
    pub about: String,
    /// The program and its arguments; `{prompt}`, `{artifacts}` and `{workdir}` are filled in.
    /// Empty when nobody has said it.
    pub command: Vec<String>,
    /// Variables of its environment.
    pub env: BTreeMap<String, String>,
    /// How many of it may run at once.
    pub concurrency: u32,
    /// Its peak, as sizes are written, when somebody has said it. Otherwise it is learned.
    pub memory: Option<String>,
    /// When an attempt is ended, as durations are written.
    pub timeout: Option<String>,
    /// How often a failed attempt is repeated.
    pub retries: u32,
    /// Whether it may be ended and run again to make room.
    pub restartable: bool,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            about: String::new(),
            command: Vec::new(),
            env: BTreeMap::new(),
            concurrency: 2,
            memory: None,
            timeout: None,
            retries: 0,
            restartable: false,
        }
    }
}

/// What a file says of an agent; what it doesn't say stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    about: Option<String>,
    command: Option<Vec<String>>,
    env: BTreeMap<String, String>,
    concurrency: Option<std::num::NonZeroU32>,
    memory: Option<String>,
    timeout: Option<String>,
    retries: Option<u32>,
    restartable: Option<bool>,
}

impl Agent {
    pub(super) fn change(&mut self, changes: Changes) {
        if let Some(about) = changes.about {
            self.about = about;
        }
        if let Some(command) = changes.command {
            self.command = command;
        }
        self.env.extend(changes.env);
        if let Some(concurrency) = changes.concurrency {
            self.concurrency = concurrency.get();
        }
        self.memory = changes.memory.or(self.memory.take());
        self.timeout = changes.timeout.or(self.timeout.take());
        self.retries = changes.retries.unwrap_or(self.retries);
        self.restartable = changes.restartable.unwrap_or(self.restartable);
    }
}
