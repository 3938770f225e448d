//! A directory for the record of the runs, gone when the demo is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// The directory.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it wherever that is possible.
    pub(super) fn new() -> Result<Self, CliError> {
        let named = std::env::var_os("TMPDIR")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from);
        let usual = ["/tmp", "/var/tmp", "."].map(PathBuf::from);
        for parent in named.into_iter().chain(usual) {
            let path = parent.join(format!("saferun-demo-{}", std::process::id()));
            if fs::DirBuilder::new().mode(0o700).create(&path).is_ok() {
                // Programs are run inside it, so it must be known from everywhere.
                let path = path.canonicalize().unwrap_or(path);
                return Ok(Self { path });
            }
        }
        Err(CliError::usage(
            "there is no directory to keep the demo's record in",
            "TMPDIR=DIR saferun demo",
        ))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        debug_assert!(self.path.file_name().is_some_and(is_ours));
        if let Err(error) = fs::remove_dir_all(&self.path) {
            use std::io::Write;
            let path = self.path.display();
            let _ = writeln!(
                std::io::stderr(),
                "saferun: {path} can't be removed: {error}"
            );
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with("saferun-demo-")
}
