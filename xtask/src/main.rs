//! The project's own chores: `cargo xtask tidy`, `bench`, `simulate`, `work`.

mod bench;
mod breach;
mod chaos;
mod eval_digest;
mod eval_prediction;
mod eval_router;
mod model_check;
mod record_trace;
mod simulate;
mod tidy;
mod vm;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Check what no compiler checks: directions between crates, file sizes, links, words
    Tidy,
    /// Measure the real program against other ways to run the same commands
    Bench(bench::Arguments),
    /// Drive the scheduler in virtual time through hundreds of runs
    Simulate(simulate::Arguments),
    /// Play random mixes of unruly tasks with random blows, and judge each run
    Chaos(chaos::Arguments),
    /// Measure how fast the brake is against an allocator at full speed
    Breach(breach::Arguments),
    /// Drive the scheduler through every path of small worlds and check every promise
    ModelCheck(model_check::Arguments),
    /// Test containment on a kernel of its own, in an emulated machine
    VmTest(vm::Arguments),
    /// Replay a trace through the prediction and beside it through simpler ways
    EvalPrediction(eval_prediction::Arguments),
    /// Run real programs on inputs of many sizes and write what each needed
    RecordTrace(record_trace::Arguments),
    /// Make digests of texts and say what they save and what they miss
    EvalDigest(eval_digest::Arguments),
    /// Measure how well, or how fast, the router understands requests
    EvalRouter(eval_router::Arguments),
    /// Make the router's model from its labelled requests
    TrainRouter(eval_router::TrainArguments),
    /// Be a memory-hungry workload (`cargo xtask work --help` lists them)
    #[command(disable_help_flag = true)]
    Work {
        /// The workload and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Tidy => tidy::run(),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Simulate(arguments) => simulate::run(&arguments),
        Chore::Chaos(arguments) => chaos::run(&arguments),
        Chore::Breach(arguments) => breach::run(&arguments),
        Chore::ModelCheck(arguments) => model_check::run(&arguments),
        Chore::EvalPrediction(arguments) => eval_prediction::run(&arguments),
        Chore::RecordTrace(arguments) => record_trace::run(&arguments),
        Chore::EvalDigest(arguments) => eval_digest::run(&arguments),
        Chore::EvalRouter(arguments) => eval_router::run(&arguments),
        Chore::TrainRouter(arguments) => eval_router::run_training(&arguments),
        Chore::VmTest(arguments) => vm::run(&arguments),
        Chore::Work { arguments } => return saferun_testbed::workload::main(arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error}");
        ExitCode::from(2)
    })
}

/// Anything that stops a chore; one line says it.
type Failure = Box<dyn std::error::Error>;
