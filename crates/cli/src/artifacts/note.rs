//! Notes that agents of one session leave for each other.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::manifest::{Manifest, private};
use super::moment::Moment;
use super::store::Session;

/// What a note may be about, and the file for it.
pub(crate) const KINDS: [(&str, &str); 2] =
    [("decisions", "decisions.md"), ("knowledge", "knowledge.md")];

/// Adds a note, whole or not at all as far as later notes are concerned.
///
/// # Errors
///
/// The file or the manifest can't be written.
pub(crate) fn add(
    session: &Session,
    kind: (&str, &str),
    agent: &str,
    text: &str,
) -> io::Result<()> {
    let path = session.directory.join(kind.1);
    {
        let mut file = private().read(true).append(true).create(true).open(path)?;
        file.lock()?;
        // A writer that was killed may have left half a line.
        let mut entry = String::new();
        if !ends_with_line(&mut file)? {
            entry.push('\n');
        }
        entry.push_str(&format!("- {} {agent}: ", Moment::now()));
        // What has several lines stays one entry.
        entry.push_str(&text.trim().lines().collect::<Vec<_>>().join("\n  "));
        entry.push('\n');
        file.write_all(entry.as_bytes())?;
    }
    Manifest::update(&session.directory, |manifest| {
        let count = manifest
            .notes
            .get(kind.0)
            .and_then(serde_json::Value::as_u64);
        let next = count.unwrap_or(0).saturating_add(1);
        manifest.notes.insert(kind.0.to_owned(), next.into());
    })
}

fn ends_with_line(file: &mut fs::File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
