//! The emulated machine.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::console::MARK;
use super::image::Image;
use crate::Failure;
use crate::bench::installed;

/// What the kernel is told. Version 1 of control groups is left out so that all controllers are
/// in version 2, as on today's distributions.
const WORDS: &str = "console=ttyS0 quiet cgroup_no_v1=all psi=1 panic=-1 mitigations=off";

/// The size of the disk, in MB. It is a file with holes.
const DISK: u64 = 2048;

/// A probe of hardware virtualisation gets so long. Where it works it takes a second.
const PROBE: Duration = Duration::from_secs(4);

/// What executes the machine's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accelerator {
    /// The processor itself.
    Kvm,
    /// qemu, in software.
    Tcg,
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        })
    }
}

/// How time passes for an emulated processor. A hardware one knows but real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Clock {
    /// By its own instructions, one a nanosecond, on one core: what is measured doesn't depend on
    /// how busy this machine is, and where all sleep no time is spent
    Virtual,
    /// As for us, on two cores: true side by side, but slow
    Real,
}

/// After what a machine is taken to hang.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Patience {
    /// So long after it was booted.
    InAll(Duration),
    /// So long without a word.
    EachLine(Duration),
}

/// A machine that can be booted.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) qemu: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) image: Image,
    /// In MB.
    pub(super) memory: u32,
    /// In MB.
    pub(super) swap: u32,
    pub(super) clock: Clock,
}

/// The emulator.
///
/// # Errors
/// There is none here.
pub(super) fn qemu() -> Result<PathBuf, String> {
    installed("qemu-system-x86_64").ok_or_else(|| "no qemu here (Debian: qemu-system-x86)".into())
}

impl Machine {
    /// Hardware virtualisation where a machine comes to life with it, as a device file alone
    /// doesn't mean that it works.
    pub(super) fn accelerator(&self) -> Accelerator {
        if !Path::new("/dev/kvm").exists() {
            return Accelerator::Tcg;
        }
        let mut alive = false;
        let probed = self.run(
            Accelerator::Kvm,
            "saferun.probe=1",
            Patience::InAll(PROBE),
            |line| {
                alive |= line.contains(&format!("{MARK}alive"));
            },
        );
        match probed {
            Ok(true) if alive => Accelerator::Kvm,
            _ => Accelerator::Tcg,
        }
    }

    /// Boots it and hands on every line that it says, until it ends or its time is up; whether
    /// it came to its end.
    pub(crate) fn run(
        &self,
        accelerator: Accelerator,
        words: &str,
        patience: Patience,
        mut each: impl FnMut(&str),
    ) -> Result<bool, Failure> {
        let scratch = tempfile::tempdir()?;
        let disk = blank(scratch.path(), "disk", DISK)?;
        let mut command = Command::new(&self.qemu);
        command
            .args(["-machine", &format!("q35,accel={accelerator}")])
            .args(["-m", &self.memory.to_string()])
            .args([
                "-nographic",
                "-no-reboot",
                "-nodefaults",
                "-serial",
                "stdio",
            ])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(self.image.path())
            .args(["-append", &format!("{WORDS} {words}")]);
        drive(&mut command, "disk", &disk);
        match (accelerator, self.clock) {
            (Accelerator::Kvm, _) => command.args(["-smp", "2", "-cpu", "host"]),
            (Accelerator::Tcg, Clock::Real) => command.args(["-smp", "2"]),
            (Accelerator::Tcg, Clock::Virtual) => {
                command.args(["-smp", "1", "-icount", "shift=0,sleep=off"])
            }
        };
        if self.swap > 0 {
            let swap = blank(scratch.path(), "swap", u64::from(self.swap))?;
            drive(&mut command, "swap", &swap);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = child.stdout.take().ok_or("the machine has no output")?;
        let (lines, said) = channel();
        let reader = std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            // Lines of a serial line may hold anything.
            while output.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).into_owned();
                if lines.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let start = Instant::now();
        let ended = loop {
            let left = match patience {
                Patience::InAll(time) => time.saturating_sub(start.elapsed()),
                Patience::EachLine(time) => time,
            };
            match said.recv_timeout(left) {
                Ok(line) => each(line.trim_end()),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    break false;
                }
            }
        };
        child.wait()?;
        // It has read to the end of what is closed now.
        let _ = reader.join();
        Ok(ended)
    }
}

fn blank(scratch: &Path, name: &str, megabytes: u64) -> Result<PathBuf, Failure> {
    let path = scratch.join(name);
    File::create(&path)?.set_len(megabytes << 20)?;
    Ok(path)
}

/// Adds a disk of the kind whose driver is part of the kernel.
fn drive(command: &mut Command, name: &str, path: &Path) {
    let file = path.display();
    command
        .args([
            "-drive",
            &format!("file={file},if=none,id={name},format=raw,cache=unsafe"),
        ])
        .args(["-device", &format!("nvme,serial={name},drive={name}")]);
}
