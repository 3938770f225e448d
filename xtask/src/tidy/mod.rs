//! Checks of what no compiler checks. They run as a test too.

mod directions;
mod links;
mod sources;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::Failure;
use crate::workspace::{Metadata, root};

/// What was found; empty when the project is tidy.
#[derive(Debug, Default)]
struct Findings {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn error(&mut self, place: impl Display, what: impl Display) {
        self.errors.push(format!("{place}: {what}"));
    }

    fn warn(&mut self, place: impl Display, what: impl Display) {
        self.warnings.push(format!("{place}: {what}"));
    }
}

/// A text file of the project, its path relative to the root.
struct TextFile {
    path: PathBuf,
    text: String,
}

impl TextFile {
    fn has_extension(&self, wanted: &str) -> bool {
        self.path.extension().is_some_and(|found| found == wanted)
    }
}

/// Checks everything and prints what was found.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let (findings, files) = check()?;
    for warning in &findings.warnings {
        println!("warning: {warning}");
    }
    for error in &findings.errors {
        println!("error: {error}");
    }
    println!(
        "tidy: {files} files, {} errors, {} warnings",
        findings.errors.len(),
        findings.warnings.len()
    );
    Ok(if findings.errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn check() -> Result<(Findings, usize), Failure> {
    let mut files = Vec::new();
    collect(root(), &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut findings = Findings::default();
    directions::check(&Metadata::read()?, &mut findings);
    sources::check(&files, &mut findings);
    links::check(&files, &mut findings);
    Ok((findings, files.len()))
}

/// Every text file below `directory` that is ours: not what was built, not what git keeps.
fn collect(directory: &Path, files: &mut Vec<TextFile>) -> Result<(), Failure> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != ".git" && name != "target" {
                collect(&path, files)?;
            }
        } else if name != "Cargo.lock"
            && let Ok(text) = fs::read_to_string(&path)
        {
            let path = path.strip_prefix(root()).unwrap_or(&path).to_owned();
            files.push(TextFile { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_project_is_tidy() {
        let (findings, files) = super::check().expect("the project can be read");
        assert!(files > 20);
        assert_eq!(findings.errors, Vec::<String>::new());
    }
}
