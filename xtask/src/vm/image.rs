//! What is in the machine: a shell, our programs linked statically, the tests.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kernel::{Kernel, call};
use crate::Failure;
use crate::workspace::{cargo, root};

/// The platform that is named so that what runs at build time isn't linked statically too.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

const BUSYBOX: &str = "/bin/busybox";

/// An image that lasts as long as this: those of two chores at once don't get into each other's
/// way.
#[derive(Debug)]
pub(crate) struct Image(tempfile::TempDir);

impl Image {
    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("image")
    }
}

/// Whether the image can be made.
///
/// # Errors
/// What is missing, in words for a person.
pub(super) fn needs() -> Result<(), String> {
    if !Path::new(BUSYBOX).exists() {
        return Err("no busybox here (Debian: busybox-static)".into());
    }
    let cpio = Command::new("cpio").arg("--version").output();
    cpio.map_err(|error| format!("no cpio here ({error})"))?;
    Ok(())
}

/// Builds the programs and packs the image.
pub(super) fn make(kernel: &Kernel) -> Result<Image, Failure> {
    let programs = build(&kernel.kept.join("target"))?;
    let top = tempfile::tempdir_in(&kernel.kept)?;
    let at = |name: &str| top.path().join(name);
    for directory in ["bin", "proc", "sys", "dev", "tmp", "etc"] {
        fs::create_dir(at(directory))?;
    }
    let init = root().join("xtask/vm/init");
    for (from, to) in [
        (init, "init"),
        (PathBuf::from(BUSYBOX), "bin/busybox"),
        (programs.join("saferun"), "bin/saferun"),
        (programs.join("memory-cleanup"), "bin/memory-cleanup"),
        (programs.join("vm-tests"), "bin/vm-tests"),
    ] {
        fs::copy(&from, at(to)).map_err(|error| format!("{}: {error}", from.display()))?;
        fs::set_permissions(at(to), fs::Permissions::from_mode(0o755))?;
    }
    symlink("busybox", at("bin/sh"))?;
    let image = Image(tempfile::tempdir_in(&kernel.kept)?);
    call(
        Command::new("sh")
            .args(["-c", "find . | cpio --quiet -o -H newc > \"$0\""])
            .arg(image.path())
            .current_dir(top.path()),
    )?;
    Ok(image)
}

/// Builds what runs inside; the emulated processor is slow, so it is optimised, but for nothing
/// that takes long.
fn build(target: &Path) -> Result<PathBuf, Failure> {
    let status = cargo()
        .args(["build", "--quiet", "--release", "--target", PLATFORM])
        .args([
            "--package",
            "saferun-cli",
            "--package",
            "saferun-vm-tests",
            "--bins",
        ])
        .arg("--target-dir")
        .arg(target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .current_dir(root())
        .status()?;
    if !status.success() {
        return Err("the programs could not be linked statically".into());
    }
    Ok(target.join(PLATFORM).join("release"))
}
