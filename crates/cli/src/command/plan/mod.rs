//! `saferun plan`: what would be done about a request, by whom, and whether side by side.

mod answer;
mod lines;
mod project;
mod touched;

use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use saferun_router::{Circumstances, Plan, Team, TeamError};

use crate::args::values::Jobs;
use crate::args::{PlanArgs, SettingsArgs};
use crate::error::CliError;
use crate::exit::Exit;
use crate::settings::{Configuration, Key, Source};

pub(super) use project::{MAP, Project};

/// Answers on standard output.
///
/// # Errors
///
/// A rule, a setting or an agent is wrong, git can't be asked, or standard output can't be written.
pub(crate) fn plan(args: &PlanArgs) -> Result<Exit, CliError> {
    let configuration = Configuration::gather(&SettingsArgs {
        jobs: args.jobs,
        threshold: args.threshold,
        profile: args.profile.clone(),
        ..SettingsArgs::default()
    })?;
    let mut out = std::io::stdout().lock();
    if args.lines {
        let parallel = of(&configuration.layer.parallel).unwrap_or(false);
        let router = Project::find().router()?;
        lines::answer(std::io::stdin().lock(), &mut out, &router, parallel)?;
        return Ok(Exit::Success);
    }
    let wish = Wish {
        request: &args.request,
        files: &args.file,
        revision: args.diff.as_deref(),
        agent: args.agent.as_deref(),
    };
    let made = made(&wish, &configuration)?;
    let text = if args.json || !out.is_terminal() {
        answer::json(&made.plan, &configuration)?
    } else {
        answer::text(&made.plan)
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    for warning in configuration.warnings().chain(made.notes) {
        // Whoever doesn't read notes loses nothing by it.
        let _ = writeln!(std::io::stderr(), "note: {warning}");
    }
    Ok(Exit::Success)
}

/// What is asked for.
pub(super) struct Wish<'a> {
    /// In words.
    pub(super) request: &'a [OsString],
    /// Files that will be touched.
    pub(super) files: &'a [PathBuf],
    /// What has changed since then is touched as well.
    pub(super) revision: Option<&'a OsStr>,
    /// Who shall do it.
    pub(super) agent: Option<&'a str>,
}

/// A plan and what it is made of.
pub(super) struct Made {
    /// The plan.
    pub(super) plan: Plan,
    /// All agents.
    pub(super) team: Team,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Makes a plan.
///
/// # Errors
///
/// A rule, a setting or an agent is wrong, or git can't be asked.
pub(super) fn made(wish: &Wish<'_>, configuration: &Configuration) -> Result<Made, CliError> {
    let project = Project::find();
    let router = project.router()?;
    let request = words(wish.request);
    if request.trim().is_empty() {
        return Err(CliError::usage(
            "the request is empty",
            "saferun plan \"Add a button\"",
        ));
    }
    let mut touched = touched::named(wish.files);
    if let Some(revision) = wish.revision {
        touched.extend(touched::changed_since(revision)?);
    }
    let team = project.team(configuration)?;
    let circumstances = Circumstances {
        parallel: of(&configuration.layer.parallel).unwrap_or(false),
        parallel_source: source(configuration, Key::Parallel),
        concurrency: match of(&configuration.layer.concurrency) {
            Some(Jobs::Count(count)) => u32::try_from(count.get()).ok(),
            _ => None,
        },
        memory_threshold_mb: threshold(configuration),
        least_confidence: router.least_confidence(),
        primary: wish.agent.map(str::to_owned),
    };
    let verdict = router.classify(&request);
    let plan = Plan::new(&request, &verdict, &touched, &team, &circumstances);
    Ok(Made {
        plan: plan.map_err(|error| wrong_team(&error))?,
        team,
        notes: project.notes(),
    })
}

/// The words as one text. What is not UTF-8 can't be understood anyway.
fn words(request: &[OsString]) -> String {
    let words = request.iter().map(|word| word.to_string_lossy());
    words.collect::<Vec<_>>().join(" ")
}

/// What stands in the way of a team.
pub(super) fn wrong_team(error: &TeamError) -> CliError {
    let fix = match error {
        TeamError::UnknownAgent { agent, .. } => {
            format!("describe it in saferun.toml under [agents.{agent}], or see saferun agents")
        }
        TeamError::Cycle(_) | TeamError::UnknownPhase { .. } => {
            String::from("mend `after` of the phases in .saferun/agents.toml")
        }
        _ => String::from("mend the file; docs/router.md tells its form"),
    };
    CliError::usage(error.to_string(), fix)
}

/// All agents and rules of this project.
pub(super) fn team(configuration: &Configuration) -> Result<Team, CliError> {
    Project::find().team(configuration)
}

fn of<T: Copy>(sourced: &Option<crate::settings::Sourced<T>>) -> Option<T> {
    sourced.as_ref().map(|sourced| sourced.value)
}

fn source(configuration: &Configuration, key: Key) -> String {
    let written = configuration.layer.written(key);
    written.map_or_else(
        || Source::BuiltIn.to_string(),
        |(_, source)| source.to_string(),
    )
}

fn threshold(configuration: &Configuration) -> u64 {
    let written = configuration.layer.written(Key::MemoryThreshold);
    written
        .and_then(|(value, _)| value.as_u64())
        .unwrap_or_default()
}
