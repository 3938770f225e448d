//! The resolved settings of one run.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use saferun_executor::{Concurrency, Containment, OutputMode, OutputOptions};
use saferun_memory::Amount;
use saferun_scheduler::{Halt, Preempt, Strategy};

use super::gather::Configuration;
use super::layer::Layer;
use super::source::{Source, Sourced};
use crate::args::values::Jobs;
use crate::args::{ContainmentArg, PreemptArg, ProgressArg, RunArgs, StrategyArg};
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
    /// What makes tasks run one by one, if that could be otherwise, and how.
    pub one_by_one: Option<String>,
    /// What else is to be said before the run.
    pub warnings: Vec<String>,
}

impl RunSettings {
    /// The settings that follow from all sources.
    pub(crate) fn resolve(args: &RunArgs) -> Result<Self, CliError> {
        let configuration = Configuration::gather(&args.settings)?;
        let layer = &configuration.layer;
        let how = Parallelism::of(layer);
        let mut warnings: Vec<String> = configuration.warnings().collect();
        warnings.extend(how.warning);
        Ok(Self {
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
            one_by_one: how.one_by_one,
            warnings,
        })
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
