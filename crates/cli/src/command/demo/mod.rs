//! `saferun demo`: the main job, shown in under a minute.
//!
//! It makes its own input and runs this very program on it, first one by one, then side by
//! side, and tells what the events of the second run say.

mod child;
mod jobs;
mod lines;
mod peers;
mod record;
mod scratch;
mod sort;
mod story;

pub(crate) use lines::receive;
pub(crate) use sort::sort_in_memory;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use saferun_memory::{Amount, kernel_kills, show};
use tokio::process::Command;

use self::child::Signals;
use self::jobs::Jobs;
use self::record::Record;
use self::scratch::Scratch;
use crate::args::DemoArgs;
use crate::error::CliError;
use crate::exit::Exit;

/// What all tasks together may use.
const BUDGET_BYTES: u64 = 400 << 20;

/// The same as an argument.
const BUDGET: &str = "400M";

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
    // From here on a signal ends the demo in order, so that nothing is left of it.
    let mut signals = Signals::listen()
        .map_err(|cause| CliError::system("signals can't be listened to", cause))?;
    let scratch = Scratch::new()?;
    let jobs = Jobs::that_fit_a_minute(&mut signals).await?;
    say(&format!(
        "{} jobs: each receives lines, together {}, as from a network, and sorts them in memory.\n\
         None has told how much it needs. All of them together may use {}.\n",
        jobs.items().len(),
        show(jobs.total_bytes()),
        Amount::Bytes(BUDGET_BYTES)
    ))?;
    let kills = kernel_kills().ok();
    let run = Run {
        jobs: &jobs,
        scratch: &scratch,
    };
    let one_by_one = run
        .record("One by one", &["--strategy", "sequential"], &mut signals)
        .await?;
    let side_by_side = run
        .record("Side by side", &["-j", "auto"], &mut signals)
        .await?;
    let kills = kills.and_then(|before| Some(kernel_kills().ok()?.saturating_sub(before)));
    say(&story::comparison(&one_by_one, &side_by_side, kills))?;
    say(&story::timeline(&side_by_side))?;
    if args.peers {
        peers::compare(&jobs, scratch.path(), &mut signals).await?;
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
    jobs: &'a Jobs,
    scratch: &'a Scratch,
}

impl Run<'_> {
    /// Runs the jobs under `saferun run` with these options, and reads what its events tell.
    async fn record(
        &self,
        title: &str,
        options: &[&str],
        signals: &mut Signals,
    ) -> Result<Record, CliError> {
        let items = self.jobs.items();
        say(&format!(
            "{title}:\n  saferun run {} --memory {BUDGET} \\\n    '{}' \\\n    ::: {}",
            options.join(" "),
            self.jobs.shown(),
            items.join(" ")
        ))?;
        let events = self.scratch.path().join("events.json");
        let mut command = Command::new(itself());
        // What is set for other work has no say in a demonstration.
        command.args(["run", "--ignore-config", "--no-history"]);
        command.args(options).args(["--memory", BUDGET]);
        let mut json = OsString::from("--json=");
        json.push(&events);
        command.arg(json);
        if !std::io::stderr().is_terminal() {
            command.args(["--progress", "none"]);
        }
        command
            .args(["--", &self.jobs.shell_command("{}"), ":::"])
            .args(items)
            .current_dir(self.scratch.path());
        child::run(jobs::surroundings(&mut command), signals).await?;
        say("")?;
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
