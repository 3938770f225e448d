//! Uses `saferun-memory` alone: what there is, what is held, and giving back.

use std::error::Error;
use std::time::Duration;

use saferun_memory::reclaim::{Allocator, Step};
use saferun_memory::{
    Machine, Roots, clean_up, is_memory_high, memory_usage, show, wait_until_memory_below,
};

fn main() -> Result<(), Box<dyn Error>> {
    let machine = Machine::open(&Roots::default())?.read()?;
    if machine.room_bytes() > machine.limit_bytes() {
        return Err("there can't be more room than memory".into());
    }
    let usage = memory_usage()?;
    if usage.session_bytes == 0 || is_memory_high(u64::MAX)? {
        return Err("nothing can hold nothing, or more than everything".into());
    }
    let mut held = vec![1_u8; 32 << 20];
    let result = clean_up(|| held = Vec::new())?;
    wait_until_memory_below(u64::MAX, Duration::ZERO)?;
    println!(
        "memory: {} in use, {} freed, {} bytes kept, {}: {:?}",
        show(usage.session_bytes),
        show(result.freed_bytes()),
        held.len(),
        Allocator.name(),
        Allocator.take().outcome
    );
    Ok(())
}
