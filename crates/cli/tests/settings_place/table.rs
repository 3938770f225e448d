//! The settings, and how each level writes a value of its own.

use serde_json::{Value, json};

use super::{Level, Place};

/// A setting: its name in files, its variable, and how each level writes a value of its own.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    variable: Option<&'static str>,
    /// For profile, user, project; then `.env`, environment; then flags. What is written, and
    /// what is shown.
    values: [(&'static str, Value); 6],
}

/// All of them.
pub(crate) fn settings() -> Vec<Setting> {
    // A level that a setting has not holds null.
    let none = || ("", Value::Null);
    let files = |name, written: [(&'static str, Value); 3], flag: (&'static str, Value)| {
        let [profile, user, project] = written;
        Setting {
            name,
            variable: None,
            values: [profile, user, project, none(), none(), flag],
        }
    };
    let variable = |name, variable, values| Setting {
        name,
        variable: Some(variable),
        values,
    };
    vec![
        variable(
            "parallel",
            "SAFE_PARALLEL",
            [
                ("true", json!(true)),
                ("false", json!(false)),
                ("true", json!(true)),
                ("0", json!(false)),
                ("TRUE", json!(true)),
                ("-j 4", json!(true)),
            ],
        ),
        variable(
            "concurrency",
            "CONCURRENCY_LIMIT",
            [
                ("4", json!(4)),
                ("5", json!(5)),
                ("\"auto\"", json!("auto")),
                ("7", json!(7)),
                ("8", json!(8)),
                ("--jobs 9", json!(9)),
            ],
        ),
        variable(
            "memory_threshold",
            "MEMORY_THRESHOLD",
            [
                ("101", json!(101)),
                ("102", json!(102)),
                ("103", json!(103)),
                ("104", json!(104)),
                ("105", json!(105)),
                ("--threshold 106", json!(106)),
            ],
        ),
        files(
            "memory",
            [
                ("'1G'", json!("1GiB")),
                ("'20%'", json!("20%")),
                ("'3GB'", json!("3000000000")),
            ],
            ("-m 4M", json!("4MiB")),
        ),
        files(
            "reserve",
            [
                ("'1K'", json!("1KiB")),
                ("'2.5%'", json!("2.5%")),
                ("'3'", json!("3")),
            ],
            ("--reserve 4M", json!("4MiB")),
        ),
        files(
            "task_memory",
            [
                ("'1G'", json!("1GiB")),
                ("'2G'", json!("2GiB")),
                ("'3G'", json!("3GiB")),
            ],
            ("--task-memory 4G", json!("4GiB")),
        ),
        files(
            "strategy",
            [
                ("'sequential'", json!("sequential")),
                ("'unlimited'", json!("unlimited")),
                ("'batch'", json!("batch")),
            ],
            ("--strategy continuous", json!("continuous")),
        ),
        files(
            "preempt",
            [
                ("'eager'", json!("eager")),
                ("'never'", json!("never")),
                ("'last'", json!("last")),
            ],
            ("--preempt eager", json!("eager")),
        ),
        files(
            "restartable",
            [
                ("false", json!(false)),
                ("true", json!(true)),
                ("true", json!(true)),
            ],
            ("--no-restart", json!(false)),
        ),
        files(
            "retries",
            [("1", json!(1)), ("2", json!(2)), ("3", json!(3))],
            ("--retries 4", json!(4)),
        ),
        files(
            "timeout",
            [
                ("1", json!("1s")),
                ("'1500ms'", json!("1s500ms")),
                ("'90m'", json!("1h30m")),
            ],
            ("--timeout 4s", json!("4s")),
        ),
        files(
            "grace",
            [
                ("0", json!("0s")),
                ("'1s'", json!("1s")),
                ("'2m'", json!("2m")),
            ],
            ("--grace 3s", json!("3s")),
        ),
        files(
            "halt",
            [
                ("'soon'", json!("soon")),
                ("'now,fail=2'", json!("now,fail=2")),
                ("'soon,fail=25%'", json!("soon,fail=25%")),
            ],
            ("--halt now,fail=1", json!("now")),
        ),
        files(
            "isolate",
            [
                ("'pid'", json!("pid")),
                ("'none'", json!("none")),
                ("'pid'", json!("pid")),
            ],
            ("--isolate none", json!("none")),
        ),
        files(
            "scope",
            [
                ("'auto'", json!("auto")),
                ("'never'", json!("never")),
                ("'auto'", json!("auto")),
            ],
            ("--scope never", json!("never")),
        ),
        Setting {
            name: "profile",
            variable: None,
            values: [
                none(),
                ("'production'", json!("production")),
                ("'aggressive'", json!("aggressive")),
                none(),
                none(),
                ("--profile ram", json!("ram")),
            ],
        },
        Setting {
            name: "history",
            variable: None,
            values: [
                none(),
                ("false", json!(false)),
                ("true", json!(true)),
                none(),
                none(),
                none(),
            ],
        },
        Setting {
            name: "history_days",
            variable: None,
            values: [
                none(),
                ("30", json!(30)),
                ("7", json!(7)),
                none(),
                none(),
                none(),
            ],
        },
        Setting {
            name: "agent_command",
            variable: None,
            values: [
                none(),
                ("['a']", json!(["a"])),
                ("['b', '-p']", json!(["b", "-p"])),
                none(),
                none(),
                none(),
            ],
        },
    ]
}

impl Setting {
    /// Writes it at this level, and says what follows; `None` if the level has no such setting.
    pub(crate) fn write(&self, place: &mut Place, level: Level) -> Option<&Value> {
        let (written, shown) = &self.values[level as usize];
        if shown.is_null() {
            return None;
        }
        match (level, self.variable) {
            (Level::DotEnv | Level::Environment, Some(name)) => {
                place.variable(level, name, written)
            }
            (Level::Flag, _) => place.flags(written),
            _ => place.key(level, self.name, written),
        }
        Some(shown)
    }
}
