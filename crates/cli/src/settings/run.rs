//! The resolved settings of one run.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use saferun_executor::{Concurrency, Containment, Isolation, OutputMode, OutputOptions};
use saferun_history::store::Retention;
use saferun_memory::Amount;
use saferun_scheduler::{Halt, Order, Preempt, Strategy};

use super::gather::Configuration;
use super::layer::Layer;
use super::source::{Source, Sourced};
use crate::args::values::Jobs;
use crate::args::{
    ContainmentArg, IsolateArg, OrderArg, PreemptArg, ProgressArg, RunArgs, ScopeArg, StrategyArg,
};
use crate::error::CliError;
use crate::items::TaskRights;

/// Where JSON lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonTarget {
    /// To standard error, in place of everything else said there.
    Stderr,
    /// To a file.
    File(PathBuf),
}

/// So many at once suit agents; more is taken with a warning.
const MOST_FOR_AGENTS: usize = 3;

/// The settings of a run, each valid.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// How many at once.
    pub concurrency: Concurrency,
    /// The configured budget.
    pub memory: Option<Amount>,
    /// The configured reserve.
    pub reserve: Option<Amount>,
    /// The assumed peak of an unknown task, in bytes.
    pub task_memory: Option<u64>,
    /// Above which use of the session tasks run one by one, in bytes, if somebody has set it.
    pub threshold: Option<u64>,
    /// How tasks are admitted.
    pub strategy: Strategy,
    /// How eagerly running work is ended.
    pub preempt: Preempt,
    /// Which waiting tasks are tried first.
    pub order: Order,
    /// What every task may do and have done to it.
    pub rights: TaskRights,
    /// How long after TERM a task is killed.
    pub grace: Duration,
    /// When failures end the run.
    pub halt: Halt,
    /// What happens to tasks' output.
    pub output: OutputOptions,
    /// How the run is shown.
    pub progress: ProgressArg,
    /// Where JSON lines go.
    pub json: Option<JsonTarget>,
    /// Whether every event is told.
    pub verbose: bool,
    /// Which containment may be used.
    pub containment: Containment,
    /// What tasks are kept in beside that.
    pub isolation: Isolation,
    /// Whether a scope of our own is asked for.
    pub scope: ScopeArg,
    /// Whether the run is recorded.
    pub history: bool,
    /// For how many days what is recorded is kept.
    pub history_days: u32,
    /// What makes tasks run one by one, if that could be otherwise, and how.
    pub one_by_one: Option<String>,
    /// What else is to be said before the run.
    pub warnings: Vec<String>,
}

impl RunSettings {
    /// The settings that follow from all sources.
    pub(crate) fn resolve(args: &RunArgs) -> Result<Self, CliError> {
        let configuration = Configuration::gather(&args.settings)?;
        let mut settings = Self::of(&configuration.layer, args);
        settings.warnings.extend(configuration.warnings());
        Ok(settings)
    }

    fn of(layer: &Layer, args: &RunArgs) -> Self {
        let how = Parallelism::of(layer);
        Self {
            concurrency: how.concurrency,
            memory: value(&layer.memory),
            reserve: value(&layer.reserve),
            task_memory: value(&layer.task_memory),
            threshold: threshold(layer),
            strategy: how.strategy,
            preempt: match value(&layer.preempt) {
                None | Some(PreemptArg::Last) => Preempt::Last,
                Some(PreemptArg::Eager) => Preempt::Eager,
                Some(PreemptArg::Never) => Preempt::Never,
            },
            order: match args.order {
                None | Some(OrderArg::Longest) => Order::Longest,
                Some(OrderArg::Fifo) => Order::Fifo,
            },
            rights: TaskRights {
                restartable: value(&layer.restartable).unwrap_or_default(),
                retries: value(&layer.retries).unwrap_or_default(),
                timeout: value(&layer.timeout),
            },
            grace: value(&layer.grace).unwrap_or_default(),
            halt: value(&layer.halt).unwrap_or_default(),
            output: OutputOptions {
                mode: if args.line_buffer {
                    OutputMode::LineBuffered
                } else {
                    OutputMode::Grouped
                },
                keep_order: args.keep_order,
                tag: args.tag,
            },
            progress: args.progress.unwrap_or(ProgressArg::Auto),
            json: args.json.as_ref().map(|target| match target {
                Some(path) => JsonTarget::File(path.clone()),
                None => JsonTarget::Stderr,
            }),
            verbose: args.verbose,
            containment: match args.containment {
                None | Some(ContainmentArg::Best) => Containment::Best,
                Some(ContainmentArg::Tree) => Containment::Tree,
            },
            isolation: match value(&layer.isolate) {
                None | Some(IsolateArg::None) => Isolation::None,
                Some(IsolateArg::Pid) => Isolation::Pid,
            },
            scope: value(&layer.scope).unwrap_or(ScopeArg::Never),
            history: value(&layer.history).unwrap_or_default(),
            history_days: value(&layer.history_days).unwrap_or(Retention::MOST_DAYS),
            one_by_one: how.one_by_one,
            warnings: how.warning.into_iter().collect(),
        }
    }
}

