//! The run as a library: real commands, for each kind of containment.

mod dependencies;
mod ends;
mod many;
mod output;
mod session;
mod started;
mod stops;
mod support;
