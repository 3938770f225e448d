//! The plan: who does the work, in which order, and whether side by side.

use serde::Serialize;

use crate::category::{Category, Mode};
use crate::router::{Evidence, Verdict};
use crate::team::{Team, TeamError, Touched};

/// What a plan follows beside the request: settings, as they are in force.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Whether work may run side by side at all.
    pub parallel: bool,
    /// Where that was said, in words such as `SAFE_PARALLEL in the environment`.
    pub parallel_source: String,
    /// How many at once; `None` leaves it to memory.
    pub concurrency: Option<u32>,
    /// In MB.
    pub memory_threshold_mb: u64,
    /// The least confidence that the router asks for.
    pub least_confidence: f64,
    /// Who shall do it, when somebody has said so.
    pub primary: Option<String>,
}

/// What is to be done about a request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The request.
    pub request: String,
    /// Whether the work runs beside other work.
    pub execution_mode: Mode,
    /// Why, in one sentence.
    pub rationale: String,
    /// What kind of work it is.
    pub category: Category,
    /// How certain that is, from 0.5 to 1.
    pub confidence: f64,
    /// How likely it is that the work is dependent, from 0 to 1.
    pub dependent_score: f64,
    /// What spoke for the category.
    pub evidence: Vec<Evidence>,
    /// Who does the work.
    pub primary_agent: String,
    /// Who looks at it afterwards.
    pub secondary_agents: Vec<String>,
    /// What chose them.
    pub chosen_by: String,
    /// The order.
    pub phases: Vec<Phase>,
    /// How many agents run at once at most.
    pub concurrency: u32,
    /// Above which use of memory the rest runs one by one, in MB.
    pub memory_threshold_mb: u64,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// Who works in it.
    pub agents: Vec<String>,
    /// Whether they work side by side.
    pub mode: Mode,
    /// How many of them at once.
    pub concurrency: u32,
    /// The phases that must be over before it begins.
    pub waits_for: Vec<String>,
}

impl Plan {
    /// Makes a plan from what the words say, what is touched, and what is set.
    ///
    /// # Errors
    ///
    /// The team asks for somebody unknown, or its phases wait in a circle.
    pub fn new(
        request: &str,
        verdict: &Verdict,
        touched: &[Touched],
        team: &Team,
        circumstances: &Circumstances,
    ) -> Result<Self, TeamError> {
        team.check()?;
        let dependence = team.dependence(touched);
        let mut evidence = verdict.evidence.clone();
        let (mut category, mut confidence, mut score) = (
            verdict.category,
            verdict.confidence,
            verdict.dependent_score,
        );
        if let Some(dependence) = &dependence {
            if !category.is_dependent() {
                category = dependence.category;
            }
            (confidence, score) = (1.0, 1.0);
            let touch = Evidence {
                words: dependence.path.clone(),
                rule: format!("touched: {}", dependence.rule),
                category: dependence.category,
                weight: 20.0,
            };
            evidence.insert(0, touch);
        }
        let tolerates = dependence.is_none() && verdict.mode == Mode::Parallel;
        let parallel = tolerates && circumstances.parallel;
        let mut rationale = match &dependence {
            Some(dependence) => format!(
                "Dependent work: {} ({}), so nothing may run beside it",
                dependence.why, dependence.path
            ),
            None => why(verdict, circumstances),
        };
        if let Some(bytes) = verdict.cut_to_bytes {
            rationale.push_str(&format!(
                "; of the request only the first {bytes} bytes were read"
            ));
        }
        let chosen = team.choose(request, category, touched);
        let primary = circumstances.primary.clone().unwrap_or(chosen.primary);
        if team.agent(&primary).is_none() {
            return Err(TeamError::UnknownAgent {
                entry: String::from("the plan"),
                agent: primary,
            });
        }
        let mut secondary = chosen.validators;
        secondary.retain(|agent| *agent != primary);
        let mode = if parallel {
            Mode::Parallel
        } else {
            Mode::Sequential
        };
        let phases = phases(
            &primary,
            &secondary,
            category,
            mode,
            team,
            circumstances.concurrency,
        )?;
        let concurrency = phases
            .iter()
            .map(|phase| phase.concurrency)
            .max()
            .unwrap_or(1);
        Ok(Self {
            request: request.to_owned(),
            execution_mode: mode,
            rationale,
            category,
            confidence,
            dependent_score: score,
            evidence,
            primary_agent: primary,
            secondary_agents: secondary,
            chosen_by: chosen.why,
            phases,
            concurrency,
            memory_threshold_mb: circumstances.memory_threshold_mb,
        })
    }
}

