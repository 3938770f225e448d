//! Every event as a line of JSON. The form is documented in `docs/json-events.md`; fields are
//! added, never changed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use saferun_executor::{AttemptEnd, Figures, Observer, RunEvent, RunReport, Say};
use saferun_scheduler::{GiveUpReason, Hold, Outcome, SkipReason, TaskId};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::json_file::JsonFile;
use super::json_steps::step;

/// How often figures are said at most.
const FIGURES_PERIOD: Duration = Duration::from_millis(100);

/// Writes events as lines of JSON.
pub(crate) struct Json {
    file: Option<JsonFile>,
    next_figures: Duration,
    /// Which agents do the tasks that are not concluded, where that was said.
    agents: HashMap<TaskId, String>,
}

impl Json {
    /// To standard error.
    pub(crate) fn to_stderr() -> Self {
        Self {
            file: None,
            next_figures: Duration::ZERO,
            agents: HashMap::new(),
        }
    }

    /// To a file.
    pub(crate) fn to_file(file: JsonFile) -> Self {
        Self {
            file: Some(file),
            next_figures: Duration::ZERO,
            agents: HashMap::new(),
        }
    }
}

impl Json {
    /// The agent of the task that an event is about.
    fn agent_of(&mut self, event: &RunEvent) -> Option<String> {
        match event {
            RunEvent::TaskAdded { task, agent, .. } => {
                let agent = agent.clone()?;
                self.agents.insert(*task, agent.clone());
                Some(agent)
            }
            RunEvent::TaskConcluded { task, .. } => self.agents.remove(task),
            RunEvent::TaskStarted { task, .. }
            | RunEvent::AttemptEnded { task, .. }
            | RunEvent::Preempting { task, .. }
            | RunEvent::Alone { task, .. }
            | RunEvent::Frozen { task, .. }
            | RunEvent::Thawed { task, .. } => self.agents.get(task).cloned(),
            _ => None,
        }
    }
}

impl Observer for Json {
    fn on(&mut self, event: &RunEvent, at: Duration, say: &mut dyn Say) {
        if let RunEvent::Figures(_) = event {
            let behind = self.file.as_ref().is_some_and(JsonFile::is_behind);
            if at < self.next_figures || behind {
                return;
            }
            self.next_figures = at + FIGURES_PERIOD;
        }
        let bytes = line(event, self.agent_of(event).as_deref(), at);
        match &mut self.file {
            Some(file) => file.add(&bytes, matches!(event, RunEvent::RunEnded(_))),
            None => say.say(&bytes),
        }
    }
}

