//! Real memory-hungry workloads and small machines for saferun's tests and benchmarks.
//!
//! * [`workload`] is a program that does on purpose what real programs do by nature: grow, spike,
//!   leak, write, fork, escape and fail.
//! * [`agent`] is a program that works in a git work tree as coding agents do.
//! * [`mix`] draws sets of workloads by seed and knows how fast any machine could finish them.
//! * [`program`] writes programs that a test then runs.
//! * [`cage`] makes a small machine out of a memory group.
//! * [`survivors`] finds what is left of a process family, however it hid.
#![deny(missing_docs)]

pub mod agent;
pub mod cage;
pub mod curve;
pub mod kills;
pub mod mix;
pub mod program;
pub mod random;
pub mod size;
pub mod survivors;
pub mod workload;
