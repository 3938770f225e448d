//! The same work under other tools.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use saferun_memory::{Machine, ProcessTable, Roots, kernel_kills, show};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::child::{self, Signals};
use super::{say, sort};
use crate::error::CliError;
use crate::observe::words;

/// How often memory is read.
const PERIOD: Duration = Duration::from_millis(20);

/// What all sorts together need at most: with less free, a tool without a budget could hurt the
/// machine, which no demo may.
const NEEDED_BYTES: u64 = 1500 << 20;

/// Runs and tells of each.
pub(super) async fn compare(
    work: &sort::Work,
    dir: &Path,
    files: &[OsString],
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
    let all = files.len().to_string();
    say("The same work under other tools, which know no budget:")?;
    say(&format!(
        "{:24}{:>9}{:>11}{:>8}{:>9}",
        "", "time", "peak", "killed", "failed"
    ))?;
    let flags = |program: &str, flags: &[&str]| {
        let words = std::iter::once(program).chain(flags.iter().copied());
        words.map(OsString::from).collect::<Vec<_>>()
    };
    for line in [
        flags("xargs", &["-n", "1", "-P", &cores]),
        flags("xargs", &["-n", "1", "-P", &all]),
        flags("parallel", &["--will-cite", "-n", "1", "-j", &all]),
        flags(
            "parallel",
            &["--will-cite", "-n", "1", "-j", &all, "--memfree", "200M"],
        ),
    ] {
        one(line, work, dir, files, signals).await?;
    }
    Ok(())
}

async fn one(
    line: Vec<OsString>,
    work: &sort::Work,
    dir: &Path,
    files: &[OsString],
    signals: &mut Signals,
) -> Result<(), CliError> {
    let title: Vec<String> = line
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .filter(|word| !["--will-cite", "-n", "1"].contains(&word.as_str()))
        .collect();
    let title = title.join(" ");
    let mut command = Command::new(&line[0]);
    // A group of its own, so that a signal reaches what the tool has started too.
    command.args(&line[1..]).args(work.words()).process_group(0);
    command.current_dir(dir).env("LC_ALL", "C");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let kills = kernel_kills().unwrap_or(0);
    let begun = Instant::now();
    let mut tool = match command.spawn() {
        Ok(tool) => tool,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return say(&format!("{title:24}  is not installed"));
        }
        Err(error) => return Err(child::not_started(&command, &error)),
    };
    if let Some(mut stdin) = tool.stdin.take() {
        let mut list = Vec::new();
        for file in files {
            list.extend_from_slice(file.as_bytes());
            list.push(b'\n');
        }
        // A tool that doesn't want its list fails, and that is told.
        let _ = stdin.write_all(&list).await;
    }
    let watched = watch(tool.id());
    let status = tokio::select! {
        status = child::wait(&mut tool, signals, true) => status,
        never = watched.run() => match never {},
    };
    let status = status?;
    let killed = kernel_kills().unwrap_or(0).saturating_sub(kills);
    say(&format!(
        "{title:24}{:>9}{:>11}{killed:>8}{:>9}",
        words::length(begun.elapsed()),
        show(watched.peak.get()),
        if status.success() { "none" } else { "some" }
    ))
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
