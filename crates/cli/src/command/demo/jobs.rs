//! The jobs of the demo: each receives lines as fast as a network brings them, and sorts them
//! in memory.
//!
//! Receiving takes time and no core, so that memory is what limits how many run at once, on a
//! machine of two cores as on a large one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command as Probe, Stdio};
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::child::{self, Signals};
use super::itself;
use crate::error::CliError;

/// What the jobs receive, in MiB. In the order in which they are given, small and large ones
/// mix, as in real lists.
const SIZES_MIB: [u64; 12] = [60, 150, 30, 120, 48, 90, 36, 140, 66, 75, 105, 42];

/// The smallest of them: it is done first, alone, to learn how fast this machine is.
const SMALLEST: usize = 2;

/// Fewer show nothing, however slow the machine is.
const FEWEST: usize = 4;

/// What one run of all may take, one by one.
const ENOUGH: Duration = Duration::from_secs(26);

/// The environment variable by which the jobs' commands know this program.
const PROGRAM: &str = "SAFERUN";

/// The jobs and how they are done.
#[derive(Debug)]
pub(super) struct Jobs {
    /// How much each receives, in MiB.
    sizes_mib: Vec<u64>,
    /// The command that sorts what it reads.
    sorter: &'static str,
}

impl Jobs {
    /// All of them, done by what this machine has.
    fn all() -> Self {
        let probe = Probe::new("sort")
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let sorter = match probe {
            Ok(output) if String::from_utf8_lossy(&output.stdout).contains("GNU") => {
                "sort -S 1G --parallel=1 -o /dev/null"
            }
            _ => "\"$SAFERUN\" __sort",
        };
        Self {
            sizes_mib: SIZES_MIB.to_vec(),
            sorter,
        }
    }

    /// As many as can be done twice in time, judged by one of them.
    ///
    /// # Errors
    ///
    /// It can't be done, or a signal came.
    pub(super) async fn that_fit_a_minute(signals: &mut Signals) -> Result<Self, CliError> {
        let mut jobs = Self::all();
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(jobs.shell_command("$1"))
            .args(["sh", &item(SIZES_MIB[SMALLEST])]);
        let begun = Instant::now();
        let done = child::run(surroundings(&mut command), signals).await?;
        if !done.success() {
            return Err(CliError::usage(
                format!("the demo's work fails here: {}", jobs.shown()),
                "look at what it said above",
            ));
        }
        let per_mib = begun.elapsed().as_secs_f64() / SIZES_MIB[SMALLEST] as f64;
        let affordable = ENOUGH.as_secs_f64() / per_mib;
        let mut sum = 0.0;
        let mut count = 0;
        jobs.sizes_mib.retain(|&mib| {
            sum += mib as f64;
            count += 1;
            count <= FEWEST || sum <= affordable
        });
        Ok(jobs)
    }

    /// One job as a shell's command; `item` stands for how much it receives.
    pub(super) fn shell_command(&self, item: &str) -> String {
        format!("\"${PROGRAM}\" __lines {item} | {}", self.sorter)
    }

    /// The same for people.
    pub(super) fn shown(&self) -> String {
        self.shell_command("{}")
            .replace(&format!("\"${PROGRAM}\""), "saferun")
    }

    /// The items.
    pub(super) fn items(&self) -> Vec<String> {
        self.sizes_mib.iter().map(|&mib| item(mib)).collect()
    }

    /// What all receive together, in bytes.
    pub(super) fn total_bytes(&self) -> u64 {
        self.sizes_mib.iter().sum::<u64>() << 20
    }
}

fn item(mib: u64) -> String {
    format!("{mib}M")
}

/// What every command that runs jobs finds around it.
pub(super) fn surroundings(command: &mut Command) -> &mut Command {
    let mut program = PathBuf::from(format!("/proc/{}/exe", std::process::id()));
    if !program.exists() {
        program = itself();
    }
    command
        .env(PROGRAM, OsString::from(program))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_the_smallest() {
        assert_eq!(SIZES_MIB.iter().min(), Some(&SIZES_MIB[SMALLEST]));
    }

    #[test]
    fn people_see_what_is_run() {
        let jobs = Jobs {
            sizes_mib: vec![30, 60],
            sorter: "sort",
        };
        assert_eq!(jobs.shown(), "saferun __lines {} | sort");
        assert_eq!(jobs.items(), ["30M", "60M"]);
        assert_eq!(jobs.total_bytes(), 90 << 20);
    }
}
