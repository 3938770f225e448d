//! What agents have made: kept in files, handed on as digests.
//!
//! `.saferun/artifacts/SESSION/AGENT/` holds what one agent wrote and left. The session's
//! `manifest.json` says what there is; it is read and written by many processes at once, each
//! under a lock ([`manifest`]). [`Store`] finds sessions, [`Session`] is one of them, `prune`
//! removes old ones that nobody uses, and [`digest`] makes a long text short.

pub mod digest;
pub(crate) mod manifest;
mod moment;
pub(crate) mod note;
pub(crate) mod prune;
pub(crate) mod settings;
pub(crate) mod slice;
pub(crate) mod store;

pub(crate) use manifest::{AgentRecord, Manifest, Status};
pub(crate) use moment::Moment;
pub(crate) use settings::ArtifactSettings;
pub(crate) use store::{Session, Store};

/// What agents find their own folder by.
pub(crate) const VARIABLE: &str = "SAFERUN_ARTIFACTS";
