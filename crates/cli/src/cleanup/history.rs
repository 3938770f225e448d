//! The record of earlier runs, as a step.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use saferun_history::store::{Expired, Retention, Store};
use saferun_memory::reclaim::{About, Outcome, Prospect, Step, Taken};
use saferun_memory::sanitised;

use super::disk;
use crate::command::history;
use crate::space::space_taken;

/// Attempts that have expired by their age, their number or what all of them take.
#[derive(Debug)]
pub(super) struct History {
    path: Option<PathBuf>,
}

impl History {
    /// That of the user.
    pub(super) fn new() -> Self {
        Self {
            path: history::path(),
        }
    }

    /// The directory of the file and its companions, where there is one.
    fn place(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }

    /// The history with what has expired in it, of which there is something.
    fn expired(&self) -> Result<(Store, Retention, Expired), Outcome> {
        let none = || Outcome::nothing("there is no record of earlier runs");
        let path = self.path.as_deref().ok_or_else(none)?;
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => {}
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Err(none()),
            Err(cause)
                if matches!(
                    cause.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                return Err(Outcome::refused(
                    format!("{} can't be opened: {cause}", sanitised(path.as_os_str())),
                    "run it as the user whose record that is, or set HOME to your own",
                ));
            }
            Err(cause) => return Err(Outcome::failed(cause.to_string())),
        }
        let failed = |error: saferun_history::store::StoreError| Outcome::failed(error.to_string());
        let store = Store::open_existing(path)
            .map_err(failed)?
            .ok_or_else(none)?;
        let retention = history::retention().map_err(|error| Outcome::failed(error.to_string()))?;
        let expired = store.expired(&retention).map_err(failed)?;
        if expired == Expired::default() {
            return Err(Outcome::nothing(
                "nothing in the record of earlier runs has expired",
            ));
        }
        Ok((store, retention, expired))
    }
}

impl Step for History {
    fn name(&self) -> &'static str {
        "history"
    }

    fn about(&self) -> About {
        About {
            does: "removes what has expired of the record of earlier runs",
            needs: "nothing",
            costs: "it can't be looked up any more, and predictions know less",
            figure: disk::figure(self.place()),
        }
    }

    fn look(&mut self) -> Prospect {
        match self.expired() {
            Err(outcome) => Prospect::none(outcome),
            Ok((_, _, expired)) => Prospect {
                acts: vec![act("remove", expired.rows)],
                at_most_bytes: Some(expired.bytes),
                hindrance: None,
            },
        }
    }

    fn take(&mut self) -> Taken {
        let (mut store, retention) = match self.expired() {
            Err(outcome) => return Taken::not(outcome),
            Ok((store, retention, _)) => (store, retention),
        };
        let space = || self.place().map(space_taken);
        let before_bytes = space();
        let (outcome, acts) = match store.remove_expired(&retention) {
            Ok(removed) => (Outcome::Done, vec![act("removed", removed.rows)]),
            Err(error) => (Outcome::failed(error.to_string()), Vec::new()),
        };
        Taken {
            outcome,
            acts,
            before_bytes,
            after_bytes: space(),
        }
    }
}

/// `remove 12 attempts …`; what is beyond the bound of bytes is counted when it goes.
fn act(verb: &str, rows: u64) -> String {
    match rows {
        0 => format!("{verb} the oldest attempts, as the record takes too much"),
        1 => format!("{verb} 1 attempt of earlier runs that has expired"),
        _ => format!("{verb} {rows} attempts of earlier runs that have expired"),
    }
}
