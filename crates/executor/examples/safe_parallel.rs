//! Six tasks of 48 MiB each, side by side under a memory threshold, told line by line on stderr.
//!
//! `cargo run -p saferun-executor --example safe_parallel`

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saferun_executor::{Options, SafeParallel, TaskError, optimal_concurrency};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("optimal concurrency here: {}", optimal_concurrency());

    // What tasks leave behind for others, until memory is cleaned up.
    let cache: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let emptied = Arc::clone(&cache);
    let parallel = SafeParallel::new(Options {
        verbose: true,
        ..Options::default()
    })?
    .on_clean_up(move || {
        emptied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    });

    let tasks = (1..=6_u8).map(|number| {
        let cache = Arc::clone(&cache);
        async move || {
            let block = vec![number; 48 << 20];
            sleep(Duration::from_millis(50)).await;
            let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
            cache
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(block);
            if number == 4 {
                Err(format!("number {number} has no luck"))
            } else {
                Ok(sum >> 20)
            }
        }
    });
    for (number, result) in (1..).zip(parallel.execute(tasks).await) {
        match result {
            Ok(sum) => println!("task {number}: {sum}"),
            Err(TaskError::Failed(error)) => println!("task {number} failed: {error}"),
            Err(TaskError::Panicked(panicked)) => println!("task {number}: {panicked}"),
        }
    }
    Ok(())
}
