//! Real memory-hungry workloads and small machines (memory cages) for tests and benchmarks.
#![deny(missing_docs)]
