//! What an agent is told of those before it: digests and paths in place of transcripts.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;

use saferun_memory::show;

use super::fact::Fact;
use super::folder::{STDERR, STDOUT, digest, left_files};
use super::launch::Launch;
use crate::artifacts::note;
use crate::printable::printable;

/// So many of the files that an agent has left are named to the next one.
const NAMED_FILES: usize = 20;
/// Notes of the session are handed on up to this many bytes, the latest.
const NOTES_BYTES: u64 = 2048;

/// The whole prompt of an agent.
pub(crate) fn prompt(launch: &Launch, folder: &Path, workdir: &Path) -> String {
    let mut text = String::new();
    // It begins with our words, so that no request can be taken for an option of the program.
    let _ = write!(text, "You are {}", launch.agent);
    if !launch.about.is_empty() {
        let _ = write!(text, " ({})", launch.about);
    }
    let _ = writeln!(text, ".\n\nThe request:\n\n{}\n", launch.request.trim());
    if launch.before.is_empty() {
        text.push_str("You do the work.\n");
    } else {
        let _ = writeln!(
            text,
            "Your part: {}. What was done before you:\n",
            launch.phase
        );
    }
    let session = folder.parent().unwrap_or(folder);
    for id in &launch.before {
        text.push_str(&section(session, id, launch));
    }
    for (kind, file) in note::KINDS {
        if let Some(notes) = last_lines(&session.join(file)) {
            let _ = writeln!(
                text,
                "\nThe session's {kind} ({}):\n{notes}",
                session.join(file).display()
            );
        }
    }
    let _ = writeln!(
        text,
        "\nThe project is in {}; work in the directory in which you were started.",
        workdir.display()
    );
    let _ = writeln!(
        text,
        "Files for those who follow you go to {} (SAFERUN_ARTIFACTS).",
        folder.display()
    );
    text.push_str("To tell them what was decided: saferun artifacts note decisions \"...\"\n");
    if !launch.before.is_empty() {
        let _ = writeln!(
            text,
            "To read more of what another agent wrote: saferun artifacts slice {} AGENT --lines 100-200 (or --grep RE, or --errors)",
            launch.session
        );
    }
    text
}

/// What is told of one agent.
fn section(session: &Path, id: &str, launch: &Launch) -> String {
    let folder = session.join(id);
    let mut text = format!("## {id}: ");
    match Fact::read(&folder) {
        Some(fact) => text.push_str(&fact.words()),
        None => text.push_str("done"),
    }
    text.push('\n');
    for name in [STDOUT, STDERR] {
        let file = folder.join(name);
        if let Ok(metadata) = file.metadata()
            && metadata.len() > 0
        {
            let _ = writeln!(text, "{} ({})", file.display(), show(metadata.len()));
        }
    }
    let files = left_files(&folder);
    for file in files.iter().take(NAMED_FILES) {
        let shown = printable(folder.join(&file.path).as_os_str(), 400);
        let _ = writeln!(text, "{shown} ({})", show(file.bytes));
    }
    if files.len() > NAMED_FILES {
        let _ = writeln!(text, "and {} more files", files.len() - NAMED_FILES);
    }
    match digest(&folder, id, &launch.session, launch.limit()) {
        Ok(digest) if digest.text.is_empty() => {}
        Ok(digest) => {
            let _ = write!(text, "\n{}", digest.text);
        }
        Err(error) => {
            let _ = writeln!(text, "what it wrote can't be read: {error}");
        }
    }
    text.push('\n');
    text
}

/// The end of a file of notes, whole lines of it.
fn last_lines(file: &Path) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(file).ok()?;
    let bytes = file.metadata().ok()?.len();
    let from = bytes.saturating_sub(NOTES_BYTES);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut text = Vec::new();
    file.take(NOTES_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let whole = if from > 0 {
        text.split_once('\n').map_or("", |(_, rest)| rest)
    } else {
        &text
    };
    let is_shown = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let shown: String = whole.chars().filter(is_shown).collect();
    (!shown.trim().is_empty()).then(|| shown.trim_end().to_owned())
}
