//! Tasks' output on its way to ours, byte for byte.
//!
//! A task writes into pipes. What comes is captured with a bound in memory ([`capture`]), beyond
//! it on disk ([`spool`]) by one thread ([`spooler`]), put in order ([`sequence`]) and written by
//! another ([`writer`]), so that neither a slow disk nor a reader which has stopped reading ever
//! stops the brake.

pub(crate) mod capture;
pub(crate) mod sequence;
pub(crate) mod spool;
pub(crate) mod spooler;
pub(crate) mod writer;

/// Which of a task's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Bytes of one stream, in memory or in an unlinked file from its beginning; what follows that is
/// in memory.
#[derive(Debug)]
pub(crate) enum Data {
    Bytes(Vec<u8>),
    File(std::fs::File, Vec<u8>),
}
