//! Runs commands side by side under a budget of 300 MiB and tells what happens, from a program of
//! one's own.
//!
//! `cargo run -p saferun-executor --example processes`

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use saferun_executor::{
    CommandSpec, Concurrency, GuardProgram, Observer, RunEvent, RunOptions, Say, Task, guard, run,
};
use saferun_memory::{Amount, show};

/// Hears everything, and tells the little that people want to know.
struct Teller;

impl Observer for Teller {
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say) {
        let line = match event {
            RunEvent::RunStarted {
                tier, budget_bytes, ..
            } => format!("at most {} for all, by {tier}", show(*budget_bytes)),
            RunEvent::AttemptEnded {
                name,
                end,
                peak_bytes,
                ..
            } => format!("{}: {end:?}, peak {}", name.display(), show(*peak_bytes)),
            _ => return,
        };
        say.say(format!("{:5.2} s  {line}\n", at.as_secs_f64()).as_bytes());
    }
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // The run starts this very program once more, to clean up should it be killed itself.
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "guard") {
        return Ok(guard::main(&args[1..]));
    }
    // Each reads one line of so many MiB and so must hold all of it.
    let tasks = [40, 80, 120, 60].map(|mib| {
        let script = format!("head -c {mib}M /dev/zero | tail -n 1 | wc -c");
        let command = CommandSpec::new("sh", ["-c".to_owned(), script]);
        Ok(Task::new(format!("{mib} MiB"), command))
    });
    let options = RunOptions {
        concurrency: Concurrency::Auto,
        memory: Some(Amount::Bytes(300 << 20)),
        guard: Some(GuardProgram {
            program: "/proc/self/exe".into(),
            args: vec!["guard".into()],
        }),
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(run(Box::new(tasks.into_iter()), options, &mut Teller))?;
    println!("{} done, {} failed", report.done, report.failed);
    Ok(if report.done == 4 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
