//! Which files a change touches.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use saferun_router::Touched;

use crate::error::{CliError, plain_cause};

/// Files that were named. None needs to exist.
pub(super) fn named(files: &[PathBuf]) -> Vec<Touched> {
    files
        .iter()
        .map(|file| Touched::new(relative(file)))
        .collect()
}

/// The path as rules see it: relative to the working directory, without `.` and `..`.
fn relative(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let file = file.strip_prefix(&here).unwrap_or(file);
    let mut parts: Vec<String> = Vec::new();
    for part in file.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

/// Files that differ from a revision, with their renames.
pub(super) fn changed_since(revision: &OsStr) -> Result<Vec<Touched>, CliError> {
    let shown = crate::printable::printable(revision, 60);
    // A revision that starts with a dash would be taken for an option.
    if revision.as_encoded_bytes().starts_with(b"-") {
        return Err(CliError::usage(
            format!("'{shown}' is no revision"),
            "--diff HEAD",
        ));
    }
    let output = Command::new("git")
        .args(["diff", "--name-status", "--find-renames", "-z"])
        .arg(revision)
        .arg("--")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            CliError::usage(
                format!("git can't be run: {}", plain_cause(&error)),
                "install git, or name the files with --file",
            )
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("git failed").trim();
        return Err(CliError::usage(
            format!("git can't tell what changed since '{shown}': {line}"),
            "name a revision that git knows, within a repository",
        ));
    }
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads `M\0path\0` and `R100\0old\0new\0`.
fn parse(text: &str) -> Vec<Touched> {
    let mut fields = text.split('\0').filter(|field| !field.is_empty());
    let mut found = Vec::new();
    while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
        match status.chars().next() {
            Some('R') => {
                let Some(new) = fields.next() else { break };
                found.push(Touched::renamed(path, new));
            }
            Some('C') => {
                let Some(new) = fields.next() else { break };
                found.push(Touched::new(new));
            }
            _ => found.push(Touched::new(path)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_is_understood() {
        let found = parse("M\0src/a.rs\0R087\0old.rs\0new.rs\0D\0gone.rs\0C100\0a\0b\0");
        assert_eq!(
            found,
            [
                Touched::new("src/a.rs"),
                Touched::renamed("old.rs", "new.rs"),
                Touched::new("gone.rs"),
                Touched::new("b"),
            ]
        );
    }

    #[test]
    fn paths_are_as_rules_see_them() {
        assert_eq!(relative(Path::new("./a/../b/./c.rs")), "b/c.rs");
        let here = std::env::current_dir().unwrap().join("x/y");
        assert_eq!(relative(&here), "x/y");
    }
}
