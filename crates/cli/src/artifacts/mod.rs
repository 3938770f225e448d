//! What agents have made: kept in files, handed on as digests.

pub mod digest;
