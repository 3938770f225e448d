//! Settings written as they may be read again.

use std::time::Duration;

use clap::ValueEnum;
use saferun_memory::Amount;
use saferun_scheduler::{FailureLimit, Halt};
use serde_json::Value;

use super::key::Key;
use super::layer::Layer;
use super::source::{Source, Sourced};
use crate::args::values::Jobs;

impl Layer {
    /// A setting as a file would hold it, and where it came from; `None` when it is not set.
    pub(crate) fn written(&self, key: Key) -> Option<(Value, &Source)> {
        match key {
            Key::Parallel => of(&self.parallel, |value| Value::from(*value)),
            Key::Concurrency => of(&self.concurrency, |value| match value {
                Jobs::Auto => Value::from("auto"),
                Jobs::Count(count) => Value::from(count.get()),
            }),
            Key::MemoryThreshold => of(&self.memory_threshold, |bytes| Value::from(bytes >> 20)),
            Key::Memory => of(&self.memory, amount),
            Key::Reserve => of(&self.reserve, amount),
            Key::TaskMemory => of(&self.task_memory, |bytes| size(*bytes).into()),
            Key::Strategy => of(&self.strategy, word),
            Key::Preempt => of(&self.preempt, word),
            Key::Restartable => of(&self.restartable, |value| Value::from(*value)),
            Key::Retries => of(&self.retries, |value| Value::from(*value)),
            Key::Timeout => of(&self.timeout, |value| duration(*value).into()),
            Key::Grace => of(&self.grace, |value| duration(*value).into()),
            Key::Isolate => of(&self.isolate, word),
            Key::Scope => of(&self.scope, word),
            Key::Halt => of(&self.halt, |value| halt(*value).into()),
            Key::Profile => of(&self.profile, |value| Value::from(value.as_str())),
            Key::History => of(&self.history, |value| Value::from(*value)),
            Key::HistoryDays => of(&self.history_days, |days| Value::from(*days)),
            Key::AgentCommand => of(&self.agent_command, |value| Value::from(value.as_slice())),
        }
    }
}

fn of<T>(setting: &Option<Sourced<T>>, write: impl Fn(&T) -> Value) -> Option<(Value, &Source)> {
    let setting = setting.as_ref()?;
    Some((write(&setting.value), &setting.source))
}

fn word<T: ValueEnum>(value: &T) -> Value {
    let word = value.to_possible_value();
    word.map_or(Value::Null, |word| word.get_name().into())
}

fn amount(amount: &Amount) -> Value {
    match amount {
        Amount::Bytes(bytes) => size(*bytes).into(),
        Amount::Percent(percent) => format!("{percent}%").into(),
    }
}

/// The largest unit that loses nothing.
fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |shift: u32| bytes > 0 && bytes.trailing_zeros() >= shift;
    match units.iter().find(|(shift, _)| whole(*shift)) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// Whole hours, minutes and seconds; what is left in milliseconds.
fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (u128::from(seconds / 3600), "h"),
        (u128::from(seconds / 60 % 60), "m"),
        (u128::from(seconds % 60), "s"),
        (u128::from(length.subsec_millis()), "ms"),
    ];
    let written: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if written.is_empty() {
        String::from("0s")
    } else {
        written
    }
}

fn halt(halt: Halt) -> String {
    let (when, limit) = match halt {
        Halt::Never => return String::from("never"),
        Halt::Soon(limit) => ("soon", limit),
        Halt::Now(limit) => ("now", limit),
    };
    match limit {
        FailureLimit::Count(1) => String::from(when),
        FailureLimit::Count(count) => format!("{when},fail={count}"),
        FailureLimit::Share(share) => format!("{when},fail={}%", share * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::args::values;

    proptest! {
        #[test]
        fn what_is_written_reads_the_same(bytes in 1_u64.., shift in 0_u32..60, ms in 0_u64..1_000_000_000) {
            for bytes in [bytes, bytes >> shift << shift] {
                prop_assume!(bytes > 0);
                prop_assert_eq!(values::size(&size(bytes)), Ok(bytes));
            }
            let length = Duration::from_millis(ms);
            prop_assert_eq!(values::duration(&duration(length)), Ok(length));
        }

        #[test]
        fn so_does_when_to_halt(count in 1_u64.., percent in 1_u32..=100) {
            for text in ["never".to_owned(), "now".into(), format!("soon,fail={count}"), format!("now,fail={percent}%")] {
                let meaning = values::halt(&text);
                prop_assert_eq!(meaning.clone().and_then(|meaning| values::halt(&halt(meaning))), meaning);
            }
        }
    }
}
