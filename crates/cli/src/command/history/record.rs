//! From a run's events to rows of the history.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use saferun_executor::{AttemptEnd, Observer, RunEvent, Say, Task, TaskSource};
use saferun_history::predict::Curve;
use saferun_history::store::{Retention, Writer};
use saferun_history::{End, Ran, Row};

use super::outlook::Outlook;

/// Words of a command that are looked at for files.
const MOST_FILES: usize = 64;
/// How long the end of a run waits for the disk.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// Rows of tasks that have been drawn and have no final state yet, without figures.
type Begun = Arc<Mutex<HashMap<u64, Box<Row>>>>;

/// Hands tasks on and notes what each runs. The executor numbers tasks as they come, from 0 on.
struct Noting {
    source: Box<dyn TaskSource>,
    begun: Begun,
    next: u64,
    template: Option<Vec<String>>,
    here: String,
    outlook: Outlook,
}

impl TaskSource for Noting {
    fn next_task(&mut self) -> Option<Result<Task, String>> {
        let mut next = self.source.next_task()?;
        if let Ok(task) = &mut next {
            let row = self.row(task);
            if task.declared_bytes.is_none() {
                task.hint = self.outlook.hint(&row.question(), task.restartable);
            }
            lock(&self.begun).insert(self.next, Box::new(row));
            self.next += 1;
        }
        Some(next)
    }

    fn count(&self) -> Option<u64> {
        self.source.count()
    }

    fn has_dependencies(&self) -> bool {
        self.source.has_dependencies()
    }
}

impl Noting {
    fn row(&self, task: &Task) -> Row {
        let spec = &task.command;
        let mut command = vec![text(&spec.program)];
        command.extend(spec.args.iter().map(|word| text(word)));
        let items = match self.template {
            Some(_) => vec![text(&task.name)],
            None => Vec::new(),
        };
        let workdir = spec.workdir.as_ref().map(|dir| text(dir.as_os_str()));
        let directory = workdir.as_deref().unwrap_or(&self.here);
        let mut row = Row::of(&Ran {
            command: &command,
            template: self.template.as_deref(),
            items: &items,
            directory,
            agent: task.agent.as_deref(),
        });
        let words = command.iter().skip(1).map(String::as_str);
        row.input_bytes = input_bytes(words, Path::new(directory));
        row
    }
}

/// The reader of a run's events that fills the history. At its end it waits for the disk, and
/// says what went wrong, once.
pub(crate) struct Recorder {
    begun: Begun,
    writer: Option<Writer>,
    run: String,
    tier: String,
    speaks: bool,
}

/// Lets a run be recorded: its source, noted, and the observer that writes what becomes of its
/// tasks. `template` are the words that items are put into, if there are items. Where nothing
/// can be recorded the source comes back as it was, with one warning if `speaks`.
pub(crate) fn record(
    source: Box<dyn TaskSource>,
    template: Option<&[OsString]>,
    retention: Retention,
    speaks: bool,
) -> (Box<dyn TaskSource>, Option<Recorder>) {
    let Some(path) = super::path() else {
        warn(speaks, "neither XDG_STATE_HOME nor HOME is set");
        return (source, None);
    };
    let outlook = Outlook::of(path.clone(), speaks);
    let writer = match Writer::start(path, retention) {
        Ok(writer) => writer,
        Err(error) => {
            warn(speaks, &error.to_string());
            return (source, None);
        }
    };
    let begun = Begun::default();
    let noting = Noting {
        source,
        begun: Arc::clone(&begun),
        next: 0,
        template: template.map(|words| words.iter().map(|word| text(word)).collect()),
        here: std::env::current_dir().map_or_else(|_| String::new(), |dir| text(dir.as_os_str())),
        outlook,
    };
    let recorder = Recorder {
        begun,
        writer: Some(writer),
        run: String::new(),
        tier: String::new(),
        speaks,
    };
    (Box::new(noting), Some(recorder))
}

