//! Prints what starting a process costs on each path, so that one sees where time goes.
fn main() {}
