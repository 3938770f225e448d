//! What the program says of its tier, and that it leaves a group as it found it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use super::{Bed, Found, LIMIT};
use crate::cage::{ROOT, groups_below};
use crate::trial::{Trial, program};

impl Bed {
    /// At the root, whose group holds others too, nothing needs to move; and what was handed down
    /// is taken back.
    pub(super) fn root_group(&self) -> Found {
        let handed = Path::new(ROOT).join("cgroup.subtree_control");
        fs::write(&handed, "-memory -pids")?;
        let outcome = Trial {
            group: Path::new(ROOT),
            user: self.user,
            arguments: &["-j", "auto", "--json", "--", "true"],
            input: "",
            scratch: &self.scratch,
        }
        .run()?;
        let after = fs::read_to_string(&handed)?;
        let left = groups_below(Path::new(ROOT));
        if outcome.code != Some(0) || outcome.tier != self.called {
            return Err(format!(
                "exit {:?}, tier {:?}: {}",
                outcome.code, outcome.tier, outcome.last
            )
            .into());
        }
        if !after.trim().is_empty() || !left.is_empty() {
            return Err(format!("left: hands down {:?}, {left:?}", after.trim()).into());
        }
        Ok("nothing left".into())
    }

    /// `status --why` names the tier.
    pub(super) fn is_named(&self) -> Found {
        let cage = self.cage(LIMIT)?;
        let output = program(cage.path(), self.user)
            .args(["status", "--why"])
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = format!("by {}", self.called);
        if !text.contains(&line) {
            return Err(format!("status doesn't say `{line}`: {text}").into());
        }
        if !self.braked() && !text.contains("isn't ours") {
            return Err(format!("status doesn't say what is missing: {text}").into());
        }
        let traces = cage.traces();
        if !traces.is_empty() {
            return Err(format!("left: {traces}").into());
        }
        Ok(line)
    }
}
