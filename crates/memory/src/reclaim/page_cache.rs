//! File contents that the kernel keeps in memory.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};

use super::drop_caches::DropCaches;
use super::group_cache::{GroupCache, Version};
use super::{About, Figure, Outcome, Prospect, Step, Taken};
use crate::bytes::show;
use crate::error::ReadError;
use crate::own_groups::{GroupPath, OwnGroups};
use crate::roots::Roots;

/// Less than this is not worth a cold cache.
const WORTH_BYTES: u64 = 1 << 20;

/// Gives page cache back: that of the control group that we live in, or, for root where there is
/// no such group, the machine's after all files have been written out.
///
/// In a group it needs write access to `memory.reclaim` (v2, Linux 5.19) or `memory.force_empty`
/// (v1); that is root's, or the user's in a delegated group. Of the machine it needs root and a
/// writable `/proc/sys/vm/drop_caches`.
///
/// What was cached is read from disk when it is wanted again. The kernel would have given it up
/// by itself for whoever needs memory, so this frees nothing that was held: it makes room at
/// once, in place of later and bit by bit. With swap a v1 group may swap out as well.
#[derive(Debug)]
pub struct PageCache {
    roots: Roots,
}

impl PageCache {
    /// Of the system with these files.
    pub fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
        }
    }

    fn place(&self) -> Result<Place, Outcome> {
        let own =
            OwnGroups::read(&self.roots).map_err(|error| Outcome::failed(error.to_string()))?;
        if let Some(place) = own.unified.as_ref().and_then(Place::unified) {
            return Ok(place);
        }
        if let Some(place) = own.memory_v1.as_ref().and_then(Place::v1) {
            return Ok(place);
        }
        Ok(Place::Machine(DropCaches::new(&self.roots)))
    }
}

impl Step for PageCache {
    fn name(&self) -> &'static str {
        "page-cache"
    }

    fn about(&self) -> About {
        About {
            does: "gives file contents that are kept in memory back",
            needs: "write access to our own control group, or root",
            costs: "what was cached is read from disk when it is wanted again",
            figure: Figure::Cache,
        }
    }

    fn look(&mut self) -> Prospect {
        let place = match self.place() {
            Ok(place) => place,
            Err(outcome) => return Prospect::none(outcome),
        };
        let cache = place.cache_bytes();
        if let Some(hindrance) = place.hindrance(&cache) {
            return Prospect::none(hindrance);
        }
        Prospect {
            acts: vec![place.act()],
            at_most_bytes: cache.ok(),
            hindrance: None,
        }
    }

    fn take(&mut self) -> Taken {
        let place = match self.place() {
            Ok(place) => place,
            Err(outcome) => return Taken::not(outcome),
        };
        let before = place.cache_bytes();
        if let Some(hindrance) = place.hindrance(&before) {
            return Taken::not(hindrance);
        }
        // What is not written yet can't be given up.
        rustix::fs::sync();
        let result = place.give_back(before.as_ref().copied().unwrap_or(0));
        let outcome = match result {
            Ok(()) => Outcome::Done,
            Err(cause) => Outcome::failed(cause.to_string()),
        };
        Taken {
            outcome,
            acts: vec![place.act()],
            before_bytes: before.ok(),
            after_bytes: place.cache_bytes().ok(),
        }
    }
}

/// Whose cache it is.
#[derive(Debug)]
enum Place {
    Group(PathBuf, Version),
    Machine(DropCaches),
}

impl Place {
    /// The root of the unified hierarchy has no file to give cache back by, nor has a group
    /// without the memory controller.
    fn unified(own: &GroupPath) -> Option<Self> {
        let usable = own.exact && own.dir.join("memory.current").exists();
        usable.then(|| Self::Group(own.dir.clone(), Version::V2))
    }

    /// The root of a v1 hierarchy has the file and refuses it; only the root has `release_agent`.
    fn v1(own: &GroupPath) -> Option<Self> {
        let usable = own.exact && !own.dir.join("release_agent").exists();
        usable.then(|| Self::Group(own.dir.clone(), Version::V1))
    }

    fn act(&self) -> String {
        match self {
            Self::Group(dir, _) => {
                format!("give back the page cache of our group {}", dir.display())
            }
            Self::Machine(_) => "give back the machine's page cache, after a sync".to_owned(),
        }
    }

    fn cache_bytes(&self) -> Result<u64, ReadError> {
        match self {
            Self::Group(dir, version) => version.cache_bytes(dir),
            Self::Machine(machine) => machine.cache_bytes(),
        }
    }

    fn hindrance(&self, cache: &Result<u64, ReadError>) -> Option<Outcome> {
        match cache {
            Err(error) => return Some(Outcome::failed(error.to_string())),
            Ok(bytes) if *bytes < WORTH_BYTES => {
                return Some(Outcome::nothing(format!(
                    "only {} are cached",
                    show(*bytes)
                )));
            }
            Ok(_) => {}
        }
        match self {
            Self::Group(dir, version) => not_writable(
                &dir.join(version.file_name()),
                "run it as root, or in a control group that is delegated to you",
            ),
            Self::Machine(machine) => machine.hindrance(),
        }
    }

    fn give_back(&self, bytes: u64) -> io::Result<()> {
        match self {
            Self::Group(dir, version) => GroupCache::open(dir, *version)?.give_back(bytes),
            Self::Machine(machine) => machine.give_back(),
        }
    }
}

/// Why a file of the kernel's can't be written, by opening it and writing nothing.
pub(super) fn not_writable(file: &Path, permit: &str) -> Option<Outcome> {
    match OpenOptions::new().write(true).open(file) {
        Ok(_) => None,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            Some(Outcome::not_here(format!("there is no {}", file.display())))
        }
        Err(cause) => Some(Outcome::refused(
            format!("{} can't be written: {cause}", file.display()),
            permit,
        )),
    }
}
