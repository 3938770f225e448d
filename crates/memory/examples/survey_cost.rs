//! Prints what a whole report costs beside 2,000 processes, part by part.
//!
//! `cargo run --release -p saferun-memory --example survey_cost [COUNT]`

use std::error::Error;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use saferun_memory::leftovers::find_leftovers;
use saferun_memory::{
    Census, Machine, Roots, deleted_files, holders_by_program, show, tmpfs_files,
};

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args()
        .nth(1)
        .map_or(Ok(2000), |text| text.parse())?;
    let mut sleepers = Sleepers(Vec::new());
    for _ in 0..count {
        let mut command = Command::new("sleep");
        command.arg("300").stdin(Stdio::null());
        sleepers.0.push(command.spawn()?);
    }
    let roots = Roots::default();
    let mut totals = Vec::new();
    let on_cpu = on_cpu();
    for round in 0..10 {
        let mut parts = Vec::new();
        let begun = Instant::now();
        let mut time = |name: &'static str, begun: Instant| parts.push((name, begun.elapsed()));
        let start = Instant::now();
        let machine = Machine::open(&roots)?.read()?;
        time("machine", start);
        let start = Instant::now();
        let census = Census::take(&roots)?;
        time("census", start);
        let start = Instant::now();
        let session = census.session_use(&roots)?;
        time("session", start);
        let start = Instant::now();
        let holders = holders_by_program(&census, &roots);
        time("holders", start);
        let start = Instant::now();
        let leftovers = find_leftovers(&census, &[], &roots);
        time("leftovers", start);
        let start = Instant::now();
        let deleted = deleted_files(&census, 16 << 20, &roots);
        time("deleted files", start);
        let start = Instant::now();
        let in_memory = tmpfs_files(16 << 20, &roots)?;
        time("files in memory", start);
        totals.push(begun.elapsed());
        if round == 9 {
            println!(
                "{} processes, {} in the session with {}, {} programs, {} kept, {} + {} files, {} free",
                census.processes().count(),
                session.processes,
                show(session.bytes),
                holders.len(),
                leftovers.kept.len(),
                deleted.files.len(),
                in_memory.files.len(),
                show(machine.free_bytes)
            );
            for (name, time) in parts {
                println!("{name:<16} {:>8.1} ms", milliseconds(time));
            }
        }
    }
    // On a busy machine this says more than the time that went by.
    let on_cpu = self::on_cpu().saturating_sub(on_cpu) / 10;
    totals.sort_unstable();
    println!(
        "all of it        {:>8.1} ms (median of 10; worst {:.1} ms; on the CPU {:.1} ms)",
        milliseconds(totals[5]),
        milliseconds(totals[9]),
        milliseconds(on_cpu)
    );
    Ok(())
}

/// How long this thread has been on a CPU, from the first number of `schedstat`.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

struct Sleepers(Vec<Child>);

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // They may have ended by themselves.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
