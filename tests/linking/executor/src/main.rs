//! Uses `saferun-executor` alone: futures side by side, then processes under a budget.

use std::error::Error;
use std::process::ExitCode;

use saferun_executor::{
    CommandSpec, Concurrency, GuardProgram, Limiter, Options, RunOptions, SafeParallel, Task,
    guard, optimal_concurrency, run,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    // A run starts its own program once more, to clean up should the runner be killed.
    if args.first().is_some_and(|arg| arg == "guard") {
        return Ok(guard::main(&args[1..]));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(futures())?;
    runtime.block_on(processes())?;
    Ok(ExitCode::SUCCESS)
}

async fn futures() -> Result<(), Box<dyn Error>> {
    let tasks = ["1", "two", "3"].map(|text| async move || text.parse::<u32>());
    let parallel = SafeParallel::new(Options::default())?
        .on_cleaned_up(|brought| println!("executor: {brought:?}"));
    let results = parallel.execute(tasks).await;
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

async fn processes() -> Result<(), Box<dyn Error>> {
    let tasks = ["true", "false", "true"]
        .map(|program| Ok(Task::new(program, CommandSpec::new::<&str>(program, []))));
    let options = RunOptions {
        concurrency: Concurrency::Auto,
        guard: Some(GuardProgram {
            program: "/proc/self/exe".into(),
            args: vec!["guard".into()],
        }),
        ..RunOptions::default()
    };
    let report = run(Box::new(tasks.into_iter()), options, &mut ()).await?;
    if (report.done, report.failed) != (2, 1) {
        return Err(format!("{report:?}").into());
    }
    println!("executor: {} done, {} failed", report.done, report.failed);
    Ok(())
}
