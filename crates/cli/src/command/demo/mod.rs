//! `saferun demo`: the main job, shown in under a minute.
//!
//! It makes its own input and runs this very program on it, first one by one, then side by
//! side, and tells what the events of the second run say.

mod child;
mod input;
mod peers;
mod record;
mod scratch;
mod sort;
mod story;

pub(crate) use sort::sort_in_memory;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use saferun_memory::{Amount, kernel_kills, show};
use tokio::process::Command;

use self::child::Signals;
use self::record::Record;
use self::scratch::Scratch;
use crate::args::DemoArgs;
use crate::error::CliError;
use crate::exit::Exit;

/// What all tasks together may use.
const BUDGET_BYTES: u64 = 400 << 20;

/// Shows it.
///
/// # Errors
///
/// There is no place for the input, or a run went wrong.
pub(crate) fn demo(args: &DemoArgs) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| CliError::system("the runtime can't be started", cause))?;
    runtime.block_on(show_it(args))
}

async fn show_it(args: &DemoArgs) -> Result<Exit, CliError> {
    // From here on a signal ends the demo in order, so that the input goes too.
    let mut signals = Signals::listen()
        .map_err(|cause| CliError::system("signals can't be listened to", cause))?;
    let budget = Amount::Bytes(BUDGET_BYTES);
    let scratch = Scratch::new()?;
    let work = sort::Work::choose();
    let files = input::make(scratch.path(), &mut signals).await?;
    let files = input::that_fit_a_minute(&work, scratch.path(), files, &mut signals).await?;
    say(&format!(
        "{} sorts of different size, together {} of input; none has told what memory it needs.\n\
         The budget for all of them is {budget}.\n",
        files.len(),
        show(files.iter().map(|file| file.bytes).sum())
    ))?;
    let kills = kernel_kills().ok();
    let run = Run {
        work: &work,
        scratch: &scratch,
        files: &files,
    };
    let one_by_one = run
        .record("one by one", &["--strategy", "sequential"], &mut signals)
        .await?;
    let side_by_side = run
        .record("side by side", &["-j", "auto"], &mut signals)
        .await?;
    let kills = kills.and_then(|before| Some(kernel_kills().ok()?.saturating_sub(before)));
    say(&story::comparison(&one_by_one, &side_by_side, kills))?;
    say(&story::timeline(&side_by_side))?;
    if args.peers {
        let names: Vec<OsString> = files.iter().map(|file| file.name.clone()).collect();
        peers::compare(&work, scratch.path(), &names, &mut signals).await?;
    }
    let all_done = one_by_one.succeeded() && side_by_side.succeeded();
    Ok(if all_done {
        Exit::Success
    } else {
        Exit::TaskFailed
    })
}

/// What both runs have in common.
struct Run<'a> {
    work: &'a sort::Work,
    scratch: &'a Scratch,
    files: &'a [input::InputFile],
}

impl Run<'_> {
    /// Runs the work under `saferun run` with these options, and reads what its events tell.
    async fn record(
        &self,
        title: &str,
        options: &[&str],
        signals: &mut Signals,
    ) -> Result<Record, CliError> {
        let words = self.work.words();
        let shown: Vec<String> = words
            .iter()
            .map(|word| crate::printable::printable(word, 40))
            .collect();
        say(&format!(
            "{title}:  saferun run {} --memory 400M {} ::: ...\n",
            options.join(" "),
            shown.join(" ")
        ))?;
        let events = self.scratch.path().join("events.json");
        let mut command = Command::new(itself());
        command.arg("run").args(options).args(["--memory", "400M"]);
        let mut json = OsString::from("--json=");
        json.push(&events);
        command.arg(json);
        if !std::io::stderr().is_terminal() {
            command.args(["--progress", "none"]);
        }
        command
            .arg("--")
            .args(words)
            .arg(":::")
            .args(self.files.iter().map(|file| &file.name));
        command
            .current_dir(self.scratch.path())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        child::run(command, signals).await?;
        Record::read(&events)
    }
}

/// This program, even if its file has been replaced.
fn itself() -> PathBuf {
    let linked = Path::new("/proc/self/exe");
    if linked.exists() {
        return linked.to_path_buf();
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("saferun"))
}

fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))
}
