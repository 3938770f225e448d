//! `saferun history`: what earlier attempts needed, and what follows from it.

mod exchange;
mod explain;
mod outlook;
mod record;
mod show;

pub(crate) use record::record;

use std::io::Write;
use std::path::PathBuf;

use saferun_history::store::{Expired, Filter, Retention, Store, StoreError};
use serde_json::{Value, json};

use crate::args::{HistoryArgs, HistoryCommand, SettingsArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::settings::Configuration;

/// Answers on standard output.
///
/// # Errors
///
/// The history can't be read or changed, or standard output can't be written.
pub(super) fn history(args: &HistoryArgs) -> Result<Exit, CliError> {
    match &args.command {
        HistoryCommand::List { text, last, json } => {
            show::list(&open()?, text.clone(), *last, *json)
        }
        HistoryCommand::Show { id, json } => show::show(&open()?, *id, *json),
        HistoryCommand::Explain { command, json } => explain::explain(&open()?, command, *json),
        HistoryCommand::Forget {
            text,
            id,
            all,
            json,
        } => {
            if text.is_none() && id.is_none() && !all {
                return Err(CliError::usage(
                    "forget what is not said",
                    "give a text that the commands hold, --id ID, or --all",
                ));
            }
            let filter = Filter {
                text: text.clone(),
                id: *id,
                ..Filter::default()
            };
            let gone = open()?.forget(&filter).map_err(|error| refused(&error))?;
            done("forgotten", gone, *json)
        }
        HistoryCommand::Prune { keep, days, json } => {
            let retention = Retention {
                most_rows: *keep,
                ..days.map_or_else(retention, |days| Ok(kept_for(days)))?
            };
            let gone = open()?.remove_expired(&retention);
            pruned(gone.map_err(|error| refused(&error))?, *json)
        }
        HistoryCommand::Export { file } => exchange::export(&open()?, file.as_deref()),
        HistoryCommand::Import { file, json } => done(
            "imported",
            exchange::import(&mut open()?, file, &retention()?)?,
            *json,
        ),
    }
}

/// Where the history lies; `None` where there is neither a state directory nor a home.
pub(crate) fn path() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local").join("state")))?;
    Some(state.join("saferun").join("history.sqlite"))
}

/// What is kept by the settings that hold here.
///
/// # Errors
///
/// A setting is wrong.
pub(crate) fn retention() -> Result<Retention, CliError> {
    let configuration = Configuration::gather(&SettingsArgs::default())?;
    let days = configuration.layer.history_days;
    Ok(days.map_or_else(Retention::default, |days| kept_for(days.value)))
}

/// What is kept for so many days, and otherwise as always.
pub(crate) fn kept_for(days: u32) -> Retention {
    Retention {
        most_days: days,
        ..Retention::default()
    }
}

fn open() -> Result<Store, CliError> {
    let path = path().ok_or_else(|| {
        CliError::usage(
            "there is no place for a history: neither XDG_STATE_HOME nor HOME is set",
            "set HOME to your home directory",
        )
    })?;
    let store = Store::open(&path).map_err(|error| refused(&error))?;
    if let Some(aside) = store.set_aside() {
        let _ = writeln!(
            std::io::stderr(),
            "saferun: the history was damaged and is begun anew; what there was is now {}",
            aside.display()
        );
    }
    Ok(store)
}

fn refused(error: &StoreError) -> CliError {
    CliError::usage(
        format!("the history can't be used: {error}"),
        "set XDG_STATE_HOME to a directory that can be written",
    )
}

/// One line on what was done.
fn done(what: &str, count: usize, as_json: bool) -> Result<Exit, CliError> {
    let text = if as_json {
        json!({ what: count }).to_string()
    } else {
        format!("{count} attempts {what}")
    };
    say(&format!("{text}\n"))
}

fn pruned(gone: Expired, as_json: bool) -> Result<Exit, CliError> {
    let text = if as_json {
        json!({ "pruned": gone.rows, "freed_bytes": gone.bytes }).to_string()
    } else {
        let freed = saferun_memory::show(gone.bytes);
        format!("{} attempts pruned, {freed} given back", gone.rows)
    };
    say(&format!("{text}\n"))
}

fn say(text: &str) -> Result<Exit, CliError> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    Ok(Exit::Success)
}

/// A row as JSON, its number first.
fn as_json(id: i64, row: &saferun_history::Row) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("id".to_owned(), Value::from(id));
    if let Ok(Value::Object(fields)) = serde_json::to_value(row) {
        object.extend(fields);
    }
    Value::Object(object)
}
