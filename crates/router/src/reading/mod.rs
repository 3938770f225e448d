//! How a request is read: clauses, each with its words, what is done in it, and what is denied.

mod clause;
mod word;

pub(crate) use clause::{Clause, clauses};
pub(crate) use word::{Word, major};
