//! `saferun run --dry-run`: the commands, none of them run.

use std::ffi::OsStr;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;

use saferun_executor::{CommandSpec, RunError, TaskSource};

use crate::error::CliError;
use crate::exit::Exit;

/// Prints each command as a line that a shell would run the same way.
///
/// # Errors
///
/// The input is wrong, or standard output can't be written.
pub(super) fn dry_run(mut source: Box<dyn TaskSource>) -> Result<Exit, CliError> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut any = false;
    while let Some(task) = source.next_task() {
        let task = match task {
            Ok(task) => task,
            Err(text) => {
                out.flush().map_err(|error| CliError::output(&error))?;
                return Err(CliError::Run(RunError::Source(text)));
            }
        };
        any = true;
        out.write_all(&line(&task.command))
            .map_err(|error| CliError::output(&error))?;
    }
    out.flush().map_err(|error| CliError::output(&error))?;
    if !any {
        let _ = writeln!(std::io::stderr(), "saferun: no items, nothing to run");
    }
    Ok(Exit::Success)
}

fn line(command: &CommandSpec) -> Vec<u8> {
    let mut bytes = quoted(&command.program);
    for arg in &command.args {
        bytes.push(b' ');
        bytes.extend(quoted(arg));
    }
    bytes.push(b'\n');
    bytes
}

/// A word as a POSIX shell reads it, bytes unchanged.
fn quoted(word: &OsStr) -> Vec<u8> {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-+/:,@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return bytes.to_vec();
    }
    let mut quoted = vec![b'\''];
    for &byte in bytes {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(other),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_same_words() {
        let nasty = [
            "plain", "", "a b", "it's", "$(x)", "\\n", "-", "\u{1}\n", "*", "~", "#",
        ];
        let line = line(&CommandSpec::new("printf", ["%s\\0"].iter().chain(&nasty)));
        let script = String::from_utf8(line).unwrap();
        let out = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let expected: Vec<u8> = nasty
            .iter()
            .flat_map(|word| [word.as_bytes(), b"\0"].concat())
            .collect();
        assert_eq!(out.stdout, expected);
    }
}