/// One line, its end included.
fn line(event: &RunEvent, agent: Option<&str>, at: Duration) -> Vec<u8> {
    let (kind, fields) = told(event);
    let mut object = Map::new();
    object.insert("event".into(), kind.into());
    object.insert("at_ms".into(), millis(at));
    object.extend(fields);
    if let Some(agent) = agent {
        object.insert("agent".into(), agent.into());
    }
    let mut bytes = Value::Object(object).to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

pub(super) type Fields = Map<String, Value>;

fn told(event: &RunEvent) -> (&'static str, Fields) {
    match event {
        RunEvent::RunStarted {
            run,
            tier,
            notes,
            budget_bytes,
            reserve_bytes,
        } => (
            "run_started",
            fields(json!({
                "version": env!("CARGO_PKG_VERSION"),
                "run": run,
                "containment": tier.to_string(),
                "notes": notes,
                "budget_bytes": budget_bytes,
                "reserve_bytes": reserve_bytes,
            })),
        ),
        RunEvent::TaskAdded {
            task, name, after, ..
        } => (
            "task_added",
            task_fields(task.0, name, json!({ "after": after_values(after) })),
        ),
        RunEvent::TaskStarted {
            task,
            name,
            attempt,
            pid,
        } => (
            "task_started",
            task_fields(task.0, name, json!({ "attempt": attempt, "pid": pid })),
        ),
        RunEvent::AttemptEnded {
            task,
            name,
            attempt,
            end,
            peak_bytes,
            elapsed,
            ran: _,
            cpu,
            curve: _,
        } => {
            let mut rest = fields(json!({ "attempt": attempt }));
            rest.extend(end_fields(end));
            rest.insert("peak_bytes".into(), (*peak_bytes).into());
            rest.insert("elapsed_ms".into(), millis(*elapsed));
            rest.insert("cpu_ms".into(), millis(*cpu));
            (
                "attempt_ended",
                task_fields(task.0, name, Value::Object(rest)),
            )
        }
        RunEvent::TaskConcluded {
            task,
            name,
            outcome,
            culprit,
        } => {
            let mut rest = outcome_fields(outcome);
            if let Outcome::Skipped(SkipReason::Dependency { failed }) = outcome {
                rest.insert("failed".into(), named(*failed, culprit.as_deref()));
            }
            (
                "task_concluded",
                task_fields(task.0, name, Value::Object(rest)),
            )
        }
        RunEvent::Preempting {
            task,
            name,
            needed_bytes,
            free_bytes,
            figures,
        } => {
            let mut rest =
                fields(json!({ "needed_bytes": needed_bytes, "free_bytes": free_bytes }));
            rest.extend(figure_fields(figures));
            ("preempting", task_fields(task.0, name, Value::Object(rest)))
        }
        RunEvent::Alone {
            task,
            name,
            figures,
        } => ("alone", with_figures(*task, name, figures)),
        RunEvent::Frozen {
            task,
            name,
            figures,
        } => ("frozen", with_figures(*task, name, figures)),
        RunEvent::Thawed {
            task,
            name,
            figures,
        } => ("thawed", with_figures(*task, name, figures)),
        RunEvent::BrakeEngaged(figures) => ("brake_engaged", figure_fields(figures)),
        RunEvent::Holding { hold, figures } => {
            let mut all = hold_fields(hold);
            all.extend(figure_fields(figures));
            ("holding", all)
        }
        RunEvent::Reclaimed {
            freed_bytes,
            figures,
        } => {
            let mut all = fields(json!({ "freed_bytes": freed_bytes }));
            all.extend(figure_fields(figures));
            ("reclaimed", all)
        }
        RunEvent::Session(notice) => step(notice),
        RunEvent::Figures(figures) => ("figures", figure_fields(figures)),
        RunEvent::Stopping { signal } => ("stopping", fields(json!({ "signal": signal }))),
        RunEvent::Note(text) => ("note", fields(json!({ "text": text }))),
        RunEvent::RunEnded(report) => ("run_ended", report_fields(report)),
    }
}

pub(super) fn fields(value: Value) -> Fields {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn millis(duration: Duration) -> Value {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .into()
}

/// A name as text, and where it is not UTF-8 its bytes too, in base 16.
#[derive(Serialize)]
struct Name {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_bytes: Option<String>,
}

impl Name {
    fn new(name: &OsStr) -> Self {
        let hex = || {
            name.as_bytes()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        Self {
            name: name.to_string_lossy().into_owned(),
            name_bytes: name.to_str().is_none().then(hex),
        }
    }

    fn value(name: &OsStr) -> Value {
        serde_json::to_value(Self::new(name)).unwrap_or_default()
    }
}

fn task_fields(task: u64, name: &OsString, rest: Value) -> Fields {
    let mut all = fields(json!({ "task": task }));
    all.extend(fields(Name::value(name)));
    all.extend(fields(rest));
    all
}

fn with_figures(task: TaskId, name: &OsString, figures: &Figures) -> Fields {
    task_fields(task.0, name, Value::Object(figure_fields(figures)))
}

/// Other tasks, by number and name.
fn after_values(after: &[(TaskId, Arc<OsString>)]) -> Value {
    after
        .iter()
        .map(|(task, name)| named(*task, Some(name)))
        .collect()
}

fn named(task: TaskId, name: Option<&OsString>) -> Value {
    let none = OsString::new();
    Value::Object(task_fields(task.0, name.unwrap_or(&none), json!({})))
}

fn end_fields(end: &AttemptEnd) -> Fields {
    fields(match end {
        AttemptEnd::Exited(status) => json!({ "end": "exited", "status": status }),
        AttemptEnd::Signaled(signal) => json!({ "end": "signaled", "signal": signal }),
        AttemptEnd::TimedOut => json!({ "end": "timed_out" }),
        AttemptEnd::NotStarted(cause) => json!({ "end": "not_started", "cause": cause }),
        AttemptEnd::Victim(cause) => json!({ "end": "victim", "cause": cause }),
        AttemptEnd::Preempted => json!({ "end": "preempted" }),
        AttemptEnd::Stopped => json!({ "end": "stopped" }),
        AttemptEnd::GivenUp(reason) => {
            let mut all = fields(json!({ "end": "given_up" }));
            all.extend(give_up_fields(reason));
            Value::Object(all)
        }
    })
}

fn outcome_fields(outcome: &Outcome) -> Fields {
    match outcome {
        Outcome::Done => fields(json!({ "outcome": "done" })),
        Outcome::Failed => fields(json!({ "outcome": "failed" })),
        Outcome::Skipped(reason) => fields(json!({
            "outcome": "skipped",
            "reason": match reason {
                SkipReason::Stopped => "stopped",
                SkipReason::Halted => "halted",
                SkipReason::Dependency { .. } => "dependency",
            },
        })),
        Outcome::GivenUp(reason) => {
            let mut all = fields(json!({ "outcome": "given_up" }));
            all.extend(give_up_fields(reason));
            all
        }
    }
}

fn give_up_fields(reason: &GiveUpReason) -> Fields {
    fields(match *reason {
        GiveUpReason::DeclaredAboveBudget {
            declared_bytes,
            budget_bytes,
        } => json!({
            "reason": "declared_above_budget",
            "declared_bytes": declared_bytes,
            "budget_bytes": budget_bytes,
        }),
        GiveUpReason::ExceedsBudgetAlone {
            reached_bytes,
            budget_bytes,
        } => json!({
            "reason": "exceeds_budget_alone",
            "reached_bytes": reached_bytes,
            "budget_bytes": budget_bytes,
        }),
        GiveUpReason::ForeignMemory {
            reached_bytes,
            foreign_bytes,
            waited_seconds,
        } => json!({
            "reason": "foreign_memory",
            "reached_bytes": reached_bytes,
            "foreign_bytes": foreign_bytes,
            "waited_seconds": waited_seconds,
        }),
        GiveUpReason::Pressure {
            reached_bytes,
            needed_bytes,
            free_bytes,
        } => json!({
            "reason": "pressure",
            "reached_bytes": reached_bytes,
            "needed_bytes": needed_bytes,
            "free_bytes": free_bytes,
        }),
    })
}

fn hold_fields(hold: &Hold) -> Fields {
    fields(match *hold {
        Hold::Concurrency => json!({ "reason": "concurrency" }),
        Hold::Cores => json!({ "reason": "cores" }),
        Hold::Memory {
            needed_bytes,
            headroom_bytes,
        } => json!({
            "reason": "memory",
            "needed_bytes": needed_bytes,
            "headroom_bytes": headroom_bytes,
        }),
        Hold::Stalled => json!({ "reason": "stalled" }),
        Hold::Alone => json!({ "reason": "alone" }),
        Hold::Ended => json!({ "reason": "ended" }),
        Hold::Batch => json!({ "reason": "batch" }),
        Hold::Refused => json!({ "reason": "refused" }),
        Hold::Unread => json!({ "reason": "unread" }),
        Hold::Stopped => json!({ "reason": "stopped" }),
    })
}

fn figure_fields(figures: &Figures) -> Fields {
    fields(json!({
        "budget_bytes": figures.budget_bytes,
        "used_bytes": figures.used_bytes,
        "running": figures.running,
        "held": figures.held,
        "waiting": figures.waiting,
        "concluded": figures.concluded,
        "total": figures.total,
    }))
}

fn report_fields(report: &RunReport) -> Fields {
    let heaviest: Vec<Value> = report
        .heaviest
        .iter()
        .map(|task| {
            let mut all = fields(Name::value(&task.name));
            all.insert("peak_bytes".into(), task.peak_bytes.into());
            Value::Object(all)
        })
        .collect();
    fields(json!({
        "done": report.done,
        "failed": report.failed,
        "skipped": report.skipped,
        "given_up": report.given_up,
        "restarted": report.restarted,
        "victims": report.victims,
        "wall_ms": millis(report.wall),
        "peak_bytes": report.peak_bytes,
        "budget_bytes": report.budget_bytes,
        "heaviest": heaviest,
        "signal": report.signal,
        "output_closed": report.output_closed,
    }))
}
