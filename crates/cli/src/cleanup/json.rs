//! The answer for programs; `docs/schema/memory-cleanup.json` describes it.

use std::ffi::OsStr;

use saferun_memory::leftovers::{Kept, Leftover};
use saferun_memory::reclaim::{Figure, Outcome};
use saferun_memory::{GroupReading, LimitKind, MachineReading, ProgramUse};
use serde_json::{Map, Value, json};

use super::answer::{Answer, Results};
use super::ending::Gone;
use super::facts::Facts;
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
            "freed_bytes": results.map(Results::freed_bytes),
            "cache_given_back_bytes": results.map(Results::cache_bytes),
            "disk_given_back_bytes": results.map(Results::disk_bytes),
            "room_before_bytes": results.and_then(|results| results.room_bytes).map(|room| room.0),
            "room_after_bytes": results.and_then(|results| results.room_bytes).map(|room| room.1),
        },
        "machine": machine(&answer.facts),
        "holders": answer.facts.holders.iter().map(holder).collect::<Vec<_>>(),
        "leftovers": {
            "found": answer.facts.leftovers.found.iter().map(leftover).collect::<Vec<_>>(),
            "kept": answer.facts.leftovers.kept.iter().map(kept).collect::<Vec<_>>(),
            "ended": results.map_or(&[][..], |results| &results.gone).iter().map(gone).collect::<Vec<_>>(),
            "zombies": answer.facts.zombies.iter().map(|zombies| json!({
                "parent": zombies.parent,
                "name": text(&zombies.name),
                "pids": zombies.pids,
            })).collect::<Vec<_>>(),
        },
        "steps": steps,
        "advice": {
            "verdict": answer.advice.verdict.word(),
            "text": answer.advice.text,
            "agents": answer.facts.agents,
            "unread": answer.facts.unread,
            "not_done": answer.not_done,
        },
    })
}

/// Bytes that are no text become the replacement character; control characters are JSON's.
fn text(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn memory(memory: &Memory) -> Value {
    json!({
        "rss_bytes": memory.session_bytes,
        "heap": memory.heap.as_ref().map(heap),
    })
}

fn heap(heap: &Heap) -> Value {
    let (of, processes) = match heap.of {
        HeapOf::Node(count) => ("node", count),
        HeapOf::Own => ("own", 1),
    };
    json!({
        "used_bytes": heap.figures.used_bytes,
        "total_bytes": heap.figures.total_bytes,
        "of": of,
        "processes": processes,
    })
}

fn machine(facts: &Facts) -> Value {
    let of = |read: fn(&MachineReading) -> u64| facts.machine.as_ref().map(read);
    let groups = facts
        .machine
        .as_ref()
        .map_or(&[][..], |machine| &machine.groups);
    json!({
        "total_bytes": of(|machine| machine.total_bytes),
        "available_bytes": of(|machine| machine.available_bytes),
        "room_bytes": of(MachineReading::room_bytes),
        "cached_bytes": of(|machine| machine.cached_bytes),
        "reclaimable_bytes": facts.reclaimable_bytes,
        "shared_bytes": of(|machine| machine.shared_bytes),
        "swap_total_bytes": of(|machine| machine.swap_total_bytes),
        "swap_free_bytes": of(|machine| machine.swap_free_bytes),
        "pressure": facts.pressure.map(|pressure| json!({
            "some_avg10": pressure.some.avg10,
            "full_avg10": pressure.full.avg10,
        })),
        "limits": groups.iter().map(limit).collect::<Vec<_>>(),
        "deleted_files": facts.deleted.files.iter().map(|file| json!({
            "path": text(&file.path),
            "bytes": file.bytes,
            "in_memory": file.in_memory,
            "pids": file.pids,
        })).collect::<Vec<_>>(),
        "tmpfs_files": facts.in_memory.files.iter().map(|file| json!({
            "path": text(file.path.as_os_str()),
            "bytes": file.bytes,
            "user": file.user,
        })).collect::<Vec<_>>(),
    })
}

fn limit(group: &GroupReading) -> Value {
    json!({
        "path": text(group.path.as_os_str()),
        "kind": match group.kind {
            LimitKind::V1Limit => "v1-limit",
            LimitKind::V1Above => "v1-above",
            LimitKind::V2High => "v2-high",
            LimitKind::V2Max => "v2-max",
        },
        "limit_bytes": group.limit_bytes,
        "used_bytes": group.used_bytes(),
        "cache_bytes": group.cache_bytes,
    })
}

fn holder(program: &ProgramUse) -> Value {
    let trees: Vec<Value> = program
        .trees
        .iter()
        .map(|tree| {
            let members: Vec<Value> = tree
                .members
                .iter()
                .map(|member| {
                    json!({
                        "pid": member.pid,
                        "depth": member.depth,
                        "name": text(&member.name),
                        "bytes": member.bytes,
                        "proportional": member.exact,
                    })
                })
                .collect();
            json!({"bytes": tree.bytes, "members": members})
        })
        .collect();
    json!({
        "name": text(&program.name),
        "bytes": program.bytes,
        "proportional": program.exact,
        "processes": program.processes(),
        "trees": trees,
    })
}

fn leftover(leftover: &Leftover) -> Value {
    json!({
        "pid": leftover.root.pid,
        "name": text(&leftover.program.short()),
        "pids": leftover.members.iter().map(|id| id.pid).collect::<Vec<_>>(),
        "rss_bytes": leftover.rss_bytes,
        "age_seconds": leftover.age.as_secs(),
        "evidence": leftover.evidence,
    })
}

fn kept(kept: &Kept) -> Value {
    json!({
        "pid": kept.id.pid,
        "name": text(&kept.program.short()),
        "rss_bytes": kept.rss_bytes,
        "why": kept.why,
    })
}

fn gone(gone: &Gone) -> Value {
    let left: Vec<Value> = gone
        .ended
        .left
        .iter()
        .map(|(id, why)| json!({"pid": id.pid, "why": why}))
        .collect();
    json!({
        "pid": gone.leftover.root.pid,
        "ended": gone.ended.ended,
        "killed": gone.ended.killed,
        "chased": gone.ended.chased,
        "left": left,
        "before_bytes": gone.before_bytes,
        "after_bytes": gone.after_bytes,
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
    value.insert("needs".into(), step.about.needs.into());
    value.insert("costs".into(), step.about.costs.into());
    value.insert("acts".into(), json!(step.prospect.acts));
    value.insert("at_most_bytes".into(), json!(step.prospect.at_most_bytes));
    Value::Object(value)
}

fn done(step: &Done) -> Value {
    let taken = &step.measured.taken;
    let mut value = named(step.name, step.about.figure);
    outcome(&mut value, &taken.outcome);
    value.insert("needs".into(), step.about.needs.into());
    value.insert("costs".into(), step.about.costs.into());
    value.insert("acts".into(), json!(taken.acts));
    for (key, bytes) in [
        ("before_bytes", taken.before_bytes),
        ("after_bytes", taken.after_bytes),
        ("room_before_bytes", step.measured.room_before_bytes),
        ("room_after_bytes", step.measured.room_after_bytes),
    ] {
        value.insert(key.into(), json!(bytes));
    }
    Value::Object(value)
}

fn named(name: &str, figure: Figure) -> Map<String, Value> {
    let mut value = Map::new();
    value.insert("name".into(), name.into());
    let figure = match figure {
        Figure::Held => "held",
        Figure::Cache => "cache",
        Figure::Files => "files",
        Figure::Disk => "disk",
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
