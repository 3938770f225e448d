//! Real compilers of real crates, side by side in a machine too small for all of them at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use saferun_testbed::cage::Cage;
use saferun_testbed::size::{self, MIB};

use super::programs::Programs;
use super::report::{Ratio, Report, Spread};
use super::tally::Tally;
use super::trial::Trial;
use crate::Failure;
use crate::workspace::{cargo, root};

/// Crates that this workspace depends on, whose sources are therefore at hand, by what they cost:
/// all of them take real memory, none needs C.
const CRATES: [&str; 6] = [
    "regex-automata",
    "syn",
    "clap_builder",
    "tokio",
    "rustix",
    "toml_parser",
];

/// More than any build needs.
const ROOMY: u64 = 64 << 30;

/// Six builds of crates of the registry, offline, each in a target directory of its own.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many pairs of one by one and side by side
    #[arg(long, default_value_t = 1)]
    pairs: u64,
    /// The machine's limit in peaks of the heaviest build
    #[arg(long, default_value_t = 1.6)]
    peaks: f64,
    /// The machine's limit in bytes, whatever the peaks are
    #[arg(long, value_parser = size::parse)]
    limit: Option<u64>,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    let sources = Sources::prepare(programs.scratch())?;
    let list = programs.scratch().join("builds");
    let lines: Vec<String> = sources.builds.iter().map(Build::line).collect();
    fs::write(&list, lines.concat())?;
    let peaks = alone(&sources, &list, programs)?;
    let heaviest = peaks.iter().copied().max().unwrap_or(0);
    let limit = options
        .limit
        .unwrap_or((heaviest as f64 * options.peaks) as u64);
    let mut report = Report::new(format!(
        "{} x cargo build --offline, machine of {} MiB, {} pairs",
        sources.builds.len(),
        limit / MIB,
        options.pairs
    ));
    let (mut turn, mut beside) = (Tally::default(), Tally::default());
    let mut ratios = Vec::new();
    for _ in 0..options.pairs {
        let mut both = Vec::new();
        for (jobs, tally) in [("1", &mut turn), ("auto", &mut beside)] {
            both.push(once(jobs, &list, limit, &sources, programs, tally)?);
        }
        ratios.push(both[1] / both[0]);
    }
    report.rows = vec![turn.row("saferun -j1"), beside.row("saferun -j auto")];
    report.ratios = vec![
        Ratio::at_most(
            "side by side over one by one",
            Spread::of(ratios).median,
            0.99,
        ),
        Ratio::at_most("builds that failed", beside.lost as f64, 0.0),
        Ratio::at_most("kernel kills", beside.kills as f64, 0.0),
        Ratio::at_most("runs that failed", beside.unexpected(0) as f64, 0.0),
        Ratio::at_most(
            "limit over all peaks together",
            limit as f64 / peaks.iter().sum::<u64>() as f64,
            0.99,
        ),
    ];
    for (build, peak) in sources.builds.iter().zip(&peaks) {
        let mib = peak / MIB;
        report
            .notes
            .push(format!("{}: alone {mib} MiB", build.name));
    }
    Ok(report)
}

/// The crates' sources, copied, each as a workspace of its own.
struct Sources {
    directory: PathBuf,
    builds: Vec<Build>,
}

struct Build {
    name: &'static str,
    manifest: PathBuf,
    target: PathBuf,
}

impl Build {
    /// The command that builds it, one compiler at a time as six share the cores, and, when that succeeded, says so in its target directory.
    fn line(&self) -> String {
        let (manifest, target) = (self.manifest.display(), self.target.display());
        format!(
            "cargo build --quiet --release --offline --jobs 1 --manifest-path {manifest} \
             --target-dir {target} && : > {target}/built\n"
        )
    }

    fn is_built(&self) -> bool {
        self.target.join("built").is_file()
    }
}

impl Sources {
    /// Copies a package for each crate that does nothing but depend on it, so that what is built
    /// is locked to what this workspace has locked and needs no network.
    fn prepare(scratch: &Path) -> Result<Self, Failure> {
        let directory = scratch.join("crates");
        let lock = root().join("Cargo.lock");
        let mut builds = Vec::new();
        for name in CRATES {
            let package = directory.join(name);
            fs::create_dir_all(package.join("src"))?;
            fs::write(package.join("src/lib.rs"), "")?;
            let version = locked(&fs::read_to_string(&lock)?, name)
                .ok_or_else(|| format!("this workspace does not depend on {name} any more"))?;
            fs::write(package.join("Cargo.toml"), manifest(name, &version))?;
            fs::copy(&lock, package.join("Cargo.lock"))?;
            builds.push(Build {
                name,
                manifest: package.join("Cargo.toml"),
                target: directory.join(format!("{name}-target")),
            });
        }
        Ok(Self { directory, builds })
    }

