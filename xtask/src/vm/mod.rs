//! Testing containment where it is not ours to arrange: on a kernel of its own, in a machine that
//! is emulated.
//!
//! A Debian kernel for clouds boots under qemu with nothing in it but a shell, our programs and
//! the tests (`xtask/vm`), which speak over the serial line. It takes no installed system, no
//! root and no network but for the kernel's package, once.

mod console;
mod image;
mod kernel;
mod machine;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::ValueEnum;

use crate::Failure;
pub(crate) use console::MARK;
use console::Verdict;
use machine::Clock;
pub(crate) use machine::{Accelerator, Machine, Patience};

/// Test containment on other kernels' control groups, in an emulated machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which containment to test; all when not given
    #[arg(long, value_enum)]
    tier: Vec<Tier>,
    /// Only these tests: root-group, hogs, speed, named, greedy, writers, neighbour, killed-runner,
    /// overhead; breach (only where it is named), cleanup-group, cleanup-machine, cleanup-page-out (with --swap)
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    #[command(flatten)]
    hardware: Hardware,
    /// So many mixes of hogs for each tier
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// A machine that says nothing for so many seconds is taken to hang
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    within: u64,
}

/// What the machine is like.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Hardware {
    /// The emulated machine's memory, in MB
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    memory: u32,
    /// The emulated machine's swap, in MB
    #[arg(long, value_name = "MB", default_value_t = 0)]
    swap: u32,
    /// How time passes inside, where the processor is emulated
    #[arg(long, value_enum, default_value_t = Clock::Virtual)]
    clock: Clock,
}

/// Who runs the program in the machine.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Tier {
    /// root, control groups of version 2
    #[value(name = "v2-root")]
    Root,
    /// An ordinary user to whom a group of version 2 is delegated
    #[value(name = "v2-user")]
    User,
    /// An ordinary user without one: process trees
    #[value(name = "v2-undelegated")]
    Undelegated,
}

impl Tier {
    /// As the tests in the machine call it.
    fn name(self) -> &'static str {
        match self {
            Tier::Root => "v2-root",
            Tier::User => "v2-user",
            Tier::Undelegated => "v2-undelegated",
        }
    }
}

/// Boots a machine for each tier and repeats what its tests say. Exit code 1 says that one of them failed or
/// the machine did not get to its end; what can't be tried here is `skipped`, with exit code 0.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Some((machine, accelerator)) = machine(&arguments.hardware)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let tiers = match arguments.tier.is_empty() {
        true => Tier::value_variants(),
        false => &arguments.tier,
    };
    let patience = Patience::EachLine(Duration::from_secs(arguments.within));
    let verdicts = each_tier(tiers, |tier| {
        let (name, seeds) = (tier.name(), arguments.seeds);
        let tests = arguments.test.join(",");
        let words = format!("saferun.tier={name} saferun.seeds={seeds} saferun.tests={tests}");
        let mut verdict = Verdict::default();
        let ran = machine.run(accelerator, &words, patience, |line| {
            if let Some(said) = verdict.take(line) {
                println!("{said}");
            }
        });
        if let Err(error) = ran {
            println!("the machine for {name}: {error}");
        }
        println!("{name}: {}", verdict.summary());
        verdict.holds()
    });
    Ok(if verdicts {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A machine that is ready to be booted; if it can't be had that is said.
pub(crate) fn machine(hardware: &Hardware) -> Result<Option<(Machine, Accelerator)>, Failure> {
    let (kernel, qemu) = match needs() {
        Ok(needs) => needs,
        Err(reason) => {
            println!("skipped: {reason}");
            return Ok(None);
        }
    };
    let image = image::make(&kernel)?;
    let Hardware {
        memory,
        swap,
        clock,
    } = *hardware;
    let machine = Machine {
        qemu,
        kernel: kernel.image.clone(),
        image,
        memory,
        swap,
        clock,
    };
    let accelerator = machine.accelerator();
    println!(
        "booting {} with {accelerator}, {memory} MB of memory and {swap} MB of swap",
        kernel.name
    );
    Ok(Some((machine, accelerator)))
}

/// Calls `test` for each tier, on as many threads as there are cores; whether all hold.
fn each_tier(tiers: &[Tier], test: impl Fn(Tier) -> bool + Sync) -> bool {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut all = true;
        while let Some(&tier) = tiers.get(next.fetch_add(1, Ordering::Relaxed)) {
            all &= test(tier);
        }
        all
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores.min(tiers.len()))
            .map(|_| scope.spawn(work))
            .collect();
        // A thread that panicked has found nothing that holds.
        threads
            .into_iter()
            .all(|thread| thread.join().unwrap_or(false))
    })
}

/// What is needed and may not be there, or which of it is missing.
fn needs() -> Result<(kernel::Kernel, std::path::PathBuf), String> {
    let qemu = machine::qemu()?;
    image::needs()?;
    Ok((kernel::take()?, qemu))
}
