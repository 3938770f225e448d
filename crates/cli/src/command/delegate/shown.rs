//! What would be done, and what is about to be done.

use std::fmt::Write as _;
use std::io::Write as _;

use saferun_executor::CommandSpec;
use saferun_memory::show;

use super::say;
use crate::artifacts::Status;
use crate::command::dry_run;
use crate::delegate::placeholder::WORKDIR;
use crate::delegate::{Crew, Member};
use crate::error::CliError;
use crate::printable::{name, printable};
use crate::settings::RunSettings;

/// Prints each command on standard output, below a comment that says whose it is and what it
/// waits for. The prompt and the folder are made when an agent starts, so their places are shown.
pub(super) fn commands(crew: &Crew, settings: &RunSettings) -> Result<(), CliError> {
    let mut out = String::new();
    if let Some(why) = &settings.one_by_one {
        let _ = writeln!(out, "# {why}");
    }
    for member in &crew.members {
        let _ = writeln!(out, "# {}", about(member));
        let workdir = std::env::current_dir().unwrap_or_default();
        let workdir = workdir.to_string_lossy();
        let mut words = member
            .words
            .iter()
            .map(|word| word.replace(WORKDIR, &workdir));
        let mut command = CommandSpec::new(words.next().unwrap_or_default(), words);
        let env = member
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        command.env = env.collect();
        out.push_str(&String::from_utf8_lossy(&dry_run::line(&command)));
    }
    let mut to = std::io::stdout().lock();
    to.write_all(out.as_bytes())
        .and_then(|()| to.flush())
        .map_err(|error| CliError::output(&error))
}

/// `code-reviewer-pro: validation, after full-stack-developer (memory 250 MiB; at most 3 at once)`
fn about(member: &Member) -> String {
    let record = &member.record;
    let mut text = format!(
        "{}: {}",
        name(record.id.as_ref()),
        name(record.phase.as_ref())
    );
    if !record.after.is_empty() {
        let ids: Vec<String> = record.after.iter().map(|id| name(id.as_ref())).collect();
        let _ = write!(text, ", after {}", ids.join(", "));
    }
    let mut more = Vec::new();
    if record.status == Status::Done {
        more.push("done already".to_owned());
    }
    if let Some(bytes) = member.memory {
        more.push(format!("memory {}", show(bytes)));
    }
    more.push(format!("at most {} at once", member.at_once));
    let _ = write!(text, " ({})", more.join("; "));
    text
}

/// Says what is about to be done.
pub(super) fn plan(crew: &Crew, request: &str, settings: &RunSettings) {
    say(&printable(request.as_ref(), 200));
    for member in &crew.members {
        say(&format!("  {}", about(member)));
    }
    if let Some(why) = &settings.one_by_one {
        say(why);
    }
}
