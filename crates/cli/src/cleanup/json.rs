//! The answer for programs; `docs/schema/memory-cleanup.json` describes it.

use saferun_memory::reclaim::{Figure, Outcome};
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::memory::{Heap, HeapOf, Memory};
use super::steps::{Done, Planned};

/// The whole answer.
pub(super) fn json(answer: &Answer) -> Value {
    let results = answer.results.as_ref();
    let steps: Vec<Value> = match (&answer.plan, results) {
        (_, Some(results)) => results.steps.iter().map(done).collect(),
        (Some(plan), None) => plan.iter().map(planned).collect(),
        (None, None) => Vec::new(),
    };
    json!({
        "memory": {
            "before": memory(&answer.before),
            "after": results.map(|results| memory(&results.after)),
            "freed_bytes": results.map(super::answer::Results::freed_bytes),
        },
        "machine": {
            "total_bytes": answer.machine.total_bytes,
            "available_bytes": answer.machine.available_bytes,
        },
        "holders": [],
        "leftovers": [],
        "steps": steps,
        "advice": [],
    })
}

fn memory(memory: &Memory) -> Value {
    json!({
        "rss_bytes": memory.session_bytes,
        "heap": memory.heap.as_ref().map(heap),
    })
}

fn heap(heap: &Heap) -> Value {
    json!({
        "used_bytes": heap.figures.used_bytes,
        "total_bytes": heap.figures.total_bytes,
        "of": match heap.of { HeapOf::Own => "own" },
    })
}

fn planned(step: &Planned) -> Value {
    let mut value = named(step.name, step.about.figure);
    match &step.prospect.hindrance {
        Some(hindrance) => outcome(&mut value, hindrance),
        None => {
            value.insert("outcome".into(), "planned".into());
        }
    }
    value.insert("acts".into(), json!(step.prospect.acts));
    value.insert("at_most_bytes".into(), json!(step.prospect.at_most_bytes));
    Value::Object(value)
}

fn done(step: &Done) -> Value {
    let taken = &step.measured.taken;
    let mut value = named(step.name, step.about.figure);
    outcome(&mut value, &taken.outcome);
    value.insert("acts".into(), json!(taken.acts));
    value.insert("before_bytes".into(), json!(taken.before_bytes));
    value.insert("after_bytes".into(), json!(taken.after_bytes));
    value.insert(
        "room_before_bytes".into(),
        json!(step.measured.room_before_bytes),
    );
    value.insert(
        "room_after_bytes".into(),
        json!(step.measured.room_after_bytes),
    );
    Value::Object(value)
}

fn named(name: &str, figure: Figure) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("name".into(), name.into());
    let figure = match figure {
        Figure::Held => "held",
        Figure::Cache => "cache",
        Figure::Files => "files",
    };
    value.insert("figure".into(), figure.into());
    value
}

fn outcome(value: &mut Map<String, Value>, outcome: &Outcome) {
    let (word, why, permit) = match outcome {
        Outcome::Done => ("done", None, None),
        Outcome::NothingToGain { why } => ("nothing-to-gain", Some(why), None),
        Outcome::NotPermitted { why, permit } => ("not-permitted", Some(why), Some(permit)),
        Outcome::NotHere { why } => ("not-on-this-system", Some(why), None),
        Outcome::Failed { why } => ("failed", Some(why), None),
    };
    value.insert("outcome".into(), word.into());
    if let Some(why) = why {
        value.insert("why".into(), why.as_str().into());
    }
    if let Some(permit) = permit {
        value.insert("permit".into(), permit.as_str().into());
    }
}