    /// Lets every build begin anew.
    fn forget(&self) -> Result<(), Failure> {
        for build in &self.builds {
            if build.target.exists() {
                fs::remove_dir_all(&build.target)?;
            }
            fs::create_dir_all(&build.target)?;
        }
        Ok(())
    }
}

fn manifest(name: &str, version: &str) -> String {
    let features = match name {
        "syn" => r#", features = ["full", "extra-traits", "visit-mut"]"#,
        "tokio" => r#", features = ["macros", "net", "rt", "signal", "sync", "time"]"#,
        "rustix" => r#", features = ["event", "fs", "mm", "net", "process", "thread"]"#,
        _ => "",
    };
    format!(
        "[package]\nname = \"saferun-bench-{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{name} = {{ version = \"={version}\"{features} }}\n\n[workspace]\n"
    )
}

/// The highest version of a package in a lock file.
fn locked(lock: &str, name: &str) -> Option<String> {
    let wanted = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut found = None;
    while lines.any(|line| line == wanted) {
        let version = lines.next()?.strip_prefix("version = \"")?;
        found = version.strip_suffix('"');
    }
    found.map(str::to_owned)
}

/// The peak of each build alone, file cache aside, in bytes, as the runner saw it.
fn alone(sources: &Sources, list: &Path, programs: &Programs) -> Result<Vec<u64>, Failure> {
    let mut tally = Tally::default();
    once("1", list, ROOMY, sources, programs, &mut tally)?;
    if tally.lost > 0 {
        return Err("the crates can't be built offline here".into());
    }
    let text = fs::read_to_string(programs.scratch().join("events"))?;
    let mut peaks = vec![0; sources.builds.len()];
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        if value.get("event").and_then(|event| event.as_str()) == Some("attempt_ended")
            && let Some(task) = value.get("task").and_then(|task| task.as_u64())
            && let Some(bytes) = value.get("peak_bytes").and_then(|bytes| bytes.as_u64())
            && let Some(peak) = peaks.get_mut(task as usize)
        {
            *peak = bytes;
        }
    }
    Ok(peaks)
}

fn once(
    jobs: &str,
    list: &Path,
    limit: u64,
    sources: &Sources,
    programs: &Programs,
    tally: &mut Tally,
) -> Result<f64, Failure> {
    sources.forget()?;
    let cage = Cage::new("bench", limit)?;
    let events = programs.scratch().join("events");
    let mut command = with_cargo(cage.command(programs.saferun()), sources);
    command
        .args([
            "run",
            "--no-history",
            "--ignore-config",
            "--json",
            "-j",
            jobs,
        ])
        .current_dir(programs.scratch());
    let outcome = Trial::new(format!("saferun -j {jobs}"), command)
        .input(list)?
        .events(&events)?
        .run()?;
    tally.add(&outcome);
    tally.add_peak(cage.peak()?);
    tally.add_restarts(&events);
    let built = sources.builds.iter().filter(|build| build.is_built());
    tally.add_ends(sources.builds.len() as u64, built.count() as u64);
    Ok(outcome.wall.as_secs_f64())
}

/// With the very cargo that runs this, and none of its settings for this workspace.
fn with_cargo(mut command: Command, sources: &Sources) -> Command {
    let program = PathBuf::from(cargo().get_program());
    let beside = program.parent().unwrap_or(Path::new("/"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(beside.to_owned()).chain(std::env::split_paths(&paths));
    if let Ok(paths) = std::env::join_paths(paths) {
        command.env("PATH", paths);
    }
    for variable in ["CARGO_TARGET_DIR", "CARGO_INCREMENTAL", "RUSTFLAGS"] {
        command.env_remove(variable);
    }
    command
        .env("CARGO_NET_OFFLINE", "true")
        .env("TMPDIR", &sources.directory);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_of_a_crate_is_found_in_a_lock_file() {
        let lock = "[[package]]\nname = \"syn\"\nversion = \"1.0.9\"\n\n\
                    [[package]]\nname = \"syn\"\nversion = \"2.0.1\"\n";
        assert_eq!(locked(lock, "syn").as_deref(), Some("2.0.1"));
        assert_eq!(locked(lock, "sy"), None);
    }

    #[test]
    fn every_crate_is_one_of_this_workspace() {
        let lock = fs::read_to_string(root().join("Cargo.lock")).expect("it is locked");
        assert!(CRATES.iter().all(|name| locked(&lock, name).is_some()));
    }
}
