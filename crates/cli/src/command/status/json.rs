//! The answer as one JSON object. Sizes are bytes, what is unknown is null.

use saferun_executor::BudgetBinding;
use saferun_memory::LimitKind;
use serde_json::{Map, Value, json};

use super::facts::Facts;

/// All of it, in one line.
pub(super) fn answer(facts: &Facts) -> String {
    let reading = &facts.reading;
    let groups: Vec<Value> = reading
        .groups
        .iter()
        .map(|group| {
            json!({
                "path": group.path.to_string_lossy(),
                "kind": match group.kind {
                    LimitKind::V1Limit => "v1_limit",
                    LimitKind::V1Above => "v1_above",
                    LimitKind::V2High => "v2_high",
                    LimitKind::V2Max => "v2_max",
                },
                "limit_bytes": group.limit_bytes,
                "usage_bytes": group.usage_bytes,
                "cache_bytes": group.cache_bytes,
                "room_bytes": group.room_bytes(),
            })
        })
        .collect();
    let holders: Option<Vec<Value>> = facts.holders.as_ref().ok().map(|holders| {
        let one = |holder: &saferun_memory::Holder| {
            json!({
                "pid": holder.pid,
                "name": holder.name.to_string_lossy(),
                "rss_bytes": holder.rss_bytes,
            })
        };
        holders.iter().map(one).collect()
    });
    let plan = &facts.plan;
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": {
            "total_bytes": reading.total_bytes,
            "available_bytes": reading.available_bytes,
            "free_bytes": reading.free_bytes,
            "cached_bytes": reading.cached_bytes,
            "swap_total_bytes": reading.swap_total_bytes,
            "swap_free_bytes": reading.swap_free_bytes,
        },
        "groups": groups,
        "binding": match plan.binding {
            BudgetBinding::Machine => Value::from("machine"),
            BudgetBinding::Configured => Value::from("configured"),
            BudgetBinding::Group(place) => Value::from(place),
        },
        "room_bytes": reading.room_bytes(),
        "pressure": facts.pressure.map(|pressure| json!({
            "some_avg10": pressure.some.avg10,
            "full_avg10": pressure.full.avg10,
        })),
        "holders": holders,
        "session": facts.session.as_ref().ok().map(|session| json!({
            "bytes": session.bytes,
            "processes": session.processes,
        })),
        "settings": facts.settings.as_ref().ok().map(|settings| {
            let one = |setting: &super::facts::Setting| {
                let value = json!({"value": setting.value, "source": setting.source});
                (setting.name.to_owned(), value)
            };
            settings.iter().map(one).collect::<Map<String, Value>>()
        }),
        "plan": {
            "containment": plan.containment,
            "hard_limit": plan.hard_limit,
            "notes": plan.notes,
            "budget_bytes": plan.budget_bytes,
            "reserve_bytes": plan.reserve_bytes,
            "brake_margin_bytes": plan.brake_margin_bytes,
            "cores": plan.cores,
            "first_starts": plan.first_starts,
        },
    });
    format!("{value}\n")
}
