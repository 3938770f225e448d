//! A small agent for tests, as one program; `--help` lists what it does.

fn main() -> std::process::ExitCode {
    saferun_testbed::agent::main(std::env::args_os().skip(1))
}
