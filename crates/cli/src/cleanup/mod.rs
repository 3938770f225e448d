//! `memory-cleanup`: where memory went, and giving back what can safely be given back.
//!
//! Syntax (`args`) and rules (`rules`), what is read (`facts`, `memory`), what is done (`steps`,
//! `tmpfs`, `artifacts`, `history`, `ending`), all of it in one value (`answer`), and that value as text or JSON.

mod advice;
mod answer;
mod args;
mod artifacts;
mod disk;
mod ending;
mod facts;
mod history;
mod json;
mod memory;
mod report;
mod rules;
mod steps;
mod text;
mod tmpfs;
mod words;

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use saferun_memory::leftovers::Leftover;
use saferun_memory::{Census, Machine, Roots};

use advice::advice;
use answer::{Answer, Results};
pub(crate) use args::Args;
use ending::{Consent, Gone, ask};
use facts::Facts;
use memory::Memory;
use rules::Rules;

/// Everything was done, or there was nothing to do.
const DONE: u8 = 0;
/// Something failed.
const FAILED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;

/// What opening the inspector of a Node process risks.
const RISK: &str = "--signal-node: while the inspector of a Node process is open, any program of \
    this machine can run code in it, and a program that uses SIGUSR1 for itself does whatever it \
    does then. Open it?";

/// Reads the command line, does what it says, and answers with the exit code.
pub fn memory_cleanup() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return ExitCode::from(not_parsed(&error)),
    };
    if let Some(shell) = args.completions {
        // Into memory first: the generator panics when its writer fails.
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "memory-cleanup", &mut script);
        let _ = std::io::stdout().write_all(&script);
        return ExitCode::from(DONE);
    }
    ExitCode::from(match carry_out(&args) {
        Ok(code) => code,
        Err(usage) => {
            let _ = writeln!(std::io::stderr(), "error: {usage}");
            USAGE
        }
    })
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

/// Reads, acts, answers.
fn carry_out(args: &Args) -> Result<u8, String> {
    let rules = Rules::read(args.rules.as_deref())?;
    let roots = Roots::default();
    let (facts, census) = Facts::read(&rules, &roots);
    let before = Memory::of(census.as_ref(), facts.machine.as_ref(), &roots);
    let advice = advice(before.session_bytes, facts.agents);
    let mut answer = Answer {
        before,
        facts,
        advice,
        plan: None,
        results: None,
        not_done: Vec::new(),
    };
    let room_before = saferun_memory::reclaim::room(&roots).ok();
    let gone = end_leftovers(args, &rules, &mut answer, &roots)?;
    let signal_node = may_signal_node(args, &mut answer)?;
    let mut steps = steps::chosen(args, signal_node, census.as_ref(), &roots);
    let acts = !args.dry_run && (args.force || gone.is_some());
    if acts {
        // With --leftovers alone no step is taken.
        let steps = if args.force {
            steps::take(&mut steps, args, &roots)
        } else {
            Vec::new()
        };
        let census = Census::take(&roots).ok();
        let machine = Machine::open(&roots).and_then(|mut machine| machine.read());
        let room_after = machine.as_ref().ok().map(|machine| machine.room_bytes());
        answer.results = Some(Results {
            steps,
            gone: gone.unwrap_or_default(),
            room_bytes: room_before.zip(room_after),
            after: Memory::of(census.as_ref(), machine.as_ref().ok(), &roots),
        });
    } else {
        answer.plan = Some(steps::plan(&mut steps, args, &roots));
    }
    say(args, &answer);
    let failed = answer.facts.failed || answer.results.as_ref().is_some_and(Results::failed);
    Ok(if failed { FAILED } else { DONE })
}

fn say(args: &Args, answer: &Answer) {
    let text = if args.json {
        format!("{:#}\n", json::json(answer))
    } else {
        text::text(answer, args.tree, args.force && args.dry_run)
    };
    // Whoever has closed our output has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if answer.facts.failed {
        for why in &answer.facts.unread {
            let _ = writeln!(std::io::stderr(), "error: {why}");
        }
    }
}

/// Ends leftovers if that is asked for and allowed; `None` when nothing was to be ended.
fn end_leftovers(
    args: &Args,
    rules: &Rules,
    answer: &mut Answer,
    roots: &Roots,
) -> Result<Option<Vec<Gone>>, String> {
    let Some(named) = &args.leftovers else {
        return Ok(None);
    };
    let found = chosen(named, &answer.facts.leftovers.found)?;
    if args.dry_run || found.is_empty() {
        return Ok(None);
    }
    if !args.yes {
        // Before the question, on the same stream.
        let list = report::list(&found);
        let _ = std::io::stderr().write_all(list.as_bytes());
    }
    let count: usize = found.iter().map(|leftover| leftover.members.len()).sum();
    match ask(&format!("End these {}?", words::processes(count)), args.yes) {
        Consent::Given => Ok(Some(ending::end(&found, &rules.all, roots))),
        Consent::Refused => {
            answer
                .not_done
                .push("the leftovers were not ended, as you said".to_owned());
            Ok(None)
        }
        Consent::NobodyThere => {
            Err("--leftovers ends processes and nobody can be asked; try: add --yes".to_owned())
        }
    }
}

/// Those that are named; all, when none is.
fn chosen(named: &[u32], found: &[Leftover]) -> Result<Vec<Leftover>, String> {
    if named.is_empty() {
        return Ok(found.to_vec());
    }
    named
        .iter()
        .map(|pid| {
            let wanted = |leftover: &&Leftover| leftover.root.pid == *pid;
            found.iter().find(wanted).cloned().ok_or_else(|| {
                format!("{pid} is not among what was left behind; try: memory-cleanup lists it")
            })
        })
        .collect()
}

/// Whether Node processes may be made to listen.
fn may_signal_node(args: &Args, answer: &mut Answer) -> Result<bool, String> {
    if !args.signal_node || !args.force || args.dry_run {
        return Ok(args.signal_node);
    }
    match ask(RISK, args.yes) {
        Consent::Given => Ok(true),
        Consent::Refused => {
            answer
                .not_done
                .push("no inspector was opened, as you said".to_owned());
            Ok(false)
        }
        Consent::NobodyThere => Err(format!("{RISK} Nobody can be asked; try: add --yes")),
    }
}
