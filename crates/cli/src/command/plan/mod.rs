//! `saferun plan`: what would be done about a request, by whom, and whether side by side.

mod answer;
mod lines;
mod project;
mod touched;

use std::io::{IsTerminal, Write};

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
    let project = Project::find();
    let router = project.router()?;
    let parallel = of(&configuration.layer.parallel).unwrap_or(false);
    let mut out = std::io::stdout().lock();
    if args.lines {
        lines::answer(std::io::stdin().lock(), &mut out, &router, parallel)?;
        return Ok(Exit::Success);
    }
    let request = words(args);
    if request.trim().is_empty() {
        return Err(CliError::usage(
            "the request is empty",
            "saferun plan \"Add a button\"",
        ));
    }
    let mut touched = touched::named(&args.file);
    if let Some(revision) = &args.diff {
        touched.extend(touched::changed_since(revision)?);
    }
    let team = project.team(&configuration)?;
    let circumstances = Circumstances {
        parallel,
        parallel_source: source(&configuration, Key::Parallel),
        concurrency: match of(&configuration.layer.concurrency) {
            Some(Jobs::Count(count)) => u32::try_from(count.get()).ok(),
            _ => None,
        },
        memory_threshold_mb: threshold(&configuration),
        least_confidence: router.least_confidence(),
        primary: args.agent.clone(),
    };
    let verdict = router.classify(&request);
    let plan = Plan::new(&request, &verdict, &touched, &team, &circumstances);
    let plan = plan.map_err(|error| wrong_team(&error))?;
    let text = if args.json || !out.is_terminal() {
        answer::json(&plan, &configuration)?
    } else {
        answer::text(&plan)
    };
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| CliError::output(&error))?;
    for warning in configuration.warnings().chain(project.notes()) {
        // Whoever doesn't read notes loses nothing by it.
        let _ = writeln!(std::io::stderr(), "note: {warning}");
    }
    Ok(Exit::Success)
}

/// The words as one text. What is not UTF-8 can't be understood anyway.
fn words(args: &PlanArgs) -> String {
    let words = args.request.iter().map(|word| word.to_string_lossy());
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
