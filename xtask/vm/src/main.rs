//! The containment tests that run inside an emulated machine, and all that they need in one
//! program: `vm-tests tests TIER SEEDS [TEST,...]`, `chaos TIER SEED RUNS LIMIT`, `join GROUP USER COMMAND...`, `work WORKLOAD...`.
//!
//! What they find is said in lines that begin with `vm-test: pass`, `skip` or `fail`.
#![deny(missing_docs)]

mod cage;
mod chaos;
mod checks;
mod cleanup;
mod trial;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Anything that keeps a test from being carried out; one line says it.
type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let chore = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    match chore.to_str() {
        Some("work") => saferun_testbed::workload::main(rest),
        Some("tests") => tests(&rest),
        Some("hold") => cleanup::hold(),
        Some("chaos") => match chaos::run(&rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("vm-test: fail chaos {error}");
                ExitCode::FAILURE
            }
        },
        Some("join") => {
            eprintln!("vm-tests: {}", join(&rest));
            ExitCode::from(125)
        }
        _ => {
            eprintln!("vm-tests: tests, chaos, join or work");
            ExitCode::from(2)
        }
    }
}

fn tests(arguments: &[OsString]) -> ExitCode {
    let word = |place: usize| arguments.get(place).and_then(|word| word.to_str());
    let seeds = word(1).and_then(|word| word.parse().ok()).unwrap_or(1);
    checks::run(
        word(0).unwrap_or_default(),
        seeds,
        word(2).unwrap_or_default(),
    );
    ExitCode::SUCCESS
}

/// Becomes a command in a group and as a user; returns why it could not.
fn join(arguments: &[OsString]) -> io::Error {
    let [group, user, program, rest @ ..] = arguments else {
        return io::Error::other("join GROUP USER COMMAND...");
    };
    let procs = std::path::Path::new(group).join("cgroup.procs");
    if let Err(error) = fs::write(&procs, "0") {
        return io::Error::other(format!("{}: {error}", procs.display()));
    }
    let mut command = Command::new(program);
    command.args(rest);
    if let Some(id) = user.to_str().and_then(|user| user.parse().ok())
        && id != 0
    {
        command.uid(id).gid(id).env("HOME", "/tmp");
    }
    command.exec()
}