impl Observer for Recorder {
    fn on(&mut self, event: &RunEvent, _: Duration, _: &mut dyn Say) {
        match event {
            RunEvent::RunStarted { run, tier, .. } => {
                self.run.clone_from(run);
                self.tier = tier.to_string();
            }
            RunEvent::AttemptEnded {
                task,
                attempt,
                end,
                peak_bytes,
                ran,
                cpu,
                curve,
                ..
            } => {
                let Some(end) = ending(end) else { return };
                let Some(mut row) = lock(&self.begun).get(&task.0).map(|row| (**row).clone())
                else {
                    return;
                };
                row.at_ms = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_millis() as i64);
                row.run.clone_from(&self.run);
                row.tier.clone_from(&self.tier);
                row.task = task.0;
                row.attempt = *attempt;
                row.peak_bytes = *peak_bytes;
                row.seconds = ran.as_secs_f64();
                row.cpu_seconds = cpu.as_secs_f64();
                row.curve = curve.map(|steps| Curve::from(steps.map(|s| f32::from(s) / 255.0)));
                row.end = end;
                if let Some(writer) = &mut self.writer {
                    writer.add(row);
                }
            }
            RunEvent::TaskConcluded { task, .. } => {
                lock(&self.begun).remove(&task.0);
            }
            _ => {}
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(warning) = self
            .writer
            .take()
            .and_then(|writer| writer.finish(LAST_WAIT))
        {
            warn(self.speaks, &warning);
        }
    }
}

/// How it ended, for the history; what was never started used nothing.
fn ending(end: &AttemptEnd) -> Option<End> {
    Some(match end {
        AttemptEnd::Exited(status) => End::Exited(*status),
        AttemptEnd::Signaled(signal) => End::Signaled(*signal),
        AttemptEnd::TimedOut => End::TimedOut,
        AttemptEnd::NotStarted(_) => return None,
        AttemptEnd::Victim(_) => End::Victim,
        AttemptEnd::Preempted => End::Preempted,
        AttemptEnd::Stopped => End::Stopped,
        AttemptEnd::GivenUp(_) => End::GivenUp,
    })
}

/// The sizes of those words that are files, added up; words of a line for the shell count too.
pub(super) fn input_bytes<'a>(
    words: impl Iterator<Item = &'a str>,
    directory: &Path,
) -> Option<u64> {
    let mut sum = None;
    let mut seen = Vec::new();
    for word in words
        .flat_map(|word| std::iter::once(word).chain(pieces(word)))
        .filter(|word| !word.is_empty() && !word.starts_with('-'))
        .take(MOST_FILES)
    {
        if seen.contains(&word) {
            continue;
        }
        seen.push(word);
        if let Ok(about) = std::fs::metadata(directory.join(word))
            && about.is_file()
        {
            sum = Some(sum.unwrap_or(0_u64).saturating_add(about.len()));
        }
    }
    sum
}

fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let has_blanks = word.contains(char::is_whitespace);
    word.split_whitespace()
        .map(|piece| piece.trim_matches(['"', '\'', ';']))
        .filter(move |_| has_blanks)
}

/// Bytes as text; what is not UTF-8 shows as the replacement character.
pub(super) fn text(bytes: &OsStr) -> String {
    bytes.to_string_lossy().into_owned()
}

pub(super) fn warn(speaks: bool, cause: &str) {
    if speaks {
        let _ = writeln!(
            std::io::stderr(),
            "saferun: the history is not as it should be: {cause}"
        );
    }
}

fn lock(begun: &Begun) -> MutexGuard<'_, HashMap<u64, Box<Row>>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_among_the_words_are_input() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), b"12345").unwrap();
        std::fs::write(dir.path().join("b c"), b"123").unwrap();
        let of = |words: &[&str]| input_bytes(words.iter().copied(), dir.path());
        assert_eq!(of(&["-k", "a", "b c"]), Some(8));
        assert_eq!(of(&["-c", "sort \"a\" | uniq; cat a"]), Some(5));
        assert_eq!(of(&["nothing", "."]), None);
    }
}
