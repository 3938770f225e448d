//! A bare program around a run, for tests: runs each argument as a shell command, side by side,
//! and tells how many succeeded.
//!
//! `run best|tree COMMAND...`. Signals end and stop it; each command has three seconds.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use saferun_executor::{
    CommandSpec, Concurrency, Containment, GuardProgram, RunOptions, Task, guard, run,
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "guard") {
        return Ok(guard::main(&args[1..]));
    }
    let containment = match args.first().and_then(|arg| arg.to_str()) {
        Some("best") => Containment::Best,
        Some("tree") => Containment::Tree,
        _ => return Err("best or tree, please".into()),
    };
    let program = GuardProgram {
        program: "/proc/self/exe".into(),
        args: vec!["guard".into()],
    };
    if let guard::Role::Ended(code) = guard::enter(containment, &program)? {
        return Ok(code.into());
    }
    let tasks = args.into_iter().skip(1).map(|script| {
        let command = CommandSpec::new("sh", ["-c".into(), script.clone()]);
        Ok(Task {
            timeout: Some(Duration::from_secs(3)),
            ..Task::new(script, command)
        })
    });
    let options = RunOptions {
        concurrency: Concurrency::Count(256.try_into()?),
        containment,
        guard: Some(program),
        handle_signals: true,
        ..RunOptions::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = runtime.block_on(run(Box::new(tasks), options, &mut ()))?;
    println!(
        "{} done, {} failed, {} run again",
        report.done,
        report.failed,
        report.restarted + report.victims
    );
    Ok(if report.failed + report.skipped + report.given_up == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
