//! Looks at memory between two tasks: what is in use, what a cleanup brings, and waiting.
//!
//! `cargo run -p saferun-memory --example between_tasks`

use std::error::Error;
use std::time::Duration;

use saferun_memory::{clean_up, memory_usage, show, wait_until_memory_below};

fn main() -> Result<(), Box<dyn Error>> {
    let threshold = 4 << 30;
    let usage = memory_usage()?;
    println!(
        "The session holds {}, which is {} {}.",
        show(usage.session_bytes),
        if usage.is_high(threshold) {
            "more than"
        } else {
            "within"
        },
        show(threshold)
    );
    let mut cache = vec![1_u8; 64 << 20];
    let result = clean_up(|| cache = Vec::new())?;
    println!(
        "Dropping a cache freed {}; {} bytes of it are left.",
        show(result.freed_bytes()),
        cache.len()
    );
    match wait_until_memory_below(threshold, Duration::from_secs(2)) {
        Ok(used) => println!("{} in use: the next task can begin.", show(used)),
        Err(error) => println!("The next task must wait: {error}."),
    }
    Ok(())
}