fn value<T: Clone>(setting: &Option<Sourced<T>>) -> Option<T> {
    setting.as_ref().map(|sourced| sourced.value.clone())
}

/// What is built in binds batches only, and they know it themselves.
fn threshold(layer: &Layer) -> Option<u64> {
    let threshold = layer.memory_threshold.as_ref()?;
    (threshold.source != Source::BuiltIn).then_some(threshold.value)
}

/// How many at once, how, and why so.
struct Parallelism {
    strategy: Strategy,
    concurrency: Concurrency,
    one_by_one: Option<String>,
    warning: Option<String>,
}

impl Parallelism {
    fn of(layer: &Layer) -> Self {
        let asked = layer.strategy.as_ref();
        let jobs = layer.concurrency.as_ref();
        let by_flag = |source: &Source| matches!(source, Source::Flag(_));
        let jobs_by_flag = jobs.is_some_and(|jobs| by_flag(&jobs.source));
        let strategy = match asked.map(|sourced| (sourced.value, &sourced.source)) {
            // -j of this very command says more than what a file says for all of them.
            Some((StrategyArg::Sequential, source)) if !jobs_by_flag || by_flag(source) => {
                return Self::one_by_one(None);
            }
            None | Some((StrategyArg::Continuous | StrategyArg::Sequential, _)) => {
                Strategy::Continuous
            }
            Some((StrategyArg::Batch, _)) => Strategy::Batch,
            Some((StrategyArg::Unlimited, _)) => Strategy::Unlimited,
        };
        if let Some(why) = why_not(layer, strategy) {
            return Self::one_by_one(Some(why));
        }
        Self {
            strategy,
            concurrency: match jobs.map(|jobs| jobs.value) {
                None | Some(Jobs::Auto) => Concurrency::Auto,
                Some(Jobs::Count(count)) => Concurrency::Count(count),
            },
            one_by_one: None,
            warning: jobs.and_then(too_many),
        }
    }

    fn one_by_one(why: Option<String>) -> Self {
        Self {
            strategy: Strategy::Sequential,
            concurrency: Concurrency::Count(NonZeroUsize::MIN),
            one_by_one: why,
            warning: None,
        }
    }
}

/// Why tasks don't run side by side, and how they would; `None` when they do.
fn why_not(layer: &Layer, strategy: Strategy) -> Option<String> {
    let parallel = layer.parallel.as_ref();
    if parallel.is_some_and(|parallel| parallel.value) {
        return None;
    }
    let because = match parallel.map(|parallel| &parallel.source) {
        None | Some(Source::BuiltIn) => String::new(),
        Some(source) => format!(", as {source} says"),
    };
    let how = match strategy {
        Strategy::Batch => "to run batches, add -j N or set SAFE_PARALLEL=true",
        _ => "to run as many as memory allows, add -j auto",
    };
    Some(format!("running one task at a time{because}; {how}"))
}

