//! The composition of saferun.
