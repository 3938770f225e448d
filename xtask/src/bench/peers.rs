//! Other programs that run many commands at once, as their users would call them.

use std::path::Path;
use std::process::Command;

use saferun_testbed::cage::Cage;

use super::programs::installed;

/// A program that runs the lines of its input as commands.
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
}

/// With `|| exit 1` a task that is killed counts as failed; xargs would else stop at once.
const XARGS_LINE: &str = "{} || exit 1";

/// The peers of a memory budget.
pub(super) const PEERS: [Peer; 7] = [
    Peer {
        name: "xargs -P1",
        program: "xargs",
        arguments: &["-P1", "-I{}", "sh", "-c", XARGS_LINE],
    },
    Peer {
        name: "xargs -P2",
        program: "xargs",
        arguments: &["-P2", "-I{}", "sh", "-c", XARGS_LINE],
    },
    Peer {
        name: "xargs -P3",
        program: "xargs",
        arguments: &["-P3", "-I{}", "sh", "-c", XARGS_LINE],
    },
    Peer {
        name: "xargs -P24",
        program: "xargs",
        arguments: &["-P24", "-I{}", "sh", "-c", XARGS_LINE],
    },
    Peer {
        name: "parallel",
        program: "parallel",
        arguments: &[],
    },
    Peer {
        name: "parallel --memfree 100M",
        program: "parallel",
        arguments: &["-j24", "--memfree", "100M"],
    },
    Peer {
        name: "parallel --memsuspend 100M",
        program: "parallel",
        arguments: &["-j24", "--memsuspend", "100M", "--retries", "5"],
    },
];

impl Peer {
    /// Whether it is installed.
    pub(super) fn is_here(&self) -> bool {
        installed(self.program).is_some()
    }

    /// The command that takes the lines from its input, inside the cage.
    pub(super) fn command(&self, cage: &Cage, directory: &Path) -> Command {
        let mut command = cage.command(self.program);
        command.args(self.arguments).current_dir(directory);
        command
    }
}
