//! Saferun's own stores as steps: what it has left in memory, made for agents, and recorded.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use saferun_memory::reclaim::{About, Figure, Outcome, Prospect, Step, Taken};
use saferun_memory::{ProcessId, Roots, sanitised, show};

use crate::args::SettingsArgs;
use crate::artifacts::{self, ArtifactSettings, prune};
use crate::command::history;
use crate::settings::Configuration;

/// What the names of our directories for a short time begin with; our process id follows.
const SCRATCH: &str = "saferun-demo-";

/// Directories of ours in memory whose maker has died. Nothing else in memory is touched.
#[derive(Debug)]
pub(super) struct Tmpfs {
    roots: Roots,
    places: Vec<PathBuf>,
}

impl Tmpfs {
    /// Where such directories are made.
    pub(super) fn new(roots: &Roots) -> Self {
        let named = std::env::var_os("TMPDIR").map(PathBuf::from);
        let usual = ["/tmp", "/dev/shm"].map(PathBuf::from);
        let mut places: Vec<PathBuf> = named.into_iter().chain(usual).collect();
        places.retain(|place| place.is_absolute());
        places.sort();
        places.dedup();
        Self {
            roots: roots.clone(),
            places,
        }
    }

    fn find(&self) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        let in_memory = |place: &&PathBuf| saferun_memory::is_in_memory(place);
        for place in self.places.iter().filter(in_memory) {
            let Ok(entries) = fs::read_dir(place) else {
                continue;
            };
            for entry in entries.flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                let ours = metadata.is_dir()
                    && metadata.uid() == rustix::process::getuid().as_raw()
                    && maker(&entry.file_name()).is_some_and(|pid| self.is_gone(pid));
                if ours {
                    found.push((entry.path(), size(&entry.path())));
                }
            }
        }
        found
    }

    /// Who can't be read is taken for living.
    fn is_gone(&self, pid: u32) -> bool {
        matches!(ProcessId::read(&self.roots, pid), Ok(None))
    }
}

impl Step for Tmpfs {
    fn name(&self) -> &'static str {
        "tmpfs"
    }

    fn about(&self) -> About {
        About {
            does: "removes what dead saferun processes have left in memory",
            needs: "nothing",
            costs: "nothing: nobody uses it any more",
            figure: Figure::Files,
        }
    }

    fn look(&mut self) -> Prospect {
        let found = self.find();
        if found.is_empty() {
            return Prospect::none(nothing_left());
        }
        Prospect {
            acts: found
                .iter()
                .map(|(path, _)| format!("remove {}", sanitised(path.as_os_str())))
                .collect(),
            at_most_bytes: Some(found.iter().map(|(_, bytes)| bytes).sum()),
            hindrance: None,
        }
    }

    fn take(&mut self) -> Taken {
        let found = self.find();
        if found.is_empty() {
            return Taken::not(nothing_left());
        }
        let mut taken = Taken::not(Outcome::Done);
        taken.before_bytes = Some(found.iter().map(|(_, bytes)| bytes).sum());
        let mut left = 0_u64;
        for (path, bytes) in &found {
            let shown = sanitised(path.as_os_str());
            match fs::remove_dir_all(path) {
                Ok(()) => taken
                    .acts
                    .push(format!("removed {shown} with {}", show(*bytes))),
                Err(error) => {
                    left = left.saturating_add(size(path));
                    taken.outcome = Outcome::failed(format!("{shown} can't be removed: {error}"));
                }
            }
        }
        taken.after_bytes = Some(left);
        taken
    }
}

fn nothing_left() -> Outcome {
    Outcome::nothing("nothing of ours is left in memory")
}

/// The process that made a directory of this name.
fn maker(name: &OsStr) -> Option<u32> {
    name.to_str()?.strip_prefix(SCRATCH)?.parse().ok()
}

/// What the files in a directory take, never through links.
fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .map(|(path, metadata)| {
            if metadata.is_dir() {
                size(&path)
            } else {
                metadata.blocks().saturating_mul(512)
            }
        })
        .fold(0, u64::saturating_add)
}

