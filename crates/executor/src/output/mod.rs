//! Tasks' output on its way to ours, byte for byte.
//!
//! A task writes into pipes. What comes is captured with a bound in memory ([`capture`]), beyond
//! it on disk ([`spool`]), put in order ([`sequence`]) and written by one thread ([`writer`]),
//! so that a reader which has stopped reading never stops the brake.

pub(crate) mod capture;
pub(crate) mod sequence;
pub(crate) mod spool;
pub(crate) mod writer;

/// Which of a task's two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// Bytes of one stream, in memory or in an unlinked file from its beginning.
#[derive(Debug)]
pub(crate) enum Data {
    Bytes(Vec<u8>),
    File(std::fs::File),
}
