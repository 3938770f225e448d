//! `memory-cleanup`: where memory went, and giving back what can safely be given back.
//!
//! Syntax (`args`), what is read (`memory`), what is done (`steps`), all of it in one value
//! (`answer`), and that value as text or JSON.

mod answer;
mod args;
mod json;
mod memory;
mod steps;
mod text;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use saferun_memory::{Machine, ReadError, Roots};

use answer::{Answer, Results};
use args::Args;
use memory::Memory;

/// Everything was done, or there was nothing to do.
const DONE: u8 = 0;
/// Something failed.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;

/// Reads the command line, does what it says, and answers with the exit code.
pub fn memory_cleanup() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    match answer(&args) {
        Ok(answer) => {
            let failed = answer
                .results
                .as_ref()
                .is_some_and(|results| results.steps.iter().any(steps::Done::failed));
            let text = if args.json {
                format!("{:#}\n", json::json(&answer))
            } else {
                text::text(&answer)
            };
            // Whoever has closed our output has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::from(if failed { FAILED } else { DONE })
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn not_parsed(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = write!(std::io::stdout(), "{}", error.render());
            DONE
        }
        _ => {
            let _ = write!(std::io::stderr(), "{}", error.render());
            USAGE
        }
    }
}

fn answer(args: &Args) -> Result<Answer, ReadError> {
    let roots = Roots::default();
    let before = Memory::read(&roots)?;
    let machine = Machine::open(&roots)?.read()?;
    let mut steps = steps::chosen(args, &roots);
    let act = args.force && !args.dry_run;
    let (plan, results) = if act {
        let steps = steps::take(&mut steps, &roots);
        let after = Memory::read(&roots)?;
        (None, Some(Results { steps, after }))
    } else {
        (Some(steps::plan(&mut steps)), None)
    };
    Ok(Answer {
        before,
        machine,
        plan,
        results,
    })
}
