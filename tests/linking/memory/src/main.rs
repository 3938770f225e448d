//! Uses `saferun-memory` alone.

use std::error::Error;
use std::time::Duration;

use saferun_memory::{clean_up, is_memory_high, memory_usage, show, wait_until_memory_below};

fn main() -> Result<(), Box<dyn Error>> {
    let usage = memory_usage()?;
    if usage.session_bytes == 0 || is_memory_high(u64::MAX)? {
        return Err("nothing can hold nothing, or more than everything".into());
    }
    let mut held = vec![1_u8; 32 << 20];
    let result = clean_up(|| held = Vec::new())?;
    wait_until_memory_below(u64::MAX, Duration::ZERO)?;
    println!(
        "memory: {} in use, {} freed, {} bytes kept",
        show(usage.session_bytes),
        show(result.freed_bytes()),
        held.len()
    );
    Ok(())
}
