//! A small agent: a program that is given a prompt, works in a git work tree, needs memory, and
//! leaves things behind, as coding agents do.
//!
//! It writes its own record: one line when it begins and one when it ends, added to a file that
//! all agents share, so that a test sees order and company as the agents themselves saw them.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;

use crate::size;

/// A small agent.
#[derive(Debug, Parser)]
#[command(name = "agent", version, about, max_term_width = 100)]
struct Arguments {
    /// The prompt
    #[arg(long)]
    prompt: OsString,
    /// The file that all agents record themselves in
    #[arg(long)]
    record: PathBuf,
    /// A file of the work tree to add a line to
    #[arg(long)]
    edit: Option<PathBuf>,
    /// How much memory to take
    #[arg(long, value_parser = size::parse, default_value = "1M")]
    memory: u64,
    /// How long to hold it, in milliseconds
    #[arg(long, default_value_t = 50)]
    hold: u64,
    /// Write so many lines of talk to standard output
    #[arg(long, default_value_t = 0)]
    talk: u64,
    /// Fail as long as this file is not there
    #[arg(long)]
    fail_without: Option<PathBuf>,
    /// Wait until this file is there, at most ten seconds
    #[arg(long)]
    wait_for: Option<PathBuf>,
}

/// The program.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("agent");
    let arguments = Arguments::parse_from([name].into_iter().chain(arguments));
    match work(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work(arguments: &Arguments) -> io::Result<()> {
    let name = std::env::var("SAFERUN_AGENT").unwrap_or_else(|_| "somebody".to_owned());
    let note = |what: &str| record(&arguments.record, &format!("{what} {name}"));
    note("begin")?;
    let folder = std::env::var_os("SAFERUN_ARTIFACTS").map(PathBuf::from);
    if let Some(folder) = &folder {
        std::fs::write(
            folder.join("seen-prompt.txt"),
            arguments.prompt.as_encoded_bytes(),
        )?;
    }
    println!("# What {name} did\n");
    for line in 0..arguments.talk {
        println!("I think about part {line} of the work and write down all that I think.");
    }
    // Zeroed memory is only promised; what is written to is really there.
    let bytes = usize::try_from(arguments.memory).unwrap_or(usize::MAX);
    let mut held = vec![0_u8; bytes];
    held.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::thread::sleep(Duration::from_millis(arguments.hold));
    std::hint::black_box(&held);
    if let Some(file) = &arguments.wait_for {
        let turns = (0..1000).take_while(|_| !file.exists());
        turns.for_each(|_| std::thread::sleep(Duration::from_millis(10)));
    }
    if let Some(file) = &arguments.edit {
        edit(file, &name)?;
    }
    if let Some(missing) = arguments
        .fail_without
        .as_ref()
        .filter(|file| !file.exists())
    {
        note("fail")?;
        return Err(io::Error::other(format!(
            "{} is missing",
            missing.display()
        )));
    }
    if let Some(folder) = &folder {
        std::fs::write(
            folder.join("report.md"),
            format!("# Report of {name}\n\nAll is well.\n"),
        )?;
    }
    note("end")
}

/// One write to a file that is only added to, so that lines of several agents stay whole.
fn record(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    file.write_all(format!("{line}\n").as_bytes())
}

/// Adds a line to a file, and shows what that changed as git sees it.
fn edit(file: &Path, name: &str) -> io::Result<()> {
    record(file, &format!("// {name} was here."))?;
    let shown = Command::new("git")
        .args(["diff", "--no-color", "--"])
        .arg(file)
        .stdin(Stdio::null())
        .output()?;
    io::stdout().write_all(&shown.stdout)
}
