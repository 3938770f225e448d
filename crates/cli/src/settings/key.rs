//! The settings by name: one table that the files' reader, their schema, the example file and
//! `config show` have in common.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::args::values::MOST_SECONDS;
use crate::args::{IsolateArg, PreemptArg, ScopeArg, StrategyArg};

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Whether tasks run side by side.
    Parallel,
    /// How many at once.
    Concurrency,
    /// Above which use of the session tasks run one by one, in MB.
    MemoryThreshold,
    /// The budget.
    Memory,
    /// What is left free.
    Reserve,
    /// The assumed peak of an unknown task.
    TaskMemory,
    /// How tasks are admitted.
    Strategy,
    /// How eagerly running work is ended.
    Preempt,
    /// Whether a task may be run a second time to make room.
    Restartable,
    /// How often a failed task is run again.
    Retries,
    /// When an attempt is ended.
    Timeout,
    /// How long after TERM a task is killed.
    Grace,
    /// When failures end the run.
    Halt,
    /// What tasks are kept in beside their groups.
    Isolate,
    /// Whether a scope of one's own is asked for.
    Scope,
    /// The profile whose values apply where nothing else is said.
    Profile,
    /// Whether runs are remembered.
    History,
    /// How long that is kept, in days.
    HistoryDays,
    /// The command that runs an agent.
    AgentCommand,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Key; 19] = [
        Key::Parallel,
        Key::Concurrency,
        Key::MemoryThreshold,
        Key::Memory,
        Key::Reserve,
        Key::TaskMemory,
        Key::Strategy,
        Key::Preempt,
        Key::Restartable,
        Key::Retries,
        Key::Timeout,
        Key::Grace,
        Key::Halt,
        Key::Isolate,
        Key::Scope,
        Key::Profile,
        Key::History,
        Key::HistoryDays,
        Key::AgentCommand,
    ];

    /// The name in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Key::Parallel => "parallel",
            Key::Concurrency => "concurrency",
            Key::MemoryThreshold => "memory_threshold",
            Key::Memory => "memory",
            Key::Reserve => "reserve",
            Key::TaskMemory => "task_memory",
            Key::Strategy => "strategy",
            Key::Preempt => "preempt",
            Key::Restartable => "restartable",
            Key::Retries => "retries",
            Key::Timeout => "timeout",
            Key::Grace => "grace",
            Key::Halt => "halt",
            Key::Isolate => "isolate",
            Key::Scope => "scope",
            Key::Profile => "profile",
            Key::History => "history",
            Key::HistoryDays => "history_days",
            Key::AgentCommand => "agent_command",
        }
    }

    /// The setting of this name in files.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The setting that has this name elsewhere: as a flag or as a variable, in lower case and
    /// with underscores.
    pub(super) fn of_other_name(name: &str) -> Option<Self> {
        Some(match name {
            "safe_parallel" => Key::Parallel,
            "concurrency_limit" | "jobs" => Key::Concurrency,
            "threshold" => Key::MemoryThreshold,
            "no_restart" => Key::Restartable,
            _ => return None,
        })
    }

    /// Whether a profile may hold it.
    pub(super) fn in_profiles(self) -> bool {
        !matches!(
            self,
            Key::Profile | Key::History | Key::HistoryDays | Key::AgentCommand
        )
    }

    /// What a right value is, for people.
    pub(super) fn right(self) -> String {
        String::from(match self {
            Key::Parallel | Key::Restartable => "true or false",
            Key::Concurrency => "a number from 1 on, or \"auto\"",
            Key::MemoryThreshold => "a whole number of MB from 1 on, such as 4096",
            Key::Memory | Key::Reserve => {
                "a size such as \"512M\" or \"4GiB\", or a share such as \"80%\", in quotes"
            }
            Key::TaskMemory => "a size such as \"512M\" or \"4GiB\", in quotes",
            Key::Strategy => return quoted(&values::<StrategyArg>()),
            Key::Preempt => return quoted(&values::<PreemptArg>()),
            Key::Isolate => return quoted(&values::<IsolateArg>()),
            Key::Scope => return quoted(&values::<ScopeArg>()),
            Key::Retries => "a whole number from 0 on",
            Key::Timeout => {
                "a duration above zero such as \"10s\", \"2m\" or \"1h30m\", or a number of seconds"
            }
            Key::Grace => "a duration such as \"500ms\", \"10s\" or \"2m\", or a number of seconds",
            Key::Halt => {
                "\"never\", \"soon\" or \"now\"; soon and now may be followed by ,fail=N or ,fail=N%"
            }
            Key::Profile => "a profile's name in quotes, such as \"development\"",
            Key::History => "true or false, or a table [history]",
            Key::HistoryDays => "a whole number of days from 1 on",
            Key::AgentCommand => "a list of words such as [\"my-agent\", \"--print\"]",
        })
    }

    /// What it is for, in one sentence.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Key::Parallel => "Run tasks side by side; -j does so in any case (SAFE_PARALLEL).",
            Key::Concurrency => {
                "How many tasks at once; \"auto\" lets memory and cores decide (CONCURRENCY_LIMIT)."
            }
            Key::MemoryThreshold => {
                "While this session's processes use more than so many MB, run one by one (MEMORY_THRESHOLD)."
            }
            Key::Memory => {
                "What all tasks together may use; without it, what is available less the reserve."
            }
            Key::Reserve => "What is left free for everything else.",
            Key::TaskMemory => {
                "What a task is expected to need while nothing is known of its like."
            }
            Key::Strategy => "How tasks are admitted.",
            Key::Preempt => {
                "How eagerly running tasks are ended to make room, and run again later."
            }
            Key::Restartable => {
                "Whether a task may be run a second time to make room; false for side effects."
            }
            Key::Retries => "How often a failed task is run again.",
            Key::Timeout => {
                "After which time an attempt is ended; time spent frozen does not count."
            }
            Key::Grace => "How long after TERM a task is killed.",
            Key::Halt => {
                "When failures end the run: never, soon (start nothing more) or now (end what runs too)."
            }
            Key::Isolate => {
                "What tasks are kept in beside their groups: none, or pid, a PID namespace that ends with the guard."
            }
            Key::Scope => {
                "Whether to move to a systemd scope of its own where others share ours: never, or auto (cgroup v2)."
            }
            Key::Profile => "The profile whose values apply where nothing else is said.",
            Key::History => "Whether it is remembered what runs needed.",
            Key::HistoryDays => "For how many days it is remembered what runs needed.",
            Key::AgentCommand => "The command that runs an agent, word by word.",
        }
    }

    /// An example of it in a file: the value that holds anyway, where there is one.
    pub(crate) fn example(self) -> &'static str {
        match self {
            Key::Parallel => "false",
            Key::Concurrency => "2",
            Key::MemoryThreshold => "4096",
            Key::Memory => "\"80%\"",
            Key::Reserve => "\"512M\"",
            Key::TaskMemory => "\"300M\"",
            Key::Strategy => "\"continuous\"",
            Key::Preempt => "\"last\"",
            Key::Restartable => "true",
            Key::Retries => "0",
            Key::Timeout => "\"10m\"",
            Key::Grace => "\"5s\"",
            Key::Halt => "\"never\"",
            Key::Isolate => "\"none\"",
            Key::Scope => "\"never\"",
            Key::Profile => "\"development\"",
            Key::History => "true",
            Key::HistoryDays => "365",
            Key::AgentCommand => "[\"my-agent\", \"--print\"]",
        }
    }

    /// What a JSON schema says of it.
    pub(crate) fn schema(self) -> Value {
        const DURATION: &str = "^([0-9.]+(ms|s|m|h|d))+$|^[0-9.]+$";
        const SIZE: &str = "^ *[0-9.]+ *([kKmMgGtT]([iI]?[bB])?|[bB])? *$";
        const AMOUNT: &str = "^ *[0-9.]+ *([kKmMgGtT]([iI]?[bB])?|[bB]|%)? *$";
        let mut schema = match self {
            Key::Parallel | Key::Restartable => json!({"type": "boolean"}),
            Key::Concurrency => json!({"oneOf": [
                {"type": "integer", "minimum": 1},
                {"const": "auto"},
            ]}),
            Key::MemoryThreshold => json!({"type": "integer", "minimum": 1}),
            Key::Memory | Key::Reserve => json!({"type": "string", "pattern": AMOUNT}),
            Key::TaskMemory => json!({"type": "string", "pattern": SIZE}),
            Key::Strategy => json!({"enum": values::<StrategyArg>()}),
            Key::Preempt => json!({"enum": values::<PreemptArg>()}),
            Key::Isolate => json!({"enum": values::<IsolateArg>()}),
            Key::Scope => json!({"enum": values::<ScopeArg>()}),
            Key::Retries => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            Key::Timeout => json!({"oneOf": [
                {"type": "string", "pattern": DURATION},
                {"type": "integer", "minimum": 1, "maximum": MOST_SECONDS},
            ]}),
            Key::Grace => json!({"oneOf": [
                {"type": "string", "pattern": DURATION},
                {"type": "integer", "minimum": 0, "maximum": MOST_SECONDS},
            ]}),
            Key::Halt => json!({
                "type": "string",
                "pattern": "^(never|(soon|now)(,fail=[0-9.]+%?)?)$",
            }),
            Key::Profile => json!({"type": "string", "minLength": 1}),
            Key::History => json!({"type": ["boolean", "object"]}),
            Key::HistoryDays => json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
            Key::AgentCommand => json!({
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
            }),
        };
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".into(), self.about().into());
        }
        schema
    }
}

/// The words that an option takes.
fn values<T: ValueEnum>() -> Vec<String> {
    T::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value)
        .map(|value| value.get_name().to_owned())
        .collect()
}

fn quoted(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_leads_back_to_its_setting() {
        for key in Key::ALL {
            assert_eq!(Key::of_name(key.name()), Some(key));
            assert_eq!(Key::of_other_name(key.name()), None);
            assert!(key.about().ends_with('.'), "{key:?}");
        }
    }
}
