//! The schema for editors, held against what is really taken.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use super::fields::{SHARED_KEYS, TASK_KEYS};
use super::tests::{TABLE, parse};

const SCHEMA: &str = include_str!("../../../../../docs/schema/tasks.json");

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is one")
});

/// Whether the schema takes a task file; `None` if that is no TOML.
pub(super) fn takes(written: &str) -> Option<bool> {
    let table: toml::Table = written.parse().ok()?;
    let value = serde_json::to_value(table).expect("TOML as JSON");
    Some(VALIDATOR.is_valid(&value))
}

#[test]
fn each_key_is_in_both() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let keys = |pointer: &str| -> BTreeSet<String> {
        let properties = schema.pointer(pointer).and_then(Value::as_object);
        properties.unwrap().keys().cloned().collect()
    };
    let of = |keys: &[&str]| keys.iter().map(|key| String::from(*key)).collect();
    let task = "/properties/task/items/properties";
    assert_eq!(keys(task), of(&TASK_KEYS));
    assert_eq!(keys("/properties/defaults/properties"), of(&SHARED_KEYS));
    assert_eq!(keys("/properties"), of(&["task", "defaults"]));
    for key in keys(task) {
        let shared = schema.pointer(&format!("/definitions/{key}"));
        let own = schema.pointer(&format!("{task}/{key}"));
        let says = |value: Option<&Value>| value.is_some_and(|v| v.get("description").is_some());
        assert!(says(shared) || says(own), "{key} is not described");
    }
}

/// What only the whole file shows: names and what stands behind them.
const BEYOND_A_SCHEMA: [&str; 5] = [
    "is that of the task at line",
    "no task is named",
    "after itself",
    "wait for one another",
    "no TOML",
];

#[test]
fn what_is_refused_is_refused_by_both() {
    for (written, _) in TABLE {
        let told = parse(written).expect_err(written);
        if BEYOND_A_SCHEMA.iter().any(|cause| told.contains(cause)) {
            continue;
        }
        assert_eq!(takes(written), Some(false), "{written:?}: {told}");
    }
}

#[test]
fn what_is_taken_is_taken_by_both() {
    let values = [
        ("memory", "'512M'"),
        ("memory", "' 1.5 GiB '"),
        ("memory", "'.5g'"),
        ("memory", "'1000000'"),
        ("memory", "'10b'"),
        ("timeout", "'500ms'"),
        ("timeout", "'1h30m'"),
        ("timeout", "'10'"),
        ("timeout", "'0.5s'"),
        ("retries", "0"),
        ("retries", "0x10"),
        ("retries", "4294967295"),
        ("restartable", "false"),
        ("workdir", "'.'"),
        ("workdir", "'/a b'"),
        ("agent", "'x'"),
        ("env", "{}"),
        ("env", "{ A = '', 'b c' = '\\', LONG = \"\"\"\na\nb\"\"\" }"),
    ];
    for (key, value) in values {
        let defaults = format!("[defaults]\n{key} = {value}\n[[task]]\nrun = 'a'");
        let task = format!("[[task]]\nrun = ['a', '']\nafter = []\n{key} = {value}");
        for written in [defaults, task] {
            assert!(parse(&written).is_ok(), "{written}: {:?}", parse(&written));
            assert_eq!(takes(&written), Some(true), "{written}");
        }
    }
    for (key, value) in [
        ("memory", "'0.0M'"),
        ("memory", "'1 Z'"),
        ("memory", "'.'"),
        ("timeout", "'1s2'"),
        ("timeout", "'0ms'"),
        ("timeout", "'5 s'"),
        ("retries", "4294967296"),
    ] {
        let written = format!("[[task]]\nrun = 'a'\n{key} = {value}");
        assert!(parse(&written).is_err(), "{written}");
        assert_eq!(takes(&written), Some(false), "{written}");
    }
}
