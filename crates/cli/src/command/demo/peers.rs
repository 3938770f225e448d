//! The same work under other tools.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use saferun_memory::{Machine, ProcessTable, Roots, kernel_kills, show};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::child::{self, Signals};
use super::jobs::{self, Jobs};
use super::{BUDGET_BYTES, say};
use crate::error::CliError;
use crate::observe::words;

/// How often memory is read.
const PERIOD: Duration = Duration::from_millis(20);

/// What all jobs together need at most: with less free, a tool without a budget could hurt the
/// machine, which no demo may.
const NEEDED_BYTES: u64 = 1800 << 20;

/// Runs and tells of each.
pub(super) async fn compare(
    jobs: &Jobs,
    dir: &Path,
    signals: &mut Signals,
) -> Result<(), CliError> {
    let room = Machine::open(&Roots::default()).and_then(|mut machine| machine.read());
    match room {
        Ok(reading) if reading.room_bytes() >= NEEDED_BYTES => {}
        Ok(reading) => {
            return say(&format!(
                "Other tools: left out, since only {} are free here and they know no budget.",
                show(reading.room_bytes())
            ));
        }
        Err(error) => {
            return say(&format!(
                "Other tools: left out, memory can't be read: {error}"
            ));
        }
    }
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .max(2)
        .to_string();
    let items = jobs.items();
    let all = items.len().to_string();
    say("The same work under other tools, which know no budget:")?;
    say(&format!(
        "{:32}{:>9}{:>11}{:>15}{:>8}{:>9}",
        "", "time", "peak", "of the budget", "killed", "failed"
    ))?;
    let shell = jobs.shell_command("\"$1\"");
    let line = jobs.shell_command("{}");
    let mut missing = "";
    for tool in [
        Tool::new(
            "xargs",
            &["-P", &cores],
            &["-n", "1", "sh", "-c", &shell, "sh"],
        ),
        Tool::new(
            "xargs",
            &["-P", &all],
            &["-n", "1", "sh", "-c", &shell, "sh"],
        ),
        Tool::new("parallel", &["-j", &all], &["--will-cite", &line]),
        Tool::new(
            "parallel",
            &["-j", &all, "--memfree", "200M"],
            &["--will-cite", &line],
        ),
    ] {
        if tool.program != missing && !tool.run(&items, dir, signals).await? {
            missing = tool.program;
        }
    }
    Ok(())
}

/// Another tool and how it is told to do the jobs.
struct Tool {
    title: String,
    program: &'static str,
    words: Vec<String>,
}

impl Tool {
    /// Of its options, `told` are of interest to people.
    fn new(program: &'static str, told: &[&str], others: &[&str]) -> Self {
        Self {
            title: format!("{program} {}", told.join(" ")),
            program,
            words: told.iter().chain(others).map(|&word| word.into()).collect(),
        }
    }

    /// Runs it and tells how it went; whether it is installed.
    async fn run(
        &self,
        items: &[String],
        dir: &Path,
        signals: &mut Signals,
    ) -> Result<bool, CliError> {
        let title = &self.title;
        let mut command = Command::new(self.program);
        // A group of its own, so that a signal reaches what the tool has started too.
        jobs::surroundings(&mut command)
            .args(&self.words)
            .process_group(0)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let kills = kernel_kills().unwrap_or(0);
        let begun = Instant::now();
        let mut tool = match command.spawn() {
            Ok(tool) => tool,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                say(&format!("{:32}  not installed", self.program))?;
                return Ok(false);
            }
            Err(error) => return Err(child::not_started(&command, &error)),
        };
        if let Some(mut stdin) = tool.stdin.take() {
            let list = items.join("\n") + "\n";
            // A tool that doesn't want its list fails, and that is told.
            let _ = stdin.write_all(list.as_bytes()).await;
        }
        let watched = watch(tool.id());
        let status = tokio::select! {
            status = child::wait(&mut tool, signals, true) => status,
            never = watched.run() => match never {},
        };
        let status = status?;
        let killed = kernel_kills().unwrap_or(0).saturating_sub(kills);
        say(&format!(
            "{title:32}{:>9}{:>11}{:>14}%{killed:>8}{:>9}",
            words::length(begun.elapsed()),
            show(watched.peak.get()),
            100 * watched.peak.get() / BUDGET_BYTES,
            if status.success() { "none" } else { "some" }
        ))?;
        Ok(true)
    }
}

/// Reads what a tree of processes uses until it is dropped.
struct Watched {
    pid: Option<u32>,
    peak: std::cell::Cell<u64>,
}

fn watch(pid: Option<u32>) -> Watched {
    Watched {
        pid,
        peak: std::cell::Cell::new(0),
    }
}

impl Watched {
    async fn run(&self) -> std::convert::Infallible {
        let table = ProcessTable::open(&Roots::default(), None).ok();
        if let (Some(mut table), Some(pid)) = (table, self.pid)
            && table.add(pid, &[]).is_ok()
        {
            // What can't be read any more has ended, and so the tool soon will.
            while table.find().is_ok()
                && let Ok(used) = table.use_of(pid)
            {
                self.peak.set(self.peak.get().max(used.bytes));
                tokio::time::sleep(PERIOD).await;
            }
        }
        std::future::pending().await
    }
}