/// Why work runs the way it does, where only words and settings decide.
fn why(verdict: &Verdict, circumstances: &Circumstances) -> String {
    if verdict.is_uncertain {
        return format!(
            "It is not certain enough what is asked for (confidence {:.2}, at least {:.2} is needed), so nothing runs beside it",
            verdict.confidence, circumstances.least_confidence
        );
    }
    let what = match verdict.category {
        Category::Migration => "schema and data changes must not run beside other work",
        Category::Refactor => {
            "code that moves or changes its name must not be worked on elsewhere meanwhile"
        }
        Category::Breaking => "what others rely on changes, so nothing may run beside it",
        _ if circumstances.parallel => {
            return String::from("Independent validation agents can run concurrently");
        }
        _ => {
            return format!(
                "The work is independent; the setting, not the work, makes it sequential (SAFE_PARALLEL is not on: {})",
                circumstances.parallel_source
            );
        }
    };
    match verdict.evidence.first() {
        Some(evidence) => format!("Dependent work (\"{}\"): {what}", evidence.words),
        None => format!("Dependent work: {what}"),
    }
}

fn phases(
    primary: &str,
    secondary: &[String],
    category: Category,
    mode: Mode,
    team: &Team,
    most: Option<u32>,
) -> Result<Vec<Phase>, TeamError> {
    let written = team.ordered_phases(Some(category))?;
    if !written.is_empty() {
        let names: Vec<&str> = written.iter().map(|phase| phase.name.as_str()).collect();
        let one = |phase: &&crate::team::PhaseEntry| {
            let waits = phase
                .after
                .iter()
                .filter(|name| names.contains(&name.as_str()));
            together(
                &phase.name,
                &phase.agents,
                mode,
                most,
                waits.cloned().collect(),
            )
        };
        let mut all: Vec<Phase> = written.iter().map(one).collect();
        if mode == Mode::Sequential {
            // Dependent work is one phase after another, whatever else they wait for.
            for (phase, before) in all.iter_mut().skip(1).zip(&written) {
                if !phase.waits_for.contains(&before.name) {
                    phase.waits_for.push(before.name.clone());
                }
            }
        }
        return Ok(all);
    }
    let first = together(
        "work",
        &[primary.to_owned()],
        Mode::Sequential,
        most,
        Vec::new(),
    );
    let mut all = vec![first];
    if mode == Mode::Parallel {
        if !secondary.is_empty() {
            all.push(together(
                "validation",
                secondary,
                mode,
                most,
                vec![String::from("work")],
            ));
        }
    } else {
        for agent in secondary {
            let before = all.last().map(|phase| phase.name.clone());
            let waits = before.into_iter().collect();
            all.push(together(
                &format!("validation by {agent}"),
                std::slice::from_ref(agent),
                mode,
                most,
                waits,
            ));
        }
    }
    Ok(all)
}

fn together(
    name: &str,
    agents: &[String],
    mode: Mode,
    most: Option<u32>,
    waits_for: Vec<String>,
) -> Phase {
    let all = u32::try_from(agents.len()).unwrap_or(u32::MAX).max(1);
    let concurrency = if mode == Mode::Parallel {
        all.min(most.unwrap_or(all)).max(1)
    } else {
        1
    };
    Phase {
        name: name.to_owned(),
        agents: agents.to_vec(),
        mode: if concurrency > 1 {
            Mode::Parallel
        } else {
            Mode::Sequential
        },
        concurrency,
        waits_for,
    }
}
