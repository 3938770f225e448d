//! A program that does on purpose what real programs do by nature.
//!
//! It is one entry, [`main`], so that a test's example and a chore's subcommand run the same code.
//! At its start it holds a few MiB at most.

mod disk;
mod family;
mod grow;
mod pages;
mod report;
mod sharing;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::curve::{Curve, Shape};
use crate::size;

/// The exit code of a workload that asked for memory and was refused.
pub const REFUSED_MEMORY: u8 = 7;

/// A program that does on purpose what real programs do by nature.
#[derive(Debug, Parser)]
#[command(name = "workload", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    work: Work,
}

#[derive(Debug, Subcommand)]
enum Work {
    /// Grow over the first half of life, hold the peak for the second
    Hog(Life),
    /// Reach the peak within a tenth of life, keep a quarter of it
    Spike(Life),
    /// Hold a tenth of the peak until nine tenths of life, then take it all
    LateSpike(Life),
    /// Rise and fall four times
    Sawtooth(Life),
    /// Grow to the very end of life
    Leak(Life),
    /// Hold little for a fifth of life, then take the peak at once
    Step(Life),
    /// Take the peak at once and keep it
    Flat(Life),
    /// Take all the memory there is at full speed until killed; exit code 7 when refused
    Greedy,
    /// Write a file of real bytes and delete it
    Write {
        /// The file to write
        #[arg(long)]
        file: PathBuf,
        /// How much to write
        #[arg(long, value_parser = size::parse)]
        size: u64,
    },
    /// Write a file, read it again and again, and delete it
    Read {
        /// The file to write and read
        #[arg(long)]
        file: PathBuf,
        /// How much
        #[arg(long, value_parser = size::parse)]
        size: u64,
        /// For how long to read
        #[arg(long, value_parser = seconds, default_value = "1")]
        seconds: Duration,
    },
    /// Grow memory that other processes map as well
    Share {
        /// How many others
        #[arg(default_value_t = 2)]
        members: u32,
        /// How much memory
        #[arg(long, value_parser = size::parse)]
        peak: u64,
        /// How long to live when nothing holds it up
        #[arg(long, value_parser = seconds)]
        seconds: Duration,
    },
    /// Stay alive and ignore TERM, INT and HUP
    Deaf(Stay),
    /// Leave a daemon behind (double-forked, in a session of its own) and exit at once
    Daemon(Stay),
    /// Stay alive in a session of one's own
    Setsid(Stay),
    /// Keep this many processes alive, each of which replaces itself again and again
    Storm {
        /// How many lines of succession
        #[arg(default_value_t = 20)]
        members: u32,
        #[command(flatten)]
        stay: Stay,
    },
    /// Try several ways at once not to be ended with the rest
    Escape(Stay),
    /// Just stay alive
    Stay(Stay),
    /// Exit with this code
    Fail {
        /// The exit code
        code: u8,
    },
    /// Print numbered patterns to stdout and stderr
    Print {
        /// Lines on each of the two
        #[arg(long, default_value_t = 1)]
        lines: u64,
        /// Bytes of each line, its newline included
        #[arg(long, default_value_t = 80)]
        bytes: usize,
    },
    /// Print what was inherited: signal mask, ignored signals, descriptors, session and group
    Sigs,
    /// Map what another process shares
    #[command(hide = true)]
    Attach {
        /// Where it can be opened
        path: PathBuf,
        /// For how long
        #[arg(long, value_parser = seconds)]
        seconds: Duration,
    },
    /// Found a session, leave a process behind and exit
    #[command(hide = true)]
    Forsake(Stay),
    /// One reign in a line of succession of a storm
    #[command(hide = true)]
    Reign {
        /// When the storm ends, in milliseconds since 1970
        #[arg(long)]
        until: u128,
    },
}

#[derive(Debug, Args)]
struct Life {
    /// The most memory held
    #[arg(long, value_parser = size::parse)]
    peak: u64,
    /// How long to live when nothing holds it up
    #[arg(long, value_parser = seconds)]
    seconds: Duration,
    /// Append a line to this file when life is over, so that ends can be counted
    #[arg(long)]
    done: Option<PathBuf>,
}

impl Life {
    fn live(&self, shape: Shape) -> io::Result<()> {
        grow::follow(&self.curve(shape))?;
        if let Some(path) = &self.done {
            let mut file = OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(b"done\n")?;
        }
        Ok(())
    }

    fn curve(&self, shape: Shape) -> Curve {
        Curve {
            shape,
            peak: self.peak,
            life: self.seconds,
        }
    }
}

#[derive(Debug, Args)]
struct Stay {
    /// How long at most, so that a test that fails leaves nothing for ever
    #[arg(long, value_parser = seconds, default_value = "60")]
    seconds: Duration,
    /// Memory to hold meanwhile
    #[arg(long, value_parser = size::parse, default_value = "0")]
    memory: u64,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{text}` is no number of seconds"))
}

/// Runs the workload that these arguments name (without the program's own name before them).
///
/// Workloads that start others run the current executable again, with whatever words came before
/// `arguments` on the real command line.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let again = family::Again::before(arguments.len());
    let named = std::iter::once(OsString::from("workload")).chain(arguments);
    let parsed = match Arguments::try_parse_from(named) {
        Ok(parsed) => parsed,
        Err(error) => {
            let _closed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(parsed.work, &again) {
        Ok(code) => code,
        Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
            eprintln!("workload: {error}");
            ExitCode::from(REFUSED_MEMORY)
        }
        Err(error) => {
            eprintln!("workload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(work: Work, again: &family::Again) -> io::Result<ExitCode> {
    match work {
        Work::Hog(life) => life.live(Shape::Hog)?,
        Work::Spike(life) => life.live(Shape::Spike)?,
        Work::LateSpike(life) => life.live(Shape::LateSpike)?,
        Work::Sawtooth(life) => life.live(Shape::Sawtooth)?,
        Work::Leak(life) => life.live(Shape::Leak)?,
        Work::Step(life) => life.live(Shape::Step)?,
        Work::Flat(life) => life.live(Shape::Flat)?,
        Work::Greedy => grow::take_all()?,
        Work::Write { file, size } => disk::write(&file, size)?,
        Work::Read {
            file,
            size,
            seconds,
        } => disk::read(&file, size, seconds)?,
        Work::Share {
            members,
            peak,
            seconds,
        } => sharing::share(again, members, peak, seconds)?,
        Work::Attach { path, seconds } => sharing::attach(&path, seconds)?,
        Work::Deaf(stay) => family::deaf(again, &stay)?,
        Work::Daemon(stay) => family::daemon(again, &stay)?,
        Work::Setsid(stay) => family::own_session(again, &stay)?,
        Work::Storm { members, stay } => family::storm(again, members, &stay)?,
        Work::Escape(stay) => family::escape(again, &stay)?,
        Work::Stay(stay) => family::stay(&stay)?,
        Work::Fail { code } => return Ok(ExitCode::from(code)),
        Work::Print { lines, bytes } => report::print(lines, bytes)?,
        Work::Sigs => report::inherited()?,
        Work::Forsake(stay) => family::forsake(again, &stay)?,
        Work::Reign { until } => family::reign(again, until)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_mix_is_understood() {
        for arguments in crate::mix::Mix::hogs(1).arguments() {
            let named = std::iter::once("workload".to_owned()).chain(arguments);
            Arguments::try_parse_from(named).expect("a mix speaks the workload's language");
        }
    }
}
