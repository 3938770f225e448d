//! Prints what a task costs on each path, in µs, so that one sees where time goes.
//!
//! `spawn_cost [ROUNDS]`. The paths are taken in turns, so that whatever else the machine does
//! meets all of them.

use std::error::Error;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions, waitid};
use saferun_executor::slot::Slots;
use saferun_executor::spawn::{SpawnRequest, candidates};
use saferun_executor::{Containment, RunId, guard};

const BATCH: u32 = 50;

fn main() -> ExitCode {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    match measure(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("spawn_cost: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(rounds: u32) -> Result<(), Box<dyn Error>> {
    let (mut best, _) = guard::open(Containment::Best, &RunId::new(), None)?;
    let (mut tree, _) = guard::open(Containment::Tree, &RunId::new(), None)?;
    let (mut of_best, mut of_tree, mut of_std) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        of_std.push(standard_library()?);
        of_best.push(batch(&mut *best)?);
        of_tree.push(batch(&mut *tree)?);
    }
    println!("`true`, median of {rounds} batches of {BATCH}, one at a time, µs each");
    println!(
        "{:<16}{:>8.1}",
        "std",
        median(of_std.iter().map(|d| micros(*d)))
    );
    for (slots, batches) in [(&best, &of_best), (&tree, &of_tree)] {
        let column = |step: usize| median(batches.iter().map(|steps| micros(steps[step])));
        println!(
            "{:<16}{:>8.1}   take {:.1}, spawn {:.1}, wait {:.1}, empty {:.1}, release {:.1}",
            slots.tier().to_string(),
            (0..5).map(column).sum::<f64>(),
            column(0),
            column(1),
            column(2),
            column(3),
            column(4),
        );
    }
    for slots in [&mut best, &mut tree] {
        calls(&mut **slots)?;
    }
    Ok(())
}

/// The time of each step.
fn batch(slots: &mut dyn Slots) -> Result<[Duration; 5], Box<dyn Error>> {
    let null = std::fs::File::open("/dev/null")?;
    let candidates = candidates("true".as_ref(), std::env::var_os("PATH").as_deref())?;
    let argv = [CString::new("true")?];
    let envp = [
        CString::new("SAFERUN_RUN=x")?,
        CString::new("SAFERUN_TASK=x")?,
    ];
    let request = SpawnRequest {
        candidates: &candidates,
        argv: &argv,
        envp: &envp,
        workdir: None,
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    let mut sums = [Duration::ZERO; 5];
    for _ in 0..BATCH {
        let mut last = Instant::now();
        let mut step = |number: usize| {
            sums[number] += last.elapsed();
            last = Instant::now();
        };
        let slot = slots.take()?;
        step(0);
        let child = slots.spawn(slot, &request)?;
        step(1);
        waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)?;
        step(2);
        while !slots.is_empty(slot)? {}
        step(3);
        slots.release(slot);
        step(4);
    }
    Ok(sums)
}

fn standard_library() -> Result<Duration, Box<dyn Error>> {
    let start = Instant::now();
    for _ in 0..BATCH {
        Command::new("true").stdin(Stdio::null()).status()?;
    }
    Ok(start.elapsed())
}

/// What the calls cost that are made while a task runs.
fn calls(slots: &mut dyn Slots) -> Result<(), Box<dyn Error>> {
    let null = std::fs::File::open("/dev/null")?;
    let argv = ["sleep", "600"]
        .map(CString::new)
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let request = SpawnRequest {
        candidates: &candidates("sleep".as_ref(), std::env::var_os("PATH").as_deref())?,
        argv: &argv,
        envp: &[],
        workdir: None,
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    let slot = slots.take()?;
    let child = slots.spawn(slot, &request)?;
    let timed = |slots: &mut dyn Slots, call: &dyn Fn(&mut dyn Slots)| {
        let start = Instant::now();
        (0..BATCH).for_each(|_| call(slots));
        micros(start.elapsed())
    };
    print!("{:<16}", slots.tier().to_string());
    print!(" usage {:.1}", timed(slots, &|s| drop(s.usage(slot))));
    print!(", run_usage {:.1}", timed(slots, &|s| drop(s.run_usage())));
    print!(
        ", is_empty {:.1}",
        timed(slots, &|s| drop(s.is_empty(slot)))
    );
    let both = timed(slots, &|s| {
        let _ = s.freeze(slot);
        let _ = s.thaw(slot);
    });
    print!(", freeze and thaw {both:.1}");
    let limit = std::cell::Cell::new(1 << 30);
    let moved = timed(slots, &|s| {
        limit.set(limit.get() + 4096);
        let _ = s.set_limit(limit.get(), limit.get() - (8 << 20));
    });
    print!(", set_limit {moved:.1}");
    let start = Instant::now();
    slots.kill(slot)?;
    waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED)?;
    while !slots.is_empty(slot)? {}
    println!(
        ", kill until empty {:.0}",
        start.elapsed().as_secs_f64() * 1e6
    );
    slots.release(slot);
    Ok(())
}

fn micros(of_batch: Duration) -> f64 {
    of_batch.as_secs_f64() * 1e6 / f64::from(BATCH)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
