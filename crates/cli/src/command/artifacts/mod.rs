//! `saferun artifacts`: what agents have made, whole or in parts.

mod answer;
mod chosen;

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use regex::bytes::Regex;
use saferun_memory::show;
use serde_json::json;

use self::chosen::Chosen;
use crate::args::{ArtifactsArgs, ArtifactsCommand, SessionArgs, SettingsArgs};
use crate::artifacts::slice::{self, Which};
use crate::artifacts::{ArtifactSettings, Store, note, prune};
use crate::error::{CliError, plain_cause};
use crate::exit::Exit;
use crate::printable::printable;
use crate::settings::{Configuration, path};

/// Does it.
///
/// # Errors
///
/// There is no such session, agent or file; something can't be read or written.
pub(crate) fn artifacts(args: &ArtifactsArgs) -> Result<Exit, CliError> {
    match &args.command {
        ArtifactsCommand::List { json } => {
            let store = store()?;
            let sessions = store
                .sessions()
                .map_err(|error| unreadable(store.root(), &error))?;
            print(&answer::list(&sessions, *json))
        }
        ArtifactsCommand::Show { names, session } => {
            let chosen = Chosen::find(names, session.session.as_deref())?;
            let limit = settings()?.digest;
            print(&answer::show(&chosen, limit, session.json)?)
        }
        ArtifactsCommand::Path { names, session } => {
            let chosen = Chosen::find(names, session.session.as_deref())?;
            where_it_is(&chosen, session)
        }
        ArtifactsCommand::Slice {
            names,
            file,
            lines,
            grep,
            errors,
            session,
        } => {
            let chosen = Chosen::find(names, session.session.as_deref())?;
            let which = match (lines, grep) {
                (Some((from, to)), _) => Which::Lines(*from, *to),
                (None, Some(pattern)) => Which::Matching(regex(pattern)?),
                (None, None) if *errors => Which::Errors,
                (None, None) => Which::All,
            };
            part(&chosen, file, &which, session)
        }
        ArtifactsCommand::Note {
            kind,
            text,
            session,
        } => {
            let chosen = Chosen::find(&[], session.session.as_deref())?;
            let words: Vec<_> = text.iter().map(|word| word.to_string_lossy()).collect();
            let kind = note::KINDS.into_iter().find(|known| known.0 == kind);
            // The parser takes no other word.
            let kind = kind.unwrap_or(note::KINDS[0]);
            let agent = chosen.agent.as_deref().unwrap_or("somebody");
            let text = words.join(" ");
            if text.trim().is_empty() {
                return Err(CliError::usage("the note is empty", "say what was decided"));
            }
            note::add(&chosen.session, kind, agent, &text)
                .map_err(|error| unreadable(&chosen.session.directory, &error))?;
            Ok(Exit::Success)
        }
        ArtifactsCommand::Prune { dry_run, json } => clear(*dry_run, *json),
    }
}

fn settings() -> Result<ArtifactSettings, CliError> {
    ArtifactSettings::of(&Configuration::gather(&SettingsArgs::default())?)
}

fn store() -> Result<Store, CliError> {
    Store::find().map_err(|error| unreadable(Path::new("."), &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(
        format!("{}: {}", path(file), plain_cause(error)),
        "saferun artifacts list",
    )
}

fn regex(pattern: &str) -> Result<Regex, CliError> {
    Regex::new(pattern).map_err(|error| {
        let what = error.to_string();
        let last = what
            .lines()
            .last()
            .unwrap_or("it can't be read")
            .trim()
            .to_owned();
        CliError::usage(
            format!(
                "'{}' is no regular expression: {last}",
                printable(pattern.as_ref(), 60)
            ),
            "put a backslash before what is meant literally",
        )
    })
}

fn print(text: &str) -> Result<Exit, CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

fn where_it_is(chosen: &Chosen, session: &SessionArgs) -> Result<Exit, CliError> {
    let directory = match &chosen.agent {
        Some(agent) => chosen.session.folder(agent),
        None => chosen.session.directory.clone(),
    };
    if session.json {
        return print(&format!(
            "{}\n",
            json!({"path": directory.to_string_lossy()})
        ));
    }
    // A path is bytes: what reads this may want to open it.
    let mut bytes = directory.into_os_string().into_encoded_bytes();
    bytes.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&bytes)
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

fn part(
    chosen: &Chosen,
    file: &Path,
    which: &Which,
    session: &SessionArgs,
) -> Result<Exit, CliError> {
    let agent = chosen.agent.as_deref().unwrap_or_default();
    let is_within = file
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_within {
        return Err(CliError::usage(
            format!("{} is no file of an agent's folder", path(file)),
            "a path within the folder, such as stdout or report.md",
        ));
    }
    let whole = chosen.session.folder(agent).join(file);
    let reader = BufReader::new(open(&whole)?);
    if session.json {
        return as_json(reader, file, which);
    }
    let numbered = matches!(which, Which::Matching(_) | Which::Errors);
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    slice::write(reader, which, numbered, out).map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

/// Opens a regular file; a named pipe in its place would be waited for.
fn open(file: &Path) -> Result<File, CliError> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let opened = File::options().read(true).custom_flags(flags).open(file);
    let opened = opened.map_err(|error| unreadable(file, &error))?;
    match opened.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(opened),
        _ => Err(CliError::usage(
            format!("{} is no regular file", path(file)),
            "saferun artifacts show AGENT lists what there is",
        )),
    }
}

/// `{"file": …, "lines": [{"number": 1, "text": …}]}`, a line at a time.
fn as_json(reader: BufReader<impl Read>, file: &Path, which: &Which) -> Result<Exit, CliError> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let name = json!(file.to_string_lossy());
    let mut separator = "";
    let written = write!(out, "{{\"file\": {name}, \"lines\": [").and_then(|()| {
        slice::slice(reader, which, |number, line| {
            let text = String::from_utf8_lossy(line);
            let text = text.trim_end_matches(['\n', '\r']);
            write!(
                out,
                "{separator}\n  {}",
                json!({"number": number, "text": text})
            )?;
            separator = ",";
            Ok(())
        })
    });
    written
        .and_then(|()| writeln!(out, "\n]}}"))
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

fn clear(dry_run: bool, json: bool) -> Result<Exit, CliError> {
    let (store, settings) = (store()?, settings()?);
    let gone = if dry_run {
        prune::expired(&store, &settings)
    } else {
        prune::prune(&store, &settings)
    };
    let gone = gone.map_err(|error| unreadable(store.root(), &error))?;
    let bytes = gone
        .iter()
        .fold(0_u64, |sum, expired| sum.saturating_add(expired.bytes));
    if json {
        let all: Vec<_> = gone
            .iter()
            .map(|expired| {
                json!({"session": expired.id, "bytes": expired.bytes, "why": expired.why.words()})
            })
            .collect();
        let answer = json!({"removed": !dry_run, "sessions": all, "bytes": bytes});
        return print(&format!("{answer:#}\n"));
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    let mut text = String::new();
    for expired in &gone {
        text.push_str(&format!(
            "{verb} {} with {}: {}\n",
            printable(expired.id.as_ref(), 60),
            show(expired.bytes),
            expired.why.words()
        ));
    }
    if gone.is_empty() {
        text.push_str("nothing has expired\n");
    }
    print(&text)
}
