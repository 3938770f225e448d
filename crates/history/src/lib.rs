//! What earlier runs needed, and what the next task will need.
//!
//! - [`predict`] is pure: it learns rows and says what to expect of a task. It needs no SQLite
//!   (`default-features = false`).
//! - [`Row`] is what is kept of one attempt; [`redact`] leaves out what looks like a secret.
//! - `store` (a feature, on by default) is the SQLite file of earlier attempts: `Store` reads and
//!   changes it, `Writer` fills it off the path of a run.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod predict;
mod redact;
mod row;
#[cfg(feature = "store")]
pub mod store;

pub use redact::{HIDDEN, redact};
pub use row::{End, Ran, Row};
