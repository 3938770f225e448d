//! `saferun config show`: every setting as a run would take it, and where it comes from.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::args::ConfigShowArgs;
use crate::error::CliError;
use crate::settings::{Configuration, Document, Key, Owner, Source, path};

/// The answer.
pub(super) fn answer(args: &ConfigShowArgs) -> Result<String, CliError> {
    let configuration = Configuration::gather(&args.settings)?;
    Ok(if args.json {
        json(&configuration)
    } else {
        text(&configuration)
    })
}

fn text(configuration: &Configuration) -> String {
    let mut out = String::new();
    for key in Key::ALL {
        let (value, source) = match configuration.layer.written(key) {
            Some((value, Source::BuiltIn)) if key == Key::MemoryThreshold => (
                shown(&value),
                String::from("built in, for --strategy batch"),
            ),
            Some((value, source)) => (shown(&value), source.to_string()),
            None => (String::from("-"), String::from("not set")),
        };
        let _ = writeln!(out, "{:17} {value:14} {source}", key.name());
    }
    out.push('\n');
    let none = || String::from("none");
    let dotenv = configuration.dotenv.as_deref().map_or_else(none, path);
    let of = |owner| {
        let mut documents = configuration.documents.iter();
        let found = documents.find(|document| document.owner == owner);
        found.map_or_else(none, described)
    };
    let _ = writeln!(out, ".env              {dotenv}");
    let _ = writeln!(out, "project's file    {}", of(Owner::Project));
    let _ = writeln!(out, "user's file       {}", of(Owner::User));
    for warning in configuration.warnings() {
        let _ = writeln!(out, "note: {warning}");
    }
    out
}

/// A file and the tables of other parts in it.
fn described(document: &Document) -> String {
    let tables: Vec<String> = document
        .tables
        .iter()
        .map(|(name, table)| format!("[{name}] of {}", table.len()))
        .collect();
    match tables.is_empty() {
        true => path(&document.file),
        false => format!("{}, with {}", path(&document.file), tables.join(", ")),
    }
}

/// Text as it is, the rest as JSON, safe for a line either way.
fn shown(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    crate::printable::printable(text.as_ref(), 60)
}

fn json(configuration: &Configuration) -> String {
    let settings: Map<String, Value> = Key::ALL
        .into_iter()
        .map(|key| {
            let answer = match configuration.layer.written(key) {
                Some((value, source)) => json!({"value": value, "source": origin(source)}),
                None => json!({"value": null, "source": null}),
            };
            (key.name().to_owned(), answer)
        })
        .collect();
    let files: Vec<Value> = configuration
        .documents
        .iter()
        .map(|document| {
            let tables: Map<String, Value> = document
                .tables
                .iter()
                .map(|(name, table)| ((*name).to_owned(), json!(table)))
                .collect();
            json!({
                "file": document.file.to_string_lossy(),
                "owner": match document.owner {
                    Owner::Project => "project",
                    Owner::User => "user",
                    Owner::Shipped => "built_in",
                },
                "tables": tables,
            })
        })
        .collect();
    let answer = json!({
        "settings": settings,
        "dotenv": configuration.dotenv.as_ref().map(|file| file.to_string_lossy()),
        "files": files,
        "passed_over": configuration.passed_over.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
    });
    format!("{answer}\n")
}

fn origin(source: &Source) -> Value {
    let mut origin = Map::new();
    origin.insert("kind".into(), source.kind().into());
    match source {
        Source::Flag(name) | Source::Environment(name) => {
            origin.insert("name".into(), (*name).into());
        }
        Source::Profile(name, _) => {
            origin.insert("name".into(), name.to_string().into());
        }
        _ => {}
    }
    if let Some(place) = source.place() {
        origin.insert("file".into(), place.file.to_string_lossy().into());
        origin.insert("line".into(), place.line.into());
        origin.insert("column".into(), place.column.into());
    }
    origin.into()
}
