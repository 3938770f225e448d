//! What a limiter does: so many at once, changed while running, cleared, mapped, wrapped.
//!
//! `cargo run -p saferun-executor --example limiter`

use std::error::Error;
use std::future::ready;
use std::time::Duration;

use saferun_executor::{LimitError, Limiter, limit_function};
use tokio::task::yield_now;
use tokio::time::sleep;

async fn fetch(name: &str) -> usize {
    sleep(Duration::from_millis(20)).await;
    name.len()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let limiter = Limiter::new(2)?;

    // Each item of an iterator; results in its order.
    let lengths = limiter
        .map(["one", "three", "seventeen"], |name, _| fetch(name))
        .await;
    println!(
        "lengths: {:?}",
        lengths.into_iter().collect::<Result<Vec<_>, _>>()?
    );

    // Spawned tasks stand in line too, and the concurrency can change meanwhile.
    let tasks: Vec<_> = (0..6)
        .map(|_| tokio::spawn(limiter.run(|| fetch("spawned"))))
        .collect();
    yield_now().await;
    println!("{} run, {} wait", limiter.active(), limiter.pending());
    limiter.set_concurrency(4)?;
    println!("{} run, {} wait", limiter.active(), limiter.pending());

    // Those that still wait can be sent away; they are told.
    println!("{} are sent away", limiter.clear());
    let mut done = 0;
    for task in tasks {
        match task.await? {
            Ok(_) => done += 1,
            Err(LimitError::Cleared(cleared)) => println!("told: {cleared}"),
            Err(LimitError::Panicked(panicked)) => panicked.resume(),
        }
    }
    println!("{done} are done");

    // A panic is that task's result, and the limiter goes on.
    std::panic::set_hook(Box::new(|_| {}));
    let bad = limiter.run(async || panic!("no luck")).await;
    println!(
        "caught: {}",
        bad.map_or_else(|error| error.to_string(), |()| String::new())
    );
    println!("still good: {}", limiter.run(|| ready(true)).await?);

    // A function with a limiter of its own.
    let fetch = limit_function(fetch, 1)?;
    println!("wrapped: {}", fetch.call("wrapped").await?);
    Ok(())
}
