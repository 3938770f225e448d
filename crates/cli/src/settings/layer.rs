//! One layer of settings; what is `None` is left to the layers below.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::ValueEnum;
use saferun_history::store::Retention;
use saferun_memory::Amount;
use saferun_scheduler::Halt;
use toml::de::DeValue;

use super::key::Key;
use super::source::{Source, Sourced};
use crate::args::values::{self, Jobs, bytes_of_megabytes};
use crate::args::{IsolateArg, PreemptArg, ScopeArg, SettingsArgs, StrategyArg};

/// Some of the settings, each with its source.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layer {
    pub(crate) parallel: Option<Sourced<bool>>,
    pub(crate) concurrency: Option<Sourced<Jobs>>,
    /// In bytes.
    pub(crate) memory_threshold: Option<Sourced<u64>>,
    pub(crate) memory: Option<Sourced<Amount>>,
    pub(crate) reserve: Option<Sourced<Amount>>,
    /// In bytes.
    pub(crate) task_memory: Option<Sourced<u64>>,
    pub(crate) strategy: Option<Sourced<StrategyArg>>,
    pub(crate) preempt: Option<Sourced<PreemptArg>>,
    pub(crate) restartable: Option<Sourced<bool>>,
    pub(crate) retries: Option<Sourced<u32>>,
    pub(crate) timeout: Option<Sourced<Duration>>,
    pub(crate) grace: Option<Sourced<Duration>>,
    pub(crate) halt: Option<Sourced<Halt>>,
    pub(crate) isolate: Option<Sourced<IsolateArg>>,
    pub(crate) scope: Option<Sourced<ScopeArg>>,
    pub(crate) profile: Option<Sourced<String>>,
    pub(crate) history: Option<Sourced<bool>>,
    pub(crate) history_days: Option<Sourced<u32>>,
    pub(crate) agent_command: Option<Sourced<Vec<String>>>,
}

impl Layer {
    /// The uppermost layer. `-j` says two things: how many, and that they run side by side.
    pub(super) fn of_flags(args: &SettingsArgs) -> Self {
        fn flag<T>(name: &'static str, value: Option<T>) -> Option<Sourced<T>> {
            value.map(|value| Sourced {
                value,
                source: Source::Flag(name),
            })
        }
        Self {
            parallel: flag("--jobs", args.jobs.map(|_| true)),
            concurrency: flag("--jobs", args.jobs),
            memory_threshold: flag("--threshold", args.threshold),
            memory: flag("--memory", args.memory),
            reserve: flag("--reserve", args.reserve),
            task_memory: flag("--task-memory", args.task_memory),
            strategy: flag("--strategy", args.strategy),
            preempt: flag("--preempt", args.preempt),
            restartable: flag("--no-restart", args.no_restart.then_some(false)),
            retries: flag("--retries", args.retries),
            timeout: flag("--timeout", args.timeout),
            grace: flag("--grace", args.grace),
            halt: flag("--halt", args.halt),
            isolate: flag("--isolate", args.isolate),
            scope: flag("--scope", args.scope),
            profile: flag("--profile", args.profile.clone()),
            history: flag("--no-history", args.no_history.then_some(false)),
            history_days: None,
            agent_command: None,
        }
    }

    /// The lowest layer.
    pub(super) fn built_in() -> Self {
        fn built_in<T>(value: T) -> Option<Sourced<T>> {
            Some(Sourced {
                value,
                source: Source::BuiltIn,
            })
        }
        Self {
            parallel: built_in(false),
            concurrency: NonZeroUsize::new(2).and_then(|two| built_in(Jobs::Count(two))),
            memory_threshold: built_in(saferun_executor::DEFAULT_THRESHOLD_BYTES),
            strategy: built_in(StrategyArg::Continuous),
            preempt: built_in(PreemptArg::Last),
            restartable: built_in(true),
            retries: built_in(0),
            grace: built_in(Duration::from_secs(5)),
            halt: built_in(Halt::Never),
            isolate: built_in(IsolateArg::None),
            scope: built_in(ScopeArg::Never),
            history: built_in(true),
            history_days: built_in(Retention::MOST_DAYS),
            ..Self::default()
        }
    }

