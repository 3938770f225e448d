//! The workloads of the test beds as one small program; `--help` lists them.

fn main() -> std::process::ExitCode {
    saferun_testbed::workload::main(std::env::args_os().skip(1))
}
