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
use std::time::Duration;

use clap::ValueEnum;

use crate::Failure;
use console::Verdict;
use machine::{Clock, Machine};

/// Test containment on other kernels' control groups, in an emulated machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Which containment to test; all when not given
    #[arg(long, value_enum)]
    tier: Vec<Tier>,
    /// The machine's memory, in MB
    #[arg(long, value_name = "MB", default_value_t = 1024)]
    memory: u32,
    /// The machine's swap, in MB
    #[arg(long, value_name = "MB", default_value_t = 0)]
    swap: u32,
    /// How time passes inside, where the processor is emulated
    #[arg(long, value_enum, default_value_t = Clock::Virtual)]
    clock: Clock,
    /// So many mixes of hogs for each tier
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// After so many seconds the machine is taken to hang
    #[arg(long, default_value_t = 600)]
    within: u64,
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

/// Boots the machine and repeats what its tests say. Exit code 1 says that one of them failed or
/// the machine did not get to its end; what can't be tried here is `skipped`, with exit code 0.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let (kernel, qemu) = match needs() {
        Ok(needs) => needs,
        Err(reason) => {
            println!("skipped: {reason}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let image = image::make(&kernel)?;
    let machine = Machine {
        qemu,
        kernel: kernel.image.clone(),
        image,
        memory: arguments.memory,
        swap: arguments.swap,
        clock: arguments.clock,
    };
    let accelerator = machine.accelerator();
    println!(
        "booting {} with {accelerator}, {} MB of memory and {} MB of swap",
        kernel.name, arguments.memory, arguments.swap
    );
    let tiers = match arguments.tier.is_empty() {
        true => Tier::value_variants(),
        false => &arguments.tier,
    };
    let names: Vec<&str> = tiers.iter().map(|tier| tier.name()).collect();
    let words = format!(
        "saferun.tiers={} saferun.seeds={}",
        names.join(","),
        arguments.seeds
    );
    let mut verdict = Verdict::default();
    machine.run(
        accelerator,
        &words,
        Duration::from_secs(arguments.within),
        |line| {
            if let Some(said) = verdict.take(line) {
                println!("{said}");
            }
        },
    )?;
    println!("{}", verdict.summary());
    Ok(if verdict.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is needed and may not be there, or which of it is missing.
fn needs() -> Result<(kernel::Kernel, std::path::PathBuf), String> {
    let qemu = machine::qemu()?;
    image::needs()?;
    Ok((kernel::take()?, qemu))
}
