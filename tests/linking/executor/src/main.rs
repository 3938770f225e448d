//! Uses `saferun-executor` alone.

use std::error::Error;

use saferun_executor::{Limiter, Options, execute_safe_parallel, optimal_concurrency};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let tasks = ["1", "two", "3"].map(|text| async move || text.parse::<u32>());
    let results = execute_safe_parallel(tasks, Options::default()).await?;
    let good: Vec<bool> = results.iter().map(Result::is_ok).collect();
    if good != [true, false, true] {
        return Err(format!("{results:?}").into());
    }
    let sum = Limiter::new(optimal_concurrency())?
        .run(async || 1 + 1)
        .await?;
    println!("executor: {} results, sum {sum}", results.len());
    Ok(())
}
