//! Settings: every choice with where it came from.
//!
//! Layers of partial settings lie above one another; for each choice the uppermost layer that
//! makes it wins: flags, the environment, a `.env` file, the project's `saferun.toml`, the
//! user's configuration, a profile, what is built in.
//!
//! [`Key`] names the settings; a [`Layer`] holds some of them, each with its [`Source`];
//! [`Configuration`] gathers the layers; [`RunSettings`] are what follows for a run.

mod document;
mod dotenv;
mod file;
mod find;
mod gather;
mod key;
mod layer;
mod problem;
mod profile;
mod run;
mod schema;
mod source;
mod spelling;
mod variables;

pub(crate) use document::{Document, Owner};
pub(crate) use find::{PROJECT_FILE, user_file};
pub(crate) use gather::Configuration;
pub(crate) use key::Key;
pub(crate) use run::{JsonTarget, RunSettings};
pub(crate) use schema::schema;
pub(crate) use source::{Source, Sourced, path};
