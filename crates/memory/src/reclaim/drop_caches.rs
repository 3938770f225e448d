//! The whole machine's page cache.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::Outcome;
use super::page_cache::not_writable;
use crate::error::ReadError;
use crate::flaw::Flaw;
use crate::kept::{Kept, keyed_kib};
use crate::roots::Roots;

/// `/proc/sys/vm/drop_caches`: clean pages of all files of the machine.
#[derive(Debug)]
pub(super) struct DropCaches {
    file: PathBuf,
    meminfo: PathBuf,
}

impl DropCaches {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            file: roots.proc.join("sys/vm/drop_caches"),
            meminfo: roots.proc.join("meminfo"),
        }
    }

    pub(super) fn cache_bytes(&self) -> Result<u64, ReadError> {
        Kept::open(&self.meminfo)?.read(|text| {
            let [active, inactive] = keyed_kib(text, ["Active(file)", "Inactive(file)"])?;
            let active = active.ok_or(Flaw::Missing("Active(file)"))?;
            let inactive = inactive.ok_or(Flaw::Missing("Inactive(file)"))?;
            Ok(active.saturating_add(inactive))
        })
    }

    pub(super) fn hindrance(&self) -> Option<Outcome> {
        not_writable(
            &self.file,
            "run it as root on the machine itself; a container has no say in this",
        )
    }

    /// Page cache only: names and inodes are small and costly to find again.
    pub(super) fn give_back(&self) -> io::Result<()> {
        fs::write(&self.file, "1")
    }
}
