//! What earlier runs needed, and what the next task will need.
//!
//! - [`predict`] is pure: it learns rows and says what to expect of a task. It needs no SQLite
//!   (`default-features = false`).
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod predict;
