//! Whether a run kept its promises.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::Tier;
use crate::plan::{Blow, Ending, Plan};
use crate::stage::Facts;

/// What a run adds to the figures, and what was wrong with it.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) restarts: u64,
    pub(super) wrong: Vec<String>,
}

/// What the events tell of one task.
#[derive(Debug, Default)]
struct Told {
    attempts: u64,
    /// Attempts that were ended for others, or failed for want of memory.
    pushed: u64,
    outcomes: Vec<String>,
}

/// Judges a run of our own by its events and by what the tasks themselves wrote.
pub(super) fn judge(
    plan: &Plan,
    tier: Tier,
    facts: &Facts,
    directory: &Path,
    events: &Path,
) -> Verdict {
    let mut verdict = Verdict::default();
    let events = read(events);
    let told = tell(&events);
    let last = events.last().filter(|event| event["event"] == "run_ended");
    if let Some(last) = last {
        let figure = |name: &str| last[name].as_u64().unwrap_or(0);
        verdict.restarts = figure("restarted") + figure("victims");
    }
    let runner_lost = facts.struck && matches!(plan.blow, Blow::KillRunner | Blow::KillGuard);
    let cut_short = facts.struck && !matches!(plan.blow, Blow::Suspend);
    for (number, job) in (0..).zip(&plan.jobs) {
        let nothing = Told::default();
        let told = told.get(&number).unwrap_or(&nothing);
        let ends = ends_of(directory, number);
        let outcome = told.outcomes.first().map(String::as_str);
        let mut wrong = |what: String| {
            let line = format!("task {number} ({}): {what}", job.arguments);
            verdict.wrong.push(line);
        };
        if told.outcomes.len() > 1 || ends > told.attempts.max(1) || (ends > 1 && told.pushed == 0)
        {
            verdict.doubled += 1;
            wrong(format!("{ends} ends, told {told:?}"));
        }
        let is_right = match (outcome, job.ending) {
            (Some("done"), Ending::Done) => ends > 0,
            (Some("failed"), Ending::Failed) => true,
            (Some("given_up" | "failed"), Ending::TooLarge) => true,
            (Some("skipped" | "failed"), _) => cut_short,
            (None, _) => runner_lost || (cut_short && told.attempts == 0),
            _ => false,
        };
        if !is_right {
            verdict.lost += 1;
            wrong(format!("outcome {outcome:?} with {ends} ends, {told:?}"));
        }
    }
    let mut wrong = |is_wrong: bool, what: String| {
        if is_wrong {
            verdict.wrong.push(what);
        }
    };
    let containment = events
        .iter()
        .find_map(|event| event["containment"].as_str());
    wrong(
        containment.is_some_and(|name| name != tier.called()),
        format!("held by {containment:?}, not {}", tier.called()),
    );
    let expected = expected_codes(plan, facts.struck);
    let code = facts.code;
    wrong(facts.hung, "it did not end".into());
    wrong(
        !runner_lost && !expected.contains(&code),
        format!("exit code {code}, not {expected:?}"),
    );
    wrong(
        !runner_lost && last.is_none() && !events.is_empty(),
        "no event says that the run has ended".into(),
    );
    let kills = facts.kills;
    let has_greedy = plan.jobs.iter().any(|job| job.ending == Ending::TooLarge);
    wrong(
        kills > u64::from(has_greedy),
        format!("{kills} kills by the kernel"),
    );
    let left = &facts.survivors;
    wrong(!left.is_empty(), format!("left behind: {left:?}"));
    let left = &facts.left;
    wrong(!left.is_empty(), format!("left in the cage: {left:?}"));
    verdict
}

/// The exit codes that a run may have.
fn expected_codes(plan: &Plan, struck: bool) -> Vec<i32> {
    let has = |ending| plan.jobs.iter().any(|job| job.ending == ending);
    let own = if has(Ending::TooLarge) {
        3
    } else {
        i32::from(has(Ending::Failed))
    };
    if struck && matches!(plan.blow, Blow::Interrupt | Blow::InterruptTwice) {
        // It may have been over just before.
        vec![130, own]
    } else {
        vec![own]
    }
}

/// How often a task came to its end, by its own record.
pub(super) fn ends_of(directory: &Path, number: u64) -> u64 {
    fs::read_to_string(directory.join(format!("done.{number}")))
        .map_or(0, |text| text.lines().count() as u64)
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last line of a runner that was killed may be cut off.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn tell(events: &[Value]) -> BTreeMap<u64, Told> {
    let mut all: BTreeMap<u64, Told> = BTreeMap::new();
    for event in events {
        let (Some(kind), Some(task)) = (event["event"].as_str(), event["task"].as_u64()) else {
            continue;
        };
        let told = all.entry(task).or_default();
        match kind {
            "task_started" => told.attempts += 1,
            "attempt_ended" => {
                let pushed = matches!(event["end"].as_str(), Some("preempted" | "victim"));
                told.pushed += u64::from(pushed);
            }
            "task_concluded" => {
                let outcome = event["outcome"].as_str().unwrap_or("unknown");
                told.outcomes.push(outcome.to_owned());
            }
            _ => {}
        }
    }
    all
}
