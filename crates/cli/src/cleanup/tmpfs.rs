//! What dead processes of ours have left in memory, as a step.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use saferun_memory::reclaim::{About, Figure, Outcome, Prospect, Step, Taken};
use saferun_memory::{ProcessId, Roots, sanitised, show};

use crate::space::space_taken;

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
                    found.push((entry.path(), space_taken(&entry.path())));
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
                    left = left.saturating_add(space_taken(path));
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
