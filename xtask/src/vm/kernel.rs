//! The kernel: Debian's for clouds, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workspace::Metadata;

/// Depends on the newest kernel of its kind.
const NEWEST: &str = "linux-image-cloud-amd64";

/// An unpacked kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Its package.
    pub(super) name: String,
    pub(super) image: PathBuf,
    /// Where what is made for the machine is kept.
    pub(super) kept: PathBuf,
}

/// The kernel kept from an earlier time, else the newest that can be had.
///
/// # Errors
/// Why there is none, in words for a person.
pub(super) fn take() -> Result<Kernel, String> {
    if std::env::consts::ARCH != "x86_64" {
        return Err("the machine is made for x86_64 only".into());
    }
    let metadata = Metadata::read().map_err(|error| error.to_string())?;
    let kept = metadata.target_directory.join("vm");
    let unpacked = kept.join("kernel");
    if let Some(kernel) = find(&unpacked, &kept) {
        return Ok(kernel);
    }
    let package = package()?;
    fs::create_dir_all(&kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let download = tempfile::tempdir_in(&kept).map_err(|error| error.to_string())?;
    call(
        Command::new("apt-get")
            .args(["download", "--quiet", "--quiet", &package])
            .current_dir(download.path()),
    )
    .map_err(|why| format!("the kernel's package {package} can't be fetched ({why})"))?;
    let archive = fs::read_dir(download.path())
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .ok_or("apt-get has fetched nothing")?;
    // Unpacked beside and renamed, so that half of a kernel is never taken for one.
    let fresh = download.path().join("kernel");
    call(Command::new("dpkg").arg("-x").arg(archive).arg(&fresh))?;
    let _old = fs::remove_dir_all(&unpacked);
    fs::rename(&fresh, &unpacked).map_err(|error| error.to_string())?;
    find(&unpacked, &kept).ok_or_else(|| format!("{package} holds no kernel"))
}

/// The package that the newest kernel is in.
fn package() -> Result<String, String> {
    let output = Command::new("apt-cache")
        .args(["depends", NEWEST])
        .stderr(Stdio::null())
        .output()
        .map_err(|error| format!("no kernel can be had without apt-cache ({error})"))?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .map(str::to_owned)
        .ok_or_else(|| format!("no package source here knows {NEWEST}"))
}

fn find(unpacked: &Path, kept: &Path) -> Option<Kernel> {
    let image = fs::read_dir(unpacked.join("boot"))
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| name_of(path).starts_with("vmlinuz-"))?;
    let version = name_of(&image).strip_prefix("vmlinuz-")?.to_owned();
    Some(Kernel {
        name: format!("Linux {version}"),
        image,
        kept: kept.to_owned(),
    })
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Runs a program that has nothing to say when all is well.
pub(super) fn call(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap_or("it said nothing");
    Err(format!("{program}: {last}"))
}
