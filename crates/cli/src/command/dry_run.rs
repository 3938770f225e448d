//! `saferun run --dry-run`: the commands, none of them run.

use std::ffi::{OsStr, OsString};
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;

use saferun_executor::{CommandSpec, RunError, Task, TaskSource};
use saferun_memory::show;
use saferun_scheduler::TaskId;

use crate::error::CliError;
use crate::exit::Exit;
use crate::printable::name;

/// Prints each command as a line that a shell would run the same way. Where tasks depend on
/// others they come in an order in which they can run, each below a comment that names it.
///
/// # Errors
///
/// The input is wrong, or standard output can't be written.
pub(super) fn dry_run(mut source: Box<dyn TaskSource>) -> Result<Exit, CliError> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut any = false;
    let told = source.has_dependencies();
    let mut names: Vec<OsString> = Vec::new();
    while let Some(task) = source.next_task() {
        let task = match task {
            Ok(task) => task,
            Err(text) => {
                out.flush().map_err(|error| CliError::output(&error))?;
                return Err(CliError::Run(RunError::Source(text)));
            }
        };
        any = true;
        if told {
            out.write_all(about(&task, &names).as_bytes())
                .map_err(|error| CliError::output(&error))?;
            names.push(task.name);
        }
        out.write_all(&line(&task.command))
            .map_err(|error| CliError::output(&error))?;
    }
    out.flush().map_err(|error| CliError::output(&error))?;
    if !any {
        let _ = writeln!(std::io::stderr(), "saferun: no items, nothing to run");
    }
    Ok(Exit::Success)
}

/// `# test (after fetch, build; declared 512 MiB)`
fn about(task: &Task, names: &[OsString]) -> String {
    let mut parts = Vec::new();
    if !task.after.is_empty() {
        let on = |id: &TaskId| {
            let place = usize::try_from(id.0).unwrap_or(usize::MAX);
            names.get(place).map_or(String::new(), |on| name(on))
        };
        let all: Vec<String> = task.after.iter().map(on).collect();
        parts.push(format!("after {}", all.join(", ")));
    }
    if let Some(agent) = &task.agent {
        parts.push(format!("agent {}", name(agent.as_ref())));
    }
    if let Some(bytes) = task.declared_bytes {
        parts.push(format!("memory {}", show(bytes)));
    }
    let name = name(&task.name);
    match parts.is_empty() {
        true => format!("# {name}\n"),
        false => format!("# {name} ({})\n", parts.join("; ")),
    }
}

pub(super) fn line(command: &CommandSpec) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(workdir) = &command.workdir {
        bytes.extend(b"(cd -- ");
        bytes.extend(quoted(workdir.as_os_str()));
        bytes.extend(b" && ");
    }
    if !command.env.is_empty() {
        bytes.extend(b"env ");
    }
    for (name, value) in &command.env {
        let mut assignment = name.clone();
        assignment.push("=");
        assignment.push(value);
        bytes.extend(quoted(&assignment));
        bytes.push(b' ');
    }
    bytes.extend(quoted(&command.program));
    for arg in &command.args {
        bytes.push(b' ');
        bytes.extend(quoted(arg));
    }
    if command.workdir.is_some() {
        bytes.push(b')');
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
