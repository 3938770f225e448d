//! `cargo xtask eval-prediction`: replays a trace through the very prediction code, each row
//! predicted before it is learned, beside what simpler ways would have set aside.

mod baselines;
mod replay;
mod report;
mod trace;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::Failure;

/// `cargo xtask eval-prediction`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Tasks in order of time: CSV with the columns template, input_bytes, peak_bytes, seconds
    trace: PathBuf,
    /// Write the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What the fixed guess sets aside for every task
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = size)]
    guess: u64,
    /// Learn each row only so many rows later, as when many tasks run at once
    #[arg(long, value_name = "N", default_value_t = 0)]
    lag: usize,
    /// Write what was set aside at first for each row, in bytes, one a line
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
}

fn size(text: &str) -> Result<u64, String> {
    match saferun_memory::parse_size(text) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        Ok(_) => Err("a size above zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = arguments.trace.display();
    let file = File::open(&arguments.trace).map_err(|error| format!("{name}: {error}"))?;
    let tasks = trace::read(file).map_err(|error| format!("{name}: {error}"))?;
    let replayed = replay::replay(&tasks, arguments.guess, arguments.lag);
    if let Some(path) = &arguments.predictions {
        let mut out = BufWriter::new(File::create(path)?);
        for bytes in &replayed.predictions {
            writeln!(out, "{bytes}")?;
        }
        out.flush()?;
    }
    if let Some(path) = &arguments.json {
        let mut out = BufWriter::new(File::create(path)?);
        serde_json::to_writer_pretty(&mut out, &report::json(&replayed))?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    let mut out = std::io::stdout().lock();
    match out.write_all(report::text(&replayed).as_bytes()) {
        // Whoever has closed our output has read enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
