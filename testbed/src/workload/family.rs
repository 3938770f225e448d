//! Processes that start others, and ways to slip away from whoever is in charge.
//!
//! Every process here ends by itself when its time is over, so that a failing test leaves nothing.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::process::{getpid, setsid};

use super::Stay;
use super::pages::Pages;
use crate::survivors::VARIABLE;

/// How long one process of a storm lives. Shorter, and the machine does nothing else.
const REIGN: Duration = Duration::from_millis(20);

/// The way to run this very program with other arguments.
pub(super) struct Again {
    words: Vec<OsString>,
}

impl Again {
    /// From the real command line less its last `own` words.
    pub(super) fn before(own: usize) -> Self {
        let mut words: Vec<OsString> = env::args_os().collect();
        words.truncate(words.len().saturating_sub(own));
        Self { words }
    }

    fn program(&self) -> io::Result<PathBuf> {
        env::current_exe()
    }

    fn arguments(&self, work: &str, stay: &Stay) -> Vec<OsString> {
        let mut words: Vec<OsString> = self.words.iter().skip(1).cloned().collect();
        words.push(work.into());
        words.push("--seconds".into());
        words.push(stay.seconds.as_secs_f64().to_string().into());
        words.push("--memory".into());
        words.push(stay.memory.to_string().into());
        words
    }

    /// Starts a process that maps what is shared under this path.
    pub(super) fn attach(&self, path: &Path, time: Duration) -> io::Result<Child> {
        Command::new(self.program()?)
            .args(self.words.iter().skip(1))
            .arg("attach")
            .arg(path)
            .args(["--seconds", &time.as_secs_f64().to_string()])
            .spawn()
    }

    fn command(&self, work: &str, stay: &Stay) -> io::Result<Command> {
        let mut command = Command::new(self.program()?);
        command.args(self.arguments(work, stay));
        Ok(command)
    }
}

/// Stays alive.
pub(super) fn stay(stay: &Stay) -> io::Result<()> {
    let _held = match usize::try_from(stay.memory) {
        Ok(0) => None,
        Ok(bytes) => Some(Pages::touched(bytes)?),
        Err(_) => return Err(io::ErrorKind::OutOfMemory.into()),
    };
    thread::sleep(stay.seconds);
    Ok(())
}

/// Becomes a process that ignores TERM, INT and HUP: what a shell ignores stays ignored across
/// `exec`.
pub(super) fn deaf(again: &Again, stay: &Stay) -> io::Result<()> {
    Err(deaf_command(again, stay)?.exec())
}

fn deaf_command(again: &Again, stay: &Stay) -> io::Result<Command> {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"trap "" TERM INT HUP; exec "$@""#, "sh"])
        .arg(again.program()?)
        .args(again.arguments("stay", stay));
    Ok(command)
}

/// Leaves a daemon behind, with its descriptors on `/dev/null` as a daemon should.
pub(super) fn daemon(again: &Again, stay: &Stay) -> io::Result<()> {
    silenced(again.command("forsake", stay)?).spawn()?;
    Ok(())
}

/// The middle of a double fork: founds a session, leaves a process in it and exits.
pub(super) fn forsake(again: &Again, stay: &Stay) -> io::Result<()> {
    leave_session()?;
    again.command("stay", stay)?.spawn()?;
    Ok(())
}

/// Stays alive in a session of its own; a leader of a group can't found one, so its child does.
pub(super) fn own_session(again: &Again, wanted: &Stay) -> io::Result<()> {
    match setsid() {
        Ok(_) => stay(wanted),
        Err(rustix::io::Errno::PERM) => {
            again.command("setsid", wanted)?.status()?;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn leave_session() -> io::Result<()> {
    match setsid() {
        Ok(_) => Ok(()),
        // Only a group's leader is refused, and it leads a group of its own already.
        Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Starts the lines of succession and stays alive beside them.
pub(super) fn storm(again: &Again, members: u32, wanted: &Stay) -> io::Result<()> {
    let until = since_epoch() + wanted.seconds.as_millis();
    for _ in 0..members {
        successor(again, until)?;
    }
    stay(wanted)
}

/// Lives for a moment, leaves a successor and dies.
pub(super) fn reign(again: &Again, until: u128) -> io::Result<()> {
    thread::sleep(REIGN);
    if since_epoch() < until {
        successor(again, until)?;
    }
    Ok(())
}

fn successor(again: &Again, until: u128) -> io::Result<()> {
    Command::new(again.program()?)
        .args(again.words.iter().skip(1))
        .args(["reign", "--until", &until.to_string()])
        .spawn()?;
    Ok(())
}

/// Leaves by every way there is without privileges, and stays alive itself.
pub(super) fn escape(again: &Again, wanted: &Stay) -> io::Result<()> {
    // A session of its own.
    again.command("setsid", wanted)?.spawn()?;
    // A double fork.
    again.command("daemon", wanted)?.spawn()?;
    // Deaf to friendly signals, in a group of its own.
    deaf_command(again, wanted)?.process_group(0).spawn()?;
    // Adopted by nobody, with an empty environment but for the mark by which a test finds it.
    let mut nameless = silenced(again.command("forsake", wanted)?);
    nameless.env_clear();
    if let Some(mark) = env::var_os(VARIABLE) {
        nameless.env(VARIABLE, mark);
    }
    nameless.spawn()?;
    // In the background of a shell that exits.
    Command::new("sh")
        .args(["-c", r#"("$@" &)"#, "sh"])
        .arg(again.program()?)
        .args(again.arguments("stay", wanted))
        .spawn()?;
    // Stopped, where only KILL is heard; which comes in the end, for the sake of failing tests.
    Command::new("sh")
        .args(["-c", r#"(sleep "$0"; kill -KILL $$) & kill -STOP $$"#])
        .arg(wanted.seconds.as_secs_f64().to_string())
        .spawn()?;
    println!("escape: {}", getpid().as_raw_nonzero());
    stay(wanted)
}

fn silenced(mut command: Command) -> Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn since_epoch() -> u128 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |since| since.as_millis())
}
