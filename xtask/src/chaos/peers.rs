//! The same mixes under other programs.

use std::path::Path;
use std::process::Command;

use saferun_testbed::cage::Cage;

use crate::bench::installed;

/// A way to run the same lines.
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: Program,
    arguments: &'static [&'static str],
}

enum Program {
    /// Ourselves.
    Own,
    Other(&'static str),
}

pub(super) const PEERS: [Peer; 4] = [
    Peer {
        name: "unlimited",
        program: Program::Own,
        arguments: &[
            "run",
            "--no-history",
            "--strategy",
            "unlimited",
            "--progress",
            "none",
            "-j24",
        ],
    },
    Peer {
        name: "parallel --memsuspend",
        program: Program::Other("parallel"),
        arguments: &["-j24", "--memsuspend", "100M", "--retries", "5"],
    },
    Peer {
        name: "parallel --memfree",
        program: Program::Other("parallel"),
        arguments: &["-j24", "--memfree", "100M", "--retries", "5"],
    },
    Peer {
        name: "xargs",
        program: Program::Other("xargs"),
        // A task that is killed would else stop it at once.
        arguments: &["-I{}", "sh", "-c", "{} || exit 1"],
    },
];

impl Peer {
    pub(super) fn is_here(&self) -> bool {
        match self.program {
            Program::Own => true,
            Program::Other(name) => installed(name).is_some(),
        }
    }

    pub(super) fn command(&self, cage: &Cage, own: &Path, tasks: usize) -> Command {
        let mut command = match self.program {
            Program::Own => cage.command(own),
            Program::Other(name) => cage.command(name),
        };
        if let Program::Other("xargs") = self.program {
            command.arg(format!("-P{tasks}"));
        }
        command.args(self.arguments);
        command
    }
}
