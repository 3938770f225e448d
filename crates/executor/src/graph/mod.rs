//! Tasks that depend on others: in which order they can run, and which of them may start now.
//!
//! Nothing here reads a clock or does I/O. [`OrderedTasks`] brings a list into an order in which
//! every task comes after those that it depends on; [`Graph`] then holds back what must still
//! wait. Both are iterative, so that a chain of any length needs no stack, and take time
//! proportional to tasks and dependencies (times the logarithm of what is ready at once).

mod order;
mod release;

pub use order::{OrderError, OrderedTasks, order};
pub use release::{Admission, Graph, NotEarlier, Skipped};

#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;
