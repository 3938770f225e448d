//! What things cost.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Bed, Found, LIMIT};

impl Bed {
    /// How fast this machine is at what hogs do, for whoever reads the other figures: emulated
    /// on a busy one, a task takes longer than it lives.
    pub(super) fn speed(&self) -> Found {
        let start = Instant::now();
        let status = Command::new("/bin/vm-tests")
            .args(["work", "hog", "--peak", "240M", "--seconds", "1"])
            .stdin(Stdio::null())
            .status()?;
        if !status.success() {
            return Err("a hog failed".into());
        }
        let took = start.elapsed().as_secs_f64();
        Ok(format!(
            "a hog of 240 MiB that lives for 1 s takes {took:.2} s"
        ))
    }

    /// What containment and capture cost for tasks that do nothing.
    pub(super) fn overhead(&self) -> Found {
        const TASKS: usize = 200;
        let cage = self.cage(LIMIT)?;
        let input = "true\n".repeat(TASKS);
        let ours = self.trial(&cage, &["-j2", "--json"], &input).run()?;
        self.sound(&ours, 0, &cage)?;
        let start = Instant::now();
        let file = self.scratch.join("input");
        let status = Command::new("/bin/xargs")
            .args(["-P2", "-I{}", "sh", "-c", "{}"])
            .stdin(fs::File::open(file)?)
            .stdout(Stdio::null())
            .status()?;
        let theirs = start.elapsed();
        if !status.success() {
            return Err("xargs failed".into());
        }
        Ok(format!(
            "{TASKS} x true: {:.1} ms each, {:.2} x xargs -P2 of busybox",
            ours.wall.as_secs_f64() * 1e3 / TASKS as f64,
            ours.wall.as_secs_f64() / theirs.as_secs_f64()
        ))
    }
}