    /// This layer over a lower one.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            parallel: self.parallel.or(lower.parallel),
            concurrency: self.concurrency.or(lower.concurrency),
            memory_threshold: self.memory_threshold.or(lower.memory_threshold),
            memory: self.memory.or(lower.memory),
            reserve: self.reserve.or(lower.reserve),
            task_memory: self.task_memory.or(lower.task_memory),
            strategy: self.strategy.or(lower.strategy),
            preempt: self.preempt.or(lower.preempt),
            restartable: self.restartable.or(lower.restartable),
            retries: self.retries.or(lower.retries),
            timeout: self.timeout.or(lower.timeout),
            grace: self.grace.or(lower.grace),
            halt: self.halt.or(lower.halt),
            isolate: self.isolate.or(lower.isolate),
            scope: self.scope.or(lower.scope),
            profile: self.profile.or(lower.profile),
            history: self.history.or(lower.history),
            history_days: self.history_days.or(lower.history_days),
            agent_command: self.agent_command.or(lower.agent_command),
        }
    }

    /// Takes a value from a file; false when the setting can't have it.
    pub(super) fn take(&mut self, key: Key, value: &DeValue<'_>, source: &Source) -> bool {
        match key {
            Key::Parallel => put(&mut self.parallel, value.as_bool(), source),
            Key::Concurrency => put(&mut self.concurrency, jobs(value), source),
            Key::MemoryThreshold => {
                let bytes = integer(value).and_then(bytes_of_megabytes);
                put(&mut self.memory_threshold, bytes, source)
            }
            Key::Memory => put(&mut self.memory, text(value, values::amount), source),
            Key::Reserve => put(&mut self.reserve, text(value, values::amount), source),
            Key::TaskMemory => put(&mut self.task_memory, text(value, values::size), source),
            Key::Strategy => put(&mut self.strategy, text(value, word), source),
            Key::Preempt => put(&mut self.preempt, text(value, word), source),
            Key::Restartable => put(&mut self.restartable, value.as_bool(), source),
            Key::Retries => {
                let count = integer(value).and_then(|count| count.try_into().ok());
                put(&mut self.retries, count, source)
            }
            Key::Timeout => {
                let length = duration(value).filter(|length| !length.is_zero());
                put(&mut self.timeout, length, source)
            }
            Key::Grace => put(&mut self.grace, duration(value), source),
            Key::Halt => put(&mut self.halt, text(value, values::halt), source),
            Key::Isolate => put(&mut self.isolate, text(value, word), source),
            Key::Scope => put(&mut self.scope, text(value, word), source),
            Key::Profile => {
                let name = value.as_str().filter(|name| !name.is_empty());
                put(&mut self.profile, name.map(str::to_owned), source)
            }
            Key::History => {
                // A table of its own may stand in place of the word.
                value.is_table() || put(&mut self.history, value.as_bool(), source)
            }
            Key::HistoryDays => {
                let days = integer(value).and_then(|days| u32::try_from(days).ok());
                put(
                    &mut self.history_days,
                    days.filter(|days| *days > 0),
                    source,
                )
            }
            Key::AgentCommand => put(&mut self.agent_command, words(value), source),
        }
    }
}

fn put<T>(place: &mut Option<Sourced<T>>, value: Option<T>, source: &Source) -> bool {
    match value {
        Some(value) => {
            *place = Some(Sourced {
                value,
                source: source.clone(),
            });
            true
        }
        None => false,
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn text<T>(value: &DeValue<'_>, meaning: impl Fn(&str) -> Result<T, String>) -> Option<T> {
    meaning(value.as_str()?).ok()
}

fn word<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false)
}

fn jobs(value: &DeValue<'_>) -> Option<Jobs> {
    match value.as_str() {
        Some("auto") => Some(Jobs::Auto),
        Some(_) => None,
        None => {
            let count = usize::try_from(integer(value)?).ok()?;
            NonZeroUsize::new(count).map(Jobs::Count)
        }
    }
}

/// A duration as text, or whole seconds.
fn duration(value: &DeValue<'_>) -> Option<Duration> {
    match integer(value) {
        Some(seconds) => values::duration(&seconds.to_string()).ok(),
        None => text(value, values::duration),
    }
}

/// Words of a command; none of them may hold what no argument can.
fn words(value: &DeValue<'_>) -> Option<Vec<String>> {
    let words: Option<Vec<String>> = value
        .as_array()?
        .iter()
        .map(|word| {
            let word = word.get_ref().as_str()?;
            (!word.contains('\0')).then(|| word.to_owned())
        })
        .collect();
    words.filter(|words| words.first().is_some_and(|program| !program.is_empty()))
}
