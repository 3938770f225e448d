//! `saferun delegate`: a plan, carried out by agents.

mod question;
mod session;
mod shown;

use std::io::Write;
use std::path::Path;

use saferun_executor::RunReport;
use saferun_router::Team;
use serde_json::Value;

use self::question::Consent;
use super::guarded::{self, Guarded};
use super::plan::{self, Wish};
use super::run::{self, Shown};
use crate::args::{AgentModeArgs, DelegateArgs, RunArgs};
use crate::artifacts::{ArtifactSettings, Session, Status, Store, prune};
use crate::delegate::become_agent::become_agent;
use crate::delegate::checkpoint::Checkpoints;
use crate::delegate::{Crew, Recorder, tasks};
use crate::error::{CliError, plain_cause};
use crate::exit::Exit;
use crate::settings::{Configuration, RunSettings};

/// Becomes an agent's program.
pub(super) fn agent(args: &AgentModeArgs) -> Exit {
    Exit::Relayed(become_agent(&args.folder))
}

/// Carries it out.
///
/// # Errors
///
/// The request, a setting or an agent's command is wrong; a program is missing; the run could not
/// be begun or carried on.
pub(super) fn delegate(args: &DelegateArgs) -> Result<Exit, CliError> {
    let run_args = run_args(args);
    let settings = RunSettings::resolve(&run_args)?;
    // Before anything is opened and while this process is small: see `run`.
    let guard = if args.dry_run {
        None
    } else {
        match guarded::enter(&settings) {
            Guarded::Runner(program) => Some(program),
            Guarded::Ended(exit) => return Ok(exit),
        }
    };
    let configuration = Configuration::gather(&args.settings)?;
    let artifacts = ArtifactSettings::of(&configuration)?;
    let store = Store::find()
        .map_err(|error| CliError::system("there is no place for artifacts", error))?;
    let work = match &args.resume {
        Some(named) => Work::resumed(&store, named.as_deref(), args, &configuration)?,
        None => Work::planned(args, &configuration)?,
    };
    if args.dry_run {
        shown::commands(&work.crew, &settings)?;
        work.crew.check_programs()?;
        return Ok(Exit::Success);
    }
    work.crew.check_programs()?;
    let shows = Shown::choose(&settings);
    if shows != Shown::Json {
        settings
            .warnings
            .iter()
            .chain(&work.notes)
            .for_each(|text| say(text));
        shown::plan(&work.crew, &work.request, &settings);
    }
    if question::ask(work.crew.members.len(), args.yes) == Consent::Refused {
        say("nothing was started, as you said");
        return Ok(Exit::Success);
    }
    let (session, _in_use) = match work.session {
        Some((session, lock)) => {
            session::go_on(&session)?;
            (session, lock)
        }
        None => session::begin(&store, &work.request, work.plan.clone(), &work.crew)?,
    };
    tell_pruned(&store, &artifacts, shows);
    if shows != Shown::Json {
        say(&format!(
            "session {} in {}",
            session.id,
            crate::settings::path(&session.directory)
        ));
    }
    let result = carry_out(
        &session,
        &work.crew,
        &work.request,
        &settings,
        &artifacts,
        args,
        shows,
        guard,
    );
    let status = match &result {
        Ok(report) => standing(report),
        Err(_) => Status::Failed,
    };
    let noted = session::end(&session, status);
    let report = result?;
    noted?;
    if status != Status::Done && shows != Shown::Json {
        session::tell_rest(&session)?;
    }
    Ok(Exit::of_report(&report))
}

/// What is to be carried out.
struct Work {
    request: String,
    crew: Crew,
    plan: Value,
    notes: Vec<String>,
    session: Option<(Session, crate::artifacts::store::InUse)>,
}

impl Work {
    fn planned(args: &DelegateArgs, configuration: &Configuration) -> Result<Self, CliError> {
        let wish = Wish {
            request: &args.request,
            files: &args.file,
            revision: args.diff.as_deref(),
            agent: args.agent.as_deref(),
        };
        let planned = plan::made(&wish, configuration)?;
        let records = Crew::records(&planned.plan);
        let request = planned.plan.request.clone();
        Ok(Self {
            crew: crew(records, &planned.team, configuration, &request)?,
            plan: serde_json::to_value(&planned.plan).unwrap_or_default(),
            notes: planned.notes,
            request,
            session: None,
        })
    }

