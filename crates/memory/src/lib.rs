//! What memory there is, who holds it, and when to look again.
#![deny(missing_docs)]
