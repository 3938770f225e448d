//! Prints what each reading costs, in microseconds.
//!
//! `cargo run --release -p saferun-memory --example cost`

use std::error::Error;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use saferun_memory::{
    GroupV1, GroupV2, Machine, OwnGroups, PressureReader, ProcessTable, Roots, kernel_kills,
    session_use, top_holders,
};

fn main() -> Result<(), Box<dyn Error>> {
    let roots = Roots::default();
    let mut machine = Machine::open(&roots)?;
    let limits = machine.read()?.groups.len();
    cost("find our groups", || OwnGroups::read(&roots))?;
    cost("open the machine's files", || Machine::open(&roots))?;
    cost(&format!("the machine, {limits} limits"), || machine.read())?;

    let own = OwnGroups::read(&roots)?;
    if let Some(group) = &own.memory_v1 {
        let group = GroupV1::open(&group.dir)?;
        cost("v1 group: usage", || group.usage_bytes())?;
        cost("v1 group: peak", || group.peak_bytes())?;
        cost("v1 group: file cache", || group.file_cache_bytes())?;
        cost("v1 group: oom", || group.oom())?;
    }
    match own.unified.map(|group| GroupV2::open(&group.dir)) {
        Some(Ok(group)) => {
            cost("v2 group: usage", || group.usage_bytes())?;
            cost("v2 group: file cache", || group.file_cache_bytes())?;
            cost("v2 group: events", || group.events())?;
        }
        Some(Err(error)) => println!("no v2 memory group: {error}"),
        None => println!("no unified hierarchy"),
    }
    if let Some(reader) = PressureReader::machine(&roots)? {
        cost("pressure", || reader.read())?;
    }
    cost("kills of the kernel", kernel_kills)?;
    cost("the session", || session_use(&roots))?;
    cost("top holders", || top_holders(3))?;

    let sleepers = Sleepers::start(100)?;
    let own = std::process::id();
    let mut table = ProcessTable::open(&roots, None)?;
    table.add(own, &[])?;
    table.find()?;
    let processes = table.use_of(own)?.processes;
    cost(&format!("a tree of {processes}: use"), || table.use_of(own))?;
    cost(&format!("a tree of {processes}: find"), || table.find())?;
    cost(&format!("a tree of {processes}: CPU time"), || {
        table.cpu_of(own)
    })?;
    cost(&format!("a tree of {processes}: proportional"), || {
        table.proportional_use_of(own)
    })?;
    drop(sleepers);
    Ok(())
}

/// The median of many.
fn cost<T, E>(what: &str, mut read: impl FnMut() -> Result<T, E>) -> Result<(), E> {
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 20 || (begin.elapsed() < Duration::from_millis(300) && times.len() < 5000) {
        let start = Instant::now();
        std::hint::black_box(read()?);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64() * 1e6;
    let worst = times[times.len() * 99 / 100].as_secs_f64() * 1e6;
    println!("{what:<32} {median:>9.1} µs   (99 %: {worst:.1} µs)");
    Ok(())
}

struct Sleepers(Vec<Child>);

impl Sleepers {
    fn start(count: usize) -> std::io::Result<Self> {
        let mut sleepers = Self(Vec::new());
        for _ in 0..count {
            sleepers.0.push(Command::new("sleep").arg("60").spawn()?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // They may have ended by themselves.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
