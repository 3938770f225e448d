//! Sessions and agents as people and programs read them.

use std::fmt::Write;

use saferun_memory::show as size;
use serde_json::{Value, json};

use super::chosen::Chosen;
use crate::artifacts::digest::Limit;
use crate::artifacts::store::Session;
use crate::artifacts::{AgentRecord, Manifest, Status};
use crate::delegate::folder;
use crate::error::CliError;
use crate::printable::printable;

/// All sessions.
pub(super) fn list(sessions: &[Session], as_json: bool) -> String {
    let read = sessions.iter().map(|session| (session, session.manifest()));
    if as_json {
        let all: Vec<Value> = read
            .map(|(session, manifest)| match manifest {
                Ok(manifest) => json!({
                    "session": session.id,
                    "created": manifest.created,
                    "status": standing(session, &manifest),
                    "request": manifest.request,
                    "agents": manifest.agents.len(),
                    "bytes": session.size(),
                    "path": session.directory.to_string_lossy(),
                }),
                Err(error) => json!({"session": session.id, "error": error.to_string()}),
            })
            .collect();
        return format!("{:#}\n", json!({"sessions": all}));
    }
    let mut out = String::new();
    for (session, manifest) in read {
        let id = printable(session.id.as_ref(), 60);
        let _ = match manifest {
            Ok(manifest) => writeln!(
                out,
                "{id}  {:<11}  {:>9}  {}",
                standing(session, &manifest).word(),
                size(session.size()),
                printable(manifest.request.as_ref(), 60)
            ),
            Err(error) => writeln!(out, "{id}  can't be read: {error}"),
        };
    }
    if out.is_empty() {
        out.push_str("there are no sessions here\n");
    }
    out
}

/// A session that says it runs and is in nobody's use was interrupted.
fn standing(session: &Session, manifest: &Manifest) -> Status {
    let is_left = manifest.status == Status::Running && matches!(session.enter(), Ok(Some(_)));
    if is_left {
        Status::Interrupted
    } else {
        manifest.status
    }
}

/// A session, or an agent of it.
pub(super) fn show(chosen: &Chosen, limit: Limit, as_json: bool) -> Result<String, CliError> {
    let session = &chosen.session;
    let mut manifest = session
        .manifest()
        .map_err(|error| super::unreadable(&session.directory, &error))?;
    manifest.status = standing(session, &manifest);
    let Some(id) = &chosen.agent else {
        return Ok(if as_json {
            let text = serde_json::to_string_pretty(&manifest).unwrap_or_default();
            text + "\n"
        } else {
            whole(&manifest)
        });
    };
    let record = manifest.agent(id).cloned().unwrap_or_default();
    let digest = folder::digest(&session.folder(id), id, &session.id, limit);
    let digest = digest.map_err(|error| super::unreadable(&session.folder(id), &error))?;
    if as_json {
        let answer = json!({
            "session": session.id,
            "agent": record,
            "path": session.folder(id).to_string_lossy(),
            "digest": digest.text,
            "source_bytes": digest.source_bytes,
            "errors_left_out": digest.errors_left_out,
            "files_left_out": digest.files_left_out,
        });
        return Ok(format!("{answer:#}\n"));
    }
    let mut out = line(&record);
    for file in &record.outputs {
        let _ = writeln!(
            out,
            "  {} ({})",
            printable(file.path.as_ref(), 100),
            size(file.bytes)
        );
    }
    if !digest.text.is_empty() {
        let _ = write!(out, "\n{}", digest.text);
    }
    Ok(out)
}

fn whole(manifest: &Manifest) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", printable(manifest.request.as_ref(), 200));
    let _ = writeln!(
        out,
        "  session {}, begun {}: {}",
        printable(manifest.session.as_ref(), 60),
        printable(manifest.created.as_ref(), 30),
        manifest.status.word()
    );
    for record in &manifest.agents {
        out.push_str(&line(record));
    }
    for (kind, count) in &manifest.notes {
        let _ = writeln!(
            out,
            "  {count} notes in {}.md",
            printable(kind.as_ref(), 30)
        );
    }
    out
}

/// `work  full-stack-developer: done in 3.2 s, exit 0, peak 250 MiB`
fn line(record: &AgentRecord) -> String {
    let mut text = format!(
        "{}: {} {}",
        printable(record.phase.as_ref(), 60),
        printable(record.id.as_ref(), 60),
        record.status.word()
    );
    if record.attempts > 0 {
        let _ = write!(text, " in {:.1} s", record.elapsed_ms as f64 / 1000.0);
    }
    if let Some(exit) = &record.exit {
        let _ = write!(text, ", {}", printable(exit.as_ref(), 100));
    }
    if record.peak_bytes > 0 {
        let _ = write!(text, ", peak {}", size(record.peak_bytes));
    }
    if record.attempts > 1 {
        let _ = write!(text, ", {} attempts", record.attempts);
    }
    text + "\n"
}
