//! Programs made by a test that then runs them.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Copies a program.
///
/// The copy is written by another process. A file that somebody has open for writing can't be run
/// ("Text file busy", see execve(2)), and a descriptor of our own would be in every child that
/// another thread of the test forks at that moment, until that child calls exec.
///
/// # Errors
/// It can't be copied.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    worked(Command::new("cp").arg("--").args([from, to]).status()?)
}

/// Writes a program that all may run; by another process, as [`copy`] does.
///
/// # Errors
/// It can't be written.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut child = Command::new("install")
        .args(["-m", "755", "--", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes())?;
    }
    worked(child.wait()?)
}

fn worked(status: std::process::ExitStatus) -> io::Result<()> {
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("it ended with {status}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    #[test]
    fn they_can_be_run_at_once_while_others_fork() {
        let dir = tempfile::tempdir().unwrap();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Relaxed) {
                        Command::new("true").status().unwrap();
                    }
                });
            }
            let ran: Result<Vec<_>, _> = (0..100)
                .map(|n| {
                    let program = dir.path().join(n.to_string());
                    copy("/bin/true".as_ref(), &program)?;
                    Command::new(&program).status()?;
                    write(&program, "#!/bin/sh\nexit 0\n")?;
                    Command::new(&program).status()
                })
                .collect();
            over.store(true, Relaxed);
            assert!(ran.unwrap().iter().all(|status| status.success()));
        });
    }
}
