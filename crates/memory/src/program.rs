//! Which program a process is: its executable, and the script where that is an interpreter.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::census::Process;
use crate::roots::Roots;

/// Programs that run others' scripts, by the beginning of their name.
const INTERPRETERS: [&str; 8] = [
    "node", "nodejs", "bun", "deno", "python", "ruby", "java", "php",
];

/// Which program a process is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// The executable's file name. Of what it calls itself only where the executable can't be
    /// seen.
    pub executable: OsString,
    /// The script (or module, or archive) that an interpreter runs.
    pub script: Option<PathBuf>,
}

impl Program {
    /// Of a process, by its executable.
    pub fn of(process: &Process, roots: &Roots) -> Self {
        let link = roots.proc.join(format!("{}/exe", process.id.pid));
        let executable = std::fs::read_link(link)
            .ok()
            .and_then(|path| path.file_name().map(strip_deleted))
            .unwrap_or_else(|| process.called().to_owned());
        Self::named(executable, &process.arguments)
    }

    /// Of a process, by what it says of itself: cheaper, for show alone.
    pub fn said_by(process: &Process) -> Self {
        Self::named(process.called().to_owned(), &process.arguments)
    }

    fn named(executable: OsString, arguments: &[OsString]) -> Self {
        let script = is_interpreter(&executable)
            .then(|| script(arguments))
            .flatten();
        Self { executable, script }
    }

    /// A short name for people: the script's, if it tells more than the interpreter's.
    pub fn short(&self) -> OsString {
        let Some(script) = &self.script else {
            return self.executable.clone();
        };
        let mut name = self.executable.clone();
        name.push(" ");
        name.push(script.file_name().unwrap_or(script.as_os_str()));
        name
    }
}

/// A program that was replaced on disk while it runs shows so in its link.
fn strip_deleted(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    OsStr::from_bytes(bytes.strip_suffix(b" (deleted)").unwrap_or(bytes)).to_owned()
}

/// `python3.11` and `ruby2.7` are; `nodemon` isn't.
fn is_interpreter(executable: &OsStr) -> bool {
    let Some(name) = executable.to_str() else {
        return false;
    };
    INTERPRETERS.iter().any(|known| {
        name.strip_prefix(known)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    })
}

/// The first argument that is no option; after `-m` or `-jar` what follows it. Where an option
/// takes a value of its own this is wrong, and matches nothing that it should not: a rule names
/// scripts whole.
fn script(arguments: &[OsString]) -> Option<PathBuf> {
    let mut rest = arguments.iter().skip(1);
    while let Some(argument) = rest.next() {
        match argument.as_bytes() {
            b"-m" | b"-jar" => return rest.next().map(PathBuf::from),
            b"-c" | b"-e" | b"--eval" | b"-p" | b"--print" => return None,
            [b'-', ..] => {}
            _ => return Some(Path::new(argument).to_owned()),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(arguments: &[&str]) -> Program {
        let arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
        let executable = Path::new(&arguments[0]).file_name().unwrap_or_default();
        Program::named(executable.to_owned(), &arguments)
    }

    #[test]
    fn scripts_are_found_behind_interpreters_alone() {
        for (arguments, short) in [
            (
                &["/usr/bin/node", "--inspect", "/a/server.js", "x"][..],
                "node server.js",
            ),
            (&["python3.11", "-m", "pylsp"], "python3.11 pylsp"),
            (&["java", "-Xmx1g", "-jar", "/x/ls.jar"], "java ls.jar"),
            (&["node", "-e", "server.js"], "node"),
            (&["nodemon", "server.js"], "nodemon"),
            (&["vim", "server.js"], "vim"),
        ] {
            assert_eq!(program(arguments).short(), short);
        }
    }
}
