//! Real compressors of real files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use saferun_testbed::cage::Cage;
use saferun_testbed::size::{self, MIB};

use super::programs::{Programs, installed};
use super::report::{Ratio, Report, Spread};
use super::tally::Tally;
use super::trial::Trial;
use crate::Failure;

/// Where real content lies on most machines.
const SOURCES: [&str; 4] = ["/usr/lib", "/usr/share", "/usr/bin", "/usr/libexec"];

/// Eight compressors of 674 MiB each in a cage of 2.2 GiB.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// How many files
    #[arg(long, default_value_t = 8)]
    files: usize,
    /// The size of each file
    #[arg(long, value_parser = size::parse, default_value = "64M")]
    size: u64,
    /// The cage's limit
    #[arg(long, value_parser = size::parse, default_value = "2.2G")]
    limit: u64,
    /// How many times
    #[arg(long, default_value_t = 1)]
    rounds: u64,
}

pub(super) fn run(options: &Options, programs: &Programs) -> Result<Report, Failure> {
    if installed("xz").is_none() {
        return Err("xz is not installed (package xz-utils)".into());
    }
    let mut report = Report::new(format!(
        "{} x xz -9 -T1 of {} MiB, cage {} MiB, {} rounds",
        options.files,
        options.size / MIB,
        options.limit / MIB,
        options.rounds
    ));
    let files = real_files(options, &programs.kept("xz")?)?;
    let list = programs.scratch().join("files");
    fs::write(&list, files.join("\n") + "\n")?;
    let (mut turn, mut beside) = (Tally::default(), Tally::default());
    let mut ratios = Vec::new();
    for _ in 0..options.rounds {
        let sequential = once("xargs -P1", xargs, options, &list, programs, &mut turn)?;
        let parallel = once("saferun", saferun, options, &list, programs, &mut beside)?;
        ratios.push(parallel / sequential);
    }
    report.ratios = vec![
        Ratio::at_most("side by side over in turn", Spread::of(ratios).median, 0.75),
        Ratio::at_most("kernel kills", beside.kills as f64, 0.0),
        Ratio::at_most("runs that failed", beside.unexpected(0) as f64, 0.0),
        Ratio::at_most("processes and groups left", beside.left as f64, 0.0),
    ];
    report.rows = vec![turn.row("xargs -P1"), beside.row("saferun -j auto")];
    Ok(report)
}

fn once(
    name: &str,
    build: fn(&Cage) -> Command,
    options: &Options,
    list: &Path,
    programs: &Programs,
    tally: &mut Tally,
) -> Result<f64, Failure> {
    let cage = Cage::new("bench", options.limit)?;
    let events = programs.scratch().join("events");
    let mut command = build(&cage);
    command
        .env("SAFERUN", programs.saferun())
        .current_dir(programs.scratch());
    let outcome = Trial::new(name, command)
        .input(list)?
        .events(&events)?
        .run()?;
    tally.add(&outcome);
    tally.add_peak(cage.peak()?);
    tally.add_restarts(&events);
    Ok(outcome.wall.as_secs_f64())
}

fn xargs(cage: &Cage) -> Command {
    let mut command = cage.command("sh");
    command.args([
        "-c",
        "exec xargs -P1 -I{} sh -c 'xz -9 -T1 -k -c {} >/dev/null'",
    ]);
    command
}

fn saferun(cage: &Cage) -> Command {
    let mut command = cage.command("sh");
    let line = r#"exec "$SAFERUN" run -j auto --json "xz -9 -T1 -k -c {} >/dev/null""#;
    command.args(["-c", line]);
    command
}

/// Files of real content, each of other content than the rest; made once and kept.
fn real_files(options: &Options, directory: &Path) -> Result<Vec<String>, Failure> {
    let name = |index| directory.join(format!("real-{index}-{}", options.size));
    let paths: Vec<PathBuf> = (0..options.files).map(name).collect();
    let whole = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.len() == options.size);
    if !paths.iter().all(whole) {
        let mut content = Content::below(&SOURCES);
        for path in &paths {
            let mut file = File::create(path)?;
            content.fill(&mut file, options.size)?;
        }
    }
    paths
        .into_iter()
        .map(|path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| format!("{} is not UTF-8", path.display()).into())
        })
        .collect()
}

/// The bytes of many files in a row.
struct Content {
    files: std::vec::IntoIter<PathBuf>,
    current: Option<File>,
}

impl Content {
    fn below(directories: &[&str]) -> Self {
        let mut files = Vec::new();
        for directory in directories {
            collect(Path::new(directory), &mut files);
        }
        files.sort();
        Self {
            files: files.into_iter(),
            current: None,
        }
    }

    fn fill(&mut self, to: &mut impl Write, size: u64) -> Result<(), Failure> {
        let mut left = size;
        while left > 0 {
            if self.current.is_none() {
                let next = self.files.next();
                let next = next.ok_or("there is too little real content on this machine")?;
                self.current = File::open(next).ok();
            }
            if let Some(file) = &mut self.current {
                let copied = io::copy(&mut file.take(left), to)?;
                if copied < left {
                    self.current = None;
                }
                left -= copied;
            }
        }
        Ok(())
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect(&entry.path(), files),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}
