//! A bare runner for tests: starts each argument as a shell command in a slot of its own, says
//! that it is ready, and stays until its standard input is closed.
//!
//! `runner best|tree|marks|pid|pid-tree COMMAND...`: with the best containment there is; with
//! process trees under a guard that is the parent; the same with a guard that is a child; in a
//! PID namespace with the best containment, and with process trees.

use std::error::Error;
use std::ffi::{CString, OsString};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

use saferun_executor::guard::{self, Role};
use saferun_executor::spawn::{self, SpawnRequest};
use saferun_executor::{Containment, GuardProgram, Isolation, RunId};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "guard") {
        return guard::main(&args[1..]);
    }
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("runner: {error}");
            ExitCode::from(99)
        }
    }
}

fn run(args: &[OsString]) -> Result<u8, Box<dyn Error>> {
    let mode = args.first().and_then(|mode| mode.to_str());
    let containment = match mode {
        Some("best" | "pid") => Containment::Best,
        Some("tree" | "marks" | "pid-tree") => Containment::Tree,
        _ => return Err("best, tree, marks, pid or pid-tree, please".into()),
    };
    let isolation = match mode {
        Some("pid" | "pid-tree") => Isolation::Pid,
        _ => Isolation::None,
    };
    let program = GuardProgram {
        program: "/proc/self/exe".into(),
        args: vec!["guard".into()],
    };
    if mode != Some("marks")
        && isolation == Isolation::None
        && let Role::Ended(code) = guard::enter(containment, &program)?
    {
        return Ok(code);
    }
    let id = RunId::new();
    let (mut slots, guard) = guard::open_isolated(containment, isolation, &id, Some(&program))?;
    let null = std::fs::File::open("/dev/null")?;
    let path = std::env::var_os("PATH");
    let candidates = spawn::candidates("sh".as_ref(), path.as_deref())?;
    for (task, command) in args[1..].iter().enumerate() {
        let argv = ["sh", "-c", command.to_str().ok_or("text, please")?]
            .map(CString::new)
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let mut envp = vec![
            CString::new(format!("SAFERUN_RUN={id}"))?,
            CString::new(format!("SAFERUN_TASK={task}"))?,
        ];
        if let Some(path) = path.as_ref().and_then(|path| path.to_str()) {
            envp.push(CString::new(format!("PATH={path}"))?);
        }
        let slot = slots.take()?;
        slots.spawn(
            slot,
            &SpawnRequest {
                candidates: &candidates,
                argv: &argv,
                envp: &envp,
                workdir: None,
                stdin: null.as_fd(),
                stdout: std::io::stderr().as_fd(),
                stderr: std::io::stderr().as_fd(),
            },
        )?;
    }
    println!("ready {id} {} {}", std::process::id(), slots.tier());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    slots.shutdown()?;
    if let Some(guard) = guard {
        guard.finish();
    }
    Ok(7)
}
