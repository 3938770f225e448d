//! The JSON schema of a file of settings.

use serde_json::{Map, Value, json};

use super::key::Key;

/// The schema, from the same table that reads the files.
pub(crate) fn schema() -> Value {
    let settings = |which: fn(Key) -> bool| -> Map<String, Value> {
        Key::ALL
            .into_iter()
            .filter(|key| which(*key))
            .map(|key| (key.name().to_owned(), key.schema()))
            .collect()
    };
    let with = |mut properties: Map<String, Value>, more: Vec<(&str, Value)>| {
        properties.extend(
            more.into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        properties
    };
    let at_least = json!({
        "type": "string",
        "description": "The memory from which on this part of the profile applies.",
    });
    let machine = json!({
        "type": "object",
        "properties": with(settings(Key::in_profiles), vec![("at_least", at_least)]),
        "required": ["at_least"],
        "additionalProperties": false,
    });
    let machines = json!({
        "type": "array",
        "items": machine,
        "description": "Parts for machines of some size; that of the largest size that a machine has applies.",
    });
    let profile = json!({
        "type": "object",
        "properties": with(settings(Key::in_profiles), vec![("machine", machines)]),
        "additionalProperties": false,
    });
    let properties = with(
        settings(|_| true),
        vec![
            (
                "profiles",
                json!({
                    "type": "object",
                    "additionalProperties": profile,
                    "description": "Profiles: settings that are taken by --profile NAME or profile = \"NAME\".",
                }),
            ),
            (
                "agents",
                json!({
                    "type": "object",
                    "additionalProperties": {"type": "object"},
                    "description": "Agents by name.",
                }),
            ),
            (
                "artifacts",
                json!({"type": "object", "description": "What agents hand on."}),
            ),
            (
                "cleanup",
                json!({"type": "object", "description": "What memory-cleanup may do."}),
            ),
        ],
    );
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Settings of saferun",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    })
}
