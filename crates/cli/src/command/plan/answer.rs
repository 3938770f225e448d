//! A plan as programs and people read it.

use std::fmt::Write;

use saferun_router::{Mode, Plan};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::error::CliError;
use crate::printable::printable;
use crate::settings::{Configuration, Key};

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    settings: Map<String, Value>,
}

/// Pretty JSON, a key a line, so that line-wise tools find what they look for.
pub(super) fn json(plan: &Plan, configuration: &Configuration) -> Result<String, CliError> {
    let settings = [Key::Parallel, Key::Concurrency, Key::MemoryThreshold]
        .into_iter()
        .filter_map(|key| {
            let (value, source) = configuration.layer.written(key)?;
            let answer = json!({"value": value, "source": source.to_string()});
            Some((key.name().to_owned(), answer))
        })
        .collect();
    let answer = Answer { plan, settings };
    let mut text = serde_json::to_string_pretty(&answer)
        .map_err(|error| CliError::output(&std::io::Error::from(error)))?;
    text.push('\n');
    Ok(text)
}

/// Lines for a person.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", printable(plan.request.as_ref(), 200));
    let _ = writeln!(
        out,
        "  {}: {} ({:.0} % certain)",
        plan.execution_mode,
        plan.category,
        100.0 * plan.confidence
    );
    let _ = writeln!(out, "  {}", plan.rationale);
    for (number, phase) in (1..).zip(&plan.phases) {
        let how = match phase.mode {
            Mode::Parallel => format!(", {} at once", phase.concurrency),
            Mode::Sequential => String::new(),
        };
        let _ = writeln!(out, "\n{number}. {}{how}", phase.name);
        for agent in &phase.agents {
            let _ = writeln!(out, "   {}", printable(agent.as_ref(), 60));
        }
    }
    if !plan.evidence.is_empty() {
        let _ = writeln!(out, "\nbecause of");
    }
    for evidence in &plan.evidence {
        let words = printable(evidence.words.as_ref(), 60);
        let _ = writeln!(
            out,
            "   \"{words}\" ({}, {:.1} for {})",
            evidence.rule, evidence.weight, evidence.category
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use saferun_router::{Circumstances, Router, Team};

    #[test]
    fn a_plan_in_plain_words() {
        let router = Router::shipped().expect("shipped rules");
        let team = Team::shipped().expect("shipped team");
        let circumstances = Circumstances {
            parallel: true,
            parallel_source: String::from("variable SAFE_PARALLEL"),
            concurrency: Some(2),
            memory_threshold_mb: 4096,
            least_confidence: router.least_confidence(),
            primary: None,
        };
        for request in ["Add Button component", "Drop the users table"] {
            let mut verdict = router.classify(request);
            // The model's weights change with its data; the form does not.
            (verdict.confidence, verdict.dependent_score) = (0.9, 0.1);
            verdict.evidence.truncate(1);
            for evidence in &mut verdict.evidence {
                evidence.weight = 3.0;
            }
            let plan = Plan::new(request, &verdict, &[], &team, &circumstances).expect("a plan");
            insta::assert_snapshot!(text(&plan));
        }
    }
}
