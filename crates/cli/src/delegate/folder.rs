//! What an agent's folder holds: what it wrote, what it left, and what is ours.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::artifacts::digest::{Digest, Digester, Limit};
use crate::artifacts::manifest::OutputFile;

/// Standard output in an agent's folder.
pub(crate) const STDOUT: &str = "stdout";
/// Standard error in an agent's folder.
pub(crate) const STDERR: &str = "stderr";
/// Files in an agent's folder that are ours.
pub(crate) const OWN: [&str; 7] = [
    STDOUT,
    STDERR,
    "launch.json",
    "prompt.md",
    "record.json",
    "record.json.next",
    "digest.md",
];

/// The digest of what an agent wrote.
///
/// # Errors
///
/// What it wrote is there and can't be read.
pub(crate) fn digest(folder: &Path, id: &str, session: &str, limit: Limit) -> io::Result<Digest> {
    let mut digester = Digester::default();
    for name in [STDOUT, STDERR] {
        match File::open(folder.join(name)) {
            Ok(file) => digester.read(name, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    let how = format!("saferun artifacts slice {session} {id} --errors");
    Ok(digester.finish(limit, &how))
}

/// What an agent has left in its folder, beside what is ours: path and size.
pub(crate) fn left_files(folder: &Path) -> Vec<OutputFile> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    // Somebody may leave a whole tree of build results.
    while let Some(directory) = waiting.pop().filter(|_| found.len() < 1000) {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else {
                continue;
            };
            let Ok(within) = path.strip_prefix(folder) else {
                continue;
            };
            if metadata.is_dir() {
                waiting.push(path);
            } else if !OWN.iter().any(|own| within == Path::new(own)) {
                let path = within.to_string_lossy().into_owned();
                found.push(OutputFile {
                    path,
                    bytes: metadata.len(),
                });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}