/// A word on a number that is more than agents bear. Who writes -j has this very command in mind.
fn too_many(jobs: &Sourced<Jobs>) -> Option<String> {
    match (jobs.value, &jobs.source) {
        (_, Source::Flag(_) | Source::BuiltIn) => None,
        (Jobs::Count(count), source) if count.get() > MOST_FOR_AGENTS => Some(format!(
            "{count} tasks at once, as {source} says; with agents, more than {MOST_FOR_AGENTS} are known to exhaust memory"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use clap::Parser;
    use saferun_scheduler::FailureLimit;

    use super::*;
    use crate::args::{Cli, Command};
    use crate::settings::document::{Document, Owner};

    fn settings(file: &str, flags: &str) -> RunSettings {
        let line = format!("saferun run {flags} true");
        let Command::Run(args) = Cli::parse_from(line.split_whitespace()).command else {
            panic!("a run");
        };
        let path: Arc<Path> = Path::new("/p/saferun.toml").into();
        let document = Document::parse(file.as_bytes(), &path, Owner::Project).unwrap();
        let flags = Layer::of_flags(&args.settings);
        let layer = flags.over(document.layer).over(Layer::built_in());
        RunSettings::of(&layer, &args)
    }

    fn count(count: usize) -> Concurrency {
        Concurrency::Count(NonZeroUsize::new(count).unwrap())
    }

    #[test]
    fn each_setting_reaches_the_run() {
        let file = "parallel = true\nconcurrency = 3\nmemory_threshold = 10\nmemory = '1G'\n\
            reserve = '5%'\ntask_memory = '1M'\nstrategy = 'batch'\npreempt = 'eager'\n\
            restartable = false\nretries = 4\ntimeout = '2s'\ngrace = 1\nhalt = 'now,fail=2'\n\
            isolate = 'pid'\nscope = 'auto'\n";
        let settings = settings(file, "");
        assert_eq!(settings.concurrency, count(3));
        assert_eq!(settings.threshold, Some(10 << 20));
        assert_eq!(settings.memory, Some(Amount::Bytes(1 << 30)));
        assert_eq!(settings.reserve, Some(Amount::Percent(5.0)));
        assert_eq!(settings.task_memory, Some(1 << 20));
        assert_eq!(settings.strategy, Strategy::Batch);
        assert_eq!(settings.preempt, Preempt::Eager);
        assert!(!settings.rights.restartable);
        assert_eq!(settings.rights.retries, 4);
        assert_eq!(settings.rights.timeout, Some(Duration::from_secs(2)));
        assert_eq!(settings.grace, Duration::from_secs(1));
        assert_eq!(settings.halt, Halt::Now(FailureLimit::Count(2)));
        assert_eq!(settings.isolation, Isolation::Pid);
        assert_eq!(settings.scope, ScopeArg::Auto);
        assert_eq!((settings.one_by_one, settings.warnings), (None, vec![]));
    }

    #[test]
    fn what_makes_a_run_parallel() {
        let how = |file, flags| {
            let settings = settings(file, flags);
            let said = settings.one_by_one.is_some();
            (settings.strategy, settings.concurrency, said)
        };
        let one_by_one = |said| (Strategy::Sequential, count(1), said);
        assert_eq!(how("", ""), one_by_one(true));
        assert_eq!(how("concurrency = 3", ""), one_by_one(true));
        assert_eq!(
            how("parallel = false", "--strategy batch"),
            one_by_one(true)
        );
        assert_eq!(how("", "--strategy sequential"), one_by_one(false));
        assert_eq!(
            how("parallel = true", "--strategy sequential"),
            one_by_one(false)
        );
        assert_eq!(how("", "--strategy sequential -j 4"), one_by_one(false));
        let (continuous, batch) = (Strategy::Continuous, Strategy::Batch);
        assert_eq!(how("parallel = true", ""), (continuous, count(2), false));
        assert_eq!(
            how("parallel = false", "-j 4"),
            (continuous, count(4), false)
        );
        assert_eq!(
            how("strategy = 'sequential'", "-j 4"),
            (continuous, count(4), false)
        );
        assert_eq!(how("", "-j auto"), (continuous, Concurrency::Auto, false));
        assert_eq!(
            how("parallel = true", "--strategy batch"),
            (batch, count(2), false)
        );
        let auto = "parallel = true\nconcurrency = 'auto'";
        assert_eq!(how(auto, ""), (continuous, Concurrency::Auto, false));
    }

    #[test]
    fn the_threshold_that_nobody_has_set_is_left_to_batches() {
        assert_eq!(settings("", "-j 2").threshold, None);
        assert_eq!(settings("", "-j 2 --strategy batch").threshold, None);
        assert_eq!(
            settings("", "-j 2 --threshold 4096").threshold,
            Some(4096 << 20)
        );
    }
}
