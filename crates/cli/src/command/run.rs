//! `saferun run`: from settings and tasks to a run and its exit code.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use saferun_executor::{
    GuardProgram, Observer, RunError, RunOptions, RunReport, Sinks, TaskSource,
};
use saferun_scheduler::Strategy;

use super::dry_run;
use super::guarded::{self, Guarded};
use super::history;
use crate::args::{ProgressArg, RunArgs};
use crate::error::{CliError, plain_cause};
use crate::exit::Exit;
use crate::items::{CommandLine, Work};
use crate::observe::{
    Bar, Json, JsonFile, Observers, Plain, Steps, Summary, Terminal, Verbose, plain_writer,
};
use crate::printable::printable;
use crate::settings::{JsonTarget, RunSettings};

/// Runs it.
///
/// # Errors
///
/// The command line or its input is wrong, or the run could not be begun or carried on.
pub(super) fn run(args: &RunArgs) -> Result<Exit, CliError> {
    let settings = RunSettings::resolve(args)?;
    // Before anything is opened and while this process is small: the guard may become the parent
    // of all that follows, and then this very command line is read once more below it.
    let guard = if args.dry_run {
        None
    } else {
        match guarded::enter(&settings) {
            Guarded::Runner(program) => Some(program),
            Guarded::Ended(exit) => return Ok(exit),
        }
    };
    let line = CommandLine {
        command: &args.command,
        file: args.arg_file.as_deref(),
        tasks: args.file.as_deref(),
        null: args.null,
    };
    let mut work = Work::new(line, settings.rights)?;
    if args.dry_run {
        return dry_run::dry_run(work.source.streamed());
    }
    let shown = Shown::choose(&settings);
    if shown != Shown::Json {
        hints(&settings, &mut work);
    }
    let mut unread = work.unread.take();
    let template = template_words(args, &work);
    // Before the signals are taken: whoever tires of typing ends it as any other program.
    let source = if needs_count(&settings) {
        work.source.counted()?
    } else {
        work.source.streamed()
    };
    let (source, recorder) = if settings.history {
        history::record(
            source,
            template,
            history::kept_for(settings.history_days),
            shown != Shown::Json,
        )
    } else {
        (source, None)
    };
    let observer = recorder.map(|recorder| Box::new(recorder) as Box<dyn Observer>);
    let report = execute(&settings, source, work.once, shown, guard, observer)?;
    if shown != Shown::Json && Exit::of_report(&report) == Exit::Success && report.done == 0 {
        say("no items, nothing to run");
    }
    if shown != Shown::Json
        && let Some(text) = unread.as_mut().and_then(|unread| unread.line())
    {
        say(text);
    }
    Ok(Exit::of_report(&report))
}

/// Whether the list is counted before the first task runs: what is said of each batch, and of
/// each of the tasks that run one by one, needs the count.
fn needs_count(settings: &RunSettings) -> bool {
    match settings.strategy {
        Strategy::Batch => true,
        Strategy::Sequential => settings.verbose,
        Strategy::Continuous | Strategy::Unlimited => false,
    }
}

/// The words that items are put into, where a run has items.
fn template_words<'a>(args: &'a RunArgs, work: &Work) -> Option<&'a [OsString]> {
    if work.once || args.file.is_some() {
        return None;
    }
    let words = args.command.split(|word| word == ":::").next()?;
    (!words.is_empty()).then_some(words)
}

/// How a run is shown on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// A bar, and lines on what is notable.
    Bar,
    /// Lines now and then.
    Plain,
    /// The summary only.
    Nothing,
    /// Every event, in words.
    Verbose,
    /// Every event, as JSON, and nothing else.
    Json,
}

impl Shown {
    pub(super) fn choose(settings: &RunSettings) -> Self {
        if settings.json == Some(JsonTarget::Stderr) {
            return Shown::Json;
        }
        if settings.verbose {
            return Shown::Verbose;
        }
        match settings.progress {
            ProgressArg::None => Shown::Nothing,
            ProgressArg::Plain => Shown::Plain,
            // A bar needs a terminal, whoever asks for it.
            ProgressArg::Auto | ProgressArg::Bar if std::io::stderr().is_terminal() => Shown::Bar,
            ProgressArg::Auto | ProgressArg::Bar => Shown::Plain,
        }
    }
}

