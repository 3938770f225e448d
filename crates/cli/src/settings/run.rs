//! The resolved settings of one run.

use std::path::PathBuf;
use std::time::Duration;

use saferun_executor::{Concurrency, Containment, OutputMode, OutputOptions};
use saferun_memory::Amount;
use saferun_scheduler::{Halt, Preempt, Strategy};

use super::{Source, Sourced, uppermost};
use crate::args::{ContainmentArg, Jobs, PreemptArg, ProgressArg, RunArgs, StrategyArg};
use crate::items::TaskRights;

/// Where JSON lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonTarget {
    /// To standard error, in place of everything else said there.
    Stderr,
    /// To a file.
    File(PathBuf),
}

/// Whether tasks run side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parallel {
    /// They do.
    Yes,
    /// One by one, because somebody said so.
    No,
    /// One by one, because nobody said otherwise.
    NotAsked,
}

/// One layer of settings; what is `None` is left to the layers below.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layer {
    jobs: Option<Jobs>,
    memory: Option<Amount>,
    reserve: Option<Amount>,
    task_memory: Option<u64>,
    strategy: Option<Strategy>,
    preempt: Option<Preempt>,
    restart: Option<bool>,
    retries: Option<u32>,
    timeout: Option<Duration>,
    grace: Option<Duration>,
    halt: Option<Halt>,
    progress: Option<ProgressArg>,
    containment: Option<Containment>,
}

impl Layer {
    /// The layer of the flags.
    fn of_flags(args: &RunArgs) -> Self {
        Self {
            jobs: args.jobs,
            memory: args.memory,
            reserve: args.reserve,
            task_memory: args.task_memory,
            strategy: args.strategy.map(|strategy| match strategy {
                StrategyArg::Continuous => Strategy::Continuous,
                StrategyArg::Sequential => Strategy::Sequential,
                StrategyArg::Unlimited => Strategy::Unlimited,
            }),
            preempt: args.preempt.map(|preempt| match preempt {
                PreemptArg::Last => Preempt::Last,
                PreemptArg::Eager => Preempt::Eager,
                PreemptArg::Never => Preempt::Never,
            }),
            restart: args.no_restart.then_some(false),
            retries: args.retries,
            timeout: args.timeout,
            grace: args.grace,
            halt: args.halt,
            progress: args.progress,
            containment: args.containment.map(|containment| match containment {
                ContainmentArg::Best => Containment::Best,
                ContainmentArg::Tree => Containment::Tree,
            }),
        }
    }

    /// The lowest layer.
    fn built_in() -> Self {
        Self {
            strategy: Some(Strategy::Continuous),
            preempt: Some(Preempt::Last),
            restart: Some(true),
            retries: Some(0),
            grace: Some(Duration::from_secs(5)),
            halt: Some(Halt::Never),
            progress: Some(ProgressArg::Auto),
            containment: Some(Containment::Best),
            ..Self::default()
        }
    }
}

/// The settings of a run, each valid.
#[derive(Debug, Clone)]
pub(crate) struct RunSettings {
    /// How many at once.
    pub concurrency: Concurrency,
    /// Whether side by side.
    pub parallel: Parallel,
    /// The configured budget.
    pub memory: Option<Sourced<Amount>>,
    /// The configured reserve.
    pub reserve: Option<Sourced<Amount>>,
    /// The assumed peak of an unknown task, in bytes.
    pub task_memory: Option<Sourced<u64>>,
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
}

impl RunSettings {
    /// The settings that follow from the flags and what is built in.
    pub(crate) fn resolve(args: &RunArgs) -> Self {
        let layers = [
            (Source::Flag, Layer::of_flags(args)),
            (Source::BuiltIn, Layer::built_in()),
        ];
        let strategy = uppermost(&layers, |layer| &layer.strategy);
        let jobs = uppermost(&layers, |layer| &layer.jobs);
        let (strategy, concurrency, parallel) = parallelism(strategy, jobs);
        let or_default = |value: Option<bool>| value.unwrap_or_default();
        Self {
            concurrency,
            parallel,
            memory: uppermost(&layers, |layer| &layer.memory),
            reserve: uppermost(&layers, |layer| &layer.reserve),
            task_memory: uppermost(&layers, |layer| &layer.task_memory),
            strategy,
            preempt: value(&layers, |layer| &layer.preempt).unwrap_or_default(),
            rights: TaskRights {
                restartable: or_default(value(&layers, |layer| &layer.restart)),
                retries: value(&layers, |layer| &layer.retries).unwrap_or_default(),
                timeout: value(&layers, |layer| &layer.timeout),
            },
            grace: value(&layers, |layer| &layer.grace).unwrap_or_default(),
            halt: value(&layers, |layer| &layer.halt).unwrap_or_default(),
            output: OutputOptions {
                mode: if args.line_buffer {
                    OutputMode::LineBuffered
                } else {
                    OutputMode::Grouped
                },
                keep_order: args.keep_order,
                tag: args.tag,
            },
            progress: value(&layers, |layer| &layer.progress).unwrap_or(ProgressArg::Auto),
            json: args.json.as_ref().map(|target| match target {
                Some(path) => JsonTarget::File(path.clone()),
                None => JsonTarget::Stderr,
            }),
            verbose: args.verbose,
            containment: value(&layers, |layer| &layer.containment).unwrap_or_default(),
        }
    }
}

fn value<T: Clone>(layers: &[(Source, Layer)], choice: impl Fn(&Layer) -> &Option<T>) -> Option<T> {
    uppermost(layers, choice).map(|sourced| sourced.value)
}

/// `-j` decides whether a run is parallel; without it, it is sequential.
fn parallelism(
    strategy: Option<Sourced<Strategy>>,
    jobs: Option<Sourced<Jobs>>,
) -> (Strategy, Concurrency, Parallel) {
    let one = Concurrency::Count(std::num::NonZeroUsize::MIN);
    let asked = strategy.map(|sourced| sourced.value).unwrap_or_default();
    match (asked, jobs.map(|sourced| sourced.value)) {
        (Strategy::Sequential, _) => (Strategy::Sequential, one, Parallel::No),
        (_, None) => (Strategy::Sequential, one, Parallel::NotAsked),
        (strategy, Some(Jobs::Auto)) => (strategy, Concurrency::Auto, Parallel::Yes),
        (strategy, Some(Jobs::Count(count))) => {
            (strategy, Concurrency::Count(count), Parallel::Yes)
        }
    }
}