    fn resumed(
        store: &Store,
        named: Option<&str>,
        args: &DelegateArgs,
        configuration: &Configuration,
    ) -> Result<Self, CliError> {
        if !args.request.is_empty() {
            return Err(CliError::usage(
                "--resume goes on with the request of its session",
                "leave the request out; --resume=SESSION names a session",
            ));
        }
        let (session, lock) = session::unfinished(store, named)?;
        let manifest = session::catch_up(&session)?;
        let team = plan::team(configuration)?;
        Ok(Self {
            crew: crew(manifest.agents, &team, configuration, &manifest.request)?,
            plan: manifest.plan,
            notes: Vec::new(),
            request: manifest.request,
            session: Some((session, lock)),
        })
    }
}

fn crew(
    records: Vec<crate::artifacts::AgentRecord>,
    team: &Team,
    configuration: &Configuration,
    request: &str,
) -> Result<Crew, CliError> {
    let common = configuration.layer.agent_command.as_ref();
    Crew::new(
        records,
        team,
        common.map(|words| words.value.as_slice()),
        request,
    )
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is another thing that the run needs"
)]
fn carry_out(
    session: &Session,
    crew: &Crew,
    request: &str,
    settings: &RunSettings,
    artifacts: &ArtifactSettings,
    args: &DelegateArgs,
    shows: Shown,
    guard: Option<saferun_executor::GuardProgram>,
) -> Result<RunReport, CliError> {
    let failed = |error| CliError::system("the agents' folders can't be made", error);
    let made = tasks::tasks(crew, session, request, artifacts.digest).map_err(failed)?;
    let checkpoints = Checkpoints::new(if args.recycle {
        session.directory.parent().map(Path::to_path_buf)
    } else {
        None
    });
    let limit = artifacts.digest;
    let (recorder, recording) =
        Recorder::start(session, made.ids, limit, checkpoints, shows != Shown::Json)
            .map_err(|error| CliError::system("no thread for the record", error))?;
    let result = run::execute(
        settings,
        Box::new(made.tasks),
        false,
        shows,
        guard,
        Some(Box::new(recorder)),
    );
    for line in recording.finish().iter().filter(|_| shows != Shown::Json) {
        say(line);
    }
    result
}

fn standing(report: &RunReport) -> Status {
    match Exit::of_report(report) {
        Exit::Success => Status::Done,
        Exit::Interrupted | Exit::Terminated | Exit::HungUp => Status::Interrupted,
        _ => Status::Failed,
    }
}

fn tell_pruned(store: &Store, artifacts: &ArtifactSettings, shows: Shown) {
    match prune::prune(store, artifacts) {
        Ok(gone) if gone.is_empty() => {}
        Ok(gone) if shows != Shown::Json => {
            let bytes = gone
                .iter()
                .fold(0_u64, |sum, expired| sum.saturating_add(expired.bytes));
            say(&format!(
                "pruned {} old sessions with {}",
                gone.len(),
                saferun_memory::show(bytes)
            ));
        }
        Ok(_) => {}
        // Old things that stay are no reason not to work.
        Err(error) => say(&format!(
            "old sessions can't be pruned: {}",
            plain_cause(&error)
        )),
    }
}

fn run_args(args: &DelegateArgs) -> RunArgs {
    RunArgs {
        command: Vec::new(),
        settings: args.settings.clone(),
        keep_order: false,
        tag: false,
        line_buffer: false,
        arg_file: None,
        file: None,
        null: false,
        dry_run: args.dry_run,
        progress: args.progress,
        json: args.json.clone(),
        verbose: args.verbose,
        containment: args.containment,
        order: None,
    }
}

fn say(text: &str) {
    // Nobody to tell when standard error is gone.
    let _ = writeln!(std::io::stderr(), "saferun: {text}");
}