/// What a user may want to know before it begins.
fn hints(settings: &RunSettings, work: &mut Work) {
    for warning in &settings.warnings {
        say(warning);
    }
    if let Some(why) = settings.one_by_one.as_deref().filter(|_| !work.once) {
        say(why);
    }
    if settings.strategy == Strategy::Unlimited {
        say("--strategy unlimited ignores memory: tasks may be killed by the kernel");
    }
    if work.typed {
        say("reading items from the terminal, one a line; end with Ctrl-D");
    }
    if let Some(text) = work.unread.as_mut().and_then(|unread| unread.line()) {
        say(text);
    }
}

/// Runs the tasks on a runtime of one thread.
///
/// `once` says that there is one task and no items; `observer` is told of each event after all
/// others.
pub(super) fn execute(
    settings: &RunSettings,
    source: Box<dyn TaskSource>,
    once: bool,
    shown: Shown,
    guard: Option<GuardProgram>,
    observer: Option<Box<dyn Observer>>,
) -> Result<RunReport, CliError> {
    let failed = |what| move |cause| CliError::Run(RunError::System { what, cause });
    let mut observers = Observers::default();
    if let Some(JsonTarget::File(path)) = &settings.json {
        observers.add(Json::to_file(JsonFile::create(path).map_err(|error| {
            CliError::usage(
                format!(
                    "'{}' can't be written: {}",
                    printable(path.as_os_str(), 60),
                    plain_cause(&error)
                ),
                "give --json=FILE a file that can be written, or --json alone for standard error",
            )
        })?));
    }
    let mut terminal = None;
    match shown {
        Shown::Bar => {
            let opened = Terminal::open().map_err(failed("the terminal can't be opened"))?;
            observers.add(Plain::beside_a_bar());
            observers.add(Bar::new(opened.text()));
            terminal = Some(opened);
        }
        Shown::Plain => observers.add(Plain::new()),
        Shown::Verbose => observers.add(Verbose::default()),
        Shown::Json => observers.add(Json::to_stderr()),
        Shown::Nothing => {}
    }
    if shown != Shown::Json {
        observers.add(Steps::new(shown == Shown::Verbose));
        observers.add(Summary::new(once, shown != Shown::Nothing));
    }
    if let Some(observer) = observer {
        observers.add_boxed(observer);
    }
    let sinks = sinks(terminal.as_ref()).map_err(failed("the output can't be opened"))?;
    let options = RunOptions {
        strategy: settings.strategy,
        preempt: settings.preempt,
        order: settings.order,
        concurrency: settings.concurrency,
        threshold: settings.threshold,
        memory: settings.memory,
        reserve: settings.reserve,
        assumed_bytes: settings.task_memory,
        halt: settings.halt,
        grace: settings.grace,
        output: settings.output,
        sinks,
        containment: settings.containment,
        isolation: settings.isolation,
        guard,
        handle_signals: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed("the runtime can't be started"))?;
    let result = runtime.block_on(saferun_executor::run(source, options, &mut observers));
    // Threads that still read input or write output are not waited for: the reader at the other
    // end may never come.
    runtime.shutdown_background();
    drop(observers);
    drop(terminal);
    result.map_err(CliError::Run)
}

fn sinks(terminal: Option<&Terminal>) -> std::io::Result<Sinks> {
    let (stdout, stderr) = (std::io::stdout(), std::io::stderr());
    Ok(match terminal {
        Some(terminal) => Sinks {
            stdout: terminal.writer(stdout)?,
            stderr: terminal.writer(stderr)?,
        },
        None => Sinks {
            stdout: plain_writer(stdout.as_fd().try_clone_to_owned()?)?,
            stderr: plain_writer(stderr.as_fd().try_clone_to_owned()?)?,
        },
    })
}

/// A line outside of the run's own time.
fn say(text: &str) {
    // Nobody to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "saferun: {text}");
}
