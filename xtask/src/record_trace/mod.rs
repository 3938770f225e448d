//! `cargo xtask record-trace`: runs real programs on inputs of many sizes, one after the other,
//! and writes what each needed as a trace for `cargo xtask eval-prediction`.

mod inputs;
mod jobs;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use wait4::Wait4;

use crate::Failure;
use jobs::Job;
use saferun_testbed::random::SplitMix64;

/// `cargo xtask record-trace`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the trace goes
    out: PathBuf,
    /// How many tasks each template runs
    #[arg(long, value_name = "N", default_value_t = 50)]
    each: usize,
    /// The largest text that is made from real sources, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 24)]
    largest: u64,
    /// What the sizes and the order follow from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only templates that hold this text
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// What one finished process needed.
struct Needed {
    peak_bytes: u64,
    seconds: f64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let scratch = tempfile::tempdir()?;
    let mut random = SplitMix64::new(arguments.seed);
    let mut jobs = jobs::all(scratch.path(), arguments, &mut random)?;
    jobs.retain(|job| job.template.contains(&arguments.only));
    // A workflow's templates overlap in time: what comes next is not of the same kind.
    for place in (1..jobs.len()).rev() {
        jobs.swap(place, (random.next_u64() % (place as u64 + 1)) as usize);
    }
    let mut out = csv::Writer::from_writer(File::create(&arguments.out)?);
    out.write_record(["template", "input_bytes", "peak_bytes", "seconds"])?;
    let mut failed = 0_usize;
    for job in &jobs {
        let Some(needed) = measure(job)? else {
            failed += 1;
            continue;
        };
        out.write_record([
            job.template.as_str(),
            &job.input_bytes.to_string(),
            &needed.peak_bytes.to_string(),
            &format!("{:.4}", needed.seconds),
        ])?;
        out.flush()?;
    }
    println!(
        "{} tasks recorded, {failed} failed and left out (seed {})",
        jobs.len() - failed,
        arguments.seed
    );
    Ok(ExitCode::SUCCESS)
}

/// Runs one job and waits for it; `None` if it failed or isn't installed here.
fn measure(job: &Job) -> Result<Option<Needed>, Failure> {
    let mut command = Command::new(&job.program);
    command
        .args(&job.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let Ok(child) = command.spawn() else {
        return Ok(None);
    };
    let ended = child.wait4()?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(ended.status.success().then_some(Needed {
        peak_bytes: ended.rusage.maxrss,
        seconds,
    }))
}
