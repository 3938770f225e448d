//! Runs commands side by side under a memory budget.
#![deny(missing_docs)]