/// A store that prunes itself.
///
/// `find` tells what has expired: how many bytes, and each thing in words. `prune` removes it.
#[derive(Debug)]
pub(super) struct Store {
    /// The step's name.
    pub(super) name: &'static str,
    /// What is in the store.
    pub(super) what: &'static str,
    /// What has expired; `None` where there is no such store.
    pub(super) find: fn() -> Option<Result<Expired, String>>,
    /// Removes what has expired.
    pub(super) prune: fn() -> Result<(), String>,
}

/// What has expired of a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Expired {
    /// How much it takes.
    pub(super) bytes: u64,
    /// Each thing in words.
    pub(super) things: Vec<String>,
}

impl Store {
    /// What agents have made for the project around the working directory.
    pub(super) fn artifacts() -> Self {
        Self {
            name: "artifacts",
            what: "store of what agents have made here",
            find: expired_artifacts,
            prune: || {
                let (store, settings) = artifacts()?;
                prune::prune(&store, &settings)
                    .map(drop)
                    .map_err(|error| error.to_string())
            },
        }
    }

    /// The record of earlier runs. It keeps itself within its bound with every attempt that it
    /// is told, so nothing in it ever waits to be removed; `saferun history prune` shortens it.
    pub(super) fn history() -> Self {
        Self {
            name: "history",
            what: "record of earlier runs",
            find: || {
                let there = history::path().is_some_and(|path| path.exists());
                there.then(|| Ok(Expired::default()))
            },
            prune: || Ok(()),
        }
    }

    fn expired(&self) -> Result<Expired, Outcome> {
        match (self.find)() {
            None => Err(Outcome::nothing(format!("there is no {}", self.what))),
            Some(Err(why)) => Err(Outcome::failed(why)),
            Some(Ok(expired)) if expired.things.is_empty() => Err(Outcome::nothing(format!(
                "nothing in the {} has expired",
                self.what
            ))),
            Some(Ok(expired)) => Ok(expired),
        }
    }
}

fn artifacts() -> Result<(artifacts::Store, ArtifactSettings), String> {
    let store = artifacts::Store::find().map_err(|error| error.to_string())?;
    let settings = Configuration::gather(&SettingsArgs::default())
        .and_then(|configuration| ArtifactSettings::of(&configuration))
        .map_err(|error| error.to_string())?;
    Ok((store, settings))
}

fn expired_artifacts() -> Option<Result<Expired, String>> {
    let (store, settings) = match artifacts() {
        Ok(both) => both,
        Err(why) => return Some(Err(why)),
    };
    if !store.root().is_dir() {
        return None;
    }
    let expired = prune::expired(&store, &settings).map_err(|error| error.to_string());
    Some(expired.map(|expired| {
        Expired {
            bytes: expired
                .iter()
                .fold(0, |sum: u64, session| sum.saturating_add(session.bytes)),
            things: expired
                .iter()
                .map(|session| {
                    let bytes = show(session.bytes);
                    format!(
                        "session {} with {bytes}: {}",
                        session.id,
                        session.why.words()
                    )
                })
                .collect(),
        }
    }))
}

impl Step for Store {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> About {
        About {
            does: "removes what has expired of our own records",
            needs: "nothing",
            costs: "it can't be looked up any more",
            figure: Figure::Files,
        }
    }

    fn look(&mut self) -> Prospect {
        match self.expired() {
            Err(outcome) => Prospect::none(outcome),
            Ok(expired) => Prospect {
                acts: expired
                    .things
                    .iter()
                    .map(|thing| format!("remove {thing}"))
                    .collect(),
                at_most_bytes: Some(expired.bytes),
                hindrance: None,
            },
        }
    }

    fn take(&mut self) -> Taken {
        let expired = match self.expired() {
            Err(outcome) => return Taken::not(outcome),
            Ok(expired) => expired,
        };
        let outcome = match (self.prune)() {
            Ok(()) => Outcome::Done,
            Err(why) => Outcome::failed(why),
        };
        let after = match (self.find)() {
            Some(Ok(left)) => left.bytes,
            _ => 0,
        };
        Taken {
            outcome,
            acts: expired
                .things
                .into_iter()
                .map(|thing| format!("removed {thing}"))
                .collect(),
            before_bytes: Some(expired.bytes),
            after_bytes: Some(after),
        }
    }
}
