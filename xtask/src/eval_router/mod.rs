//! How well the router understands requests, how fast, and how its model is made.

mod figures;
mod labelled;
mod speed;
mod train;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use saferun_router::{Router, Rules};

use crate::Failure;
use crate::workspace::root;
use figures::Figures;
use labelled::Labelled;

const TUNING: &str = "crates/router/data/requests.tsv";
const HELD_OUT: &str = "crates/router/data/held-out.tsv";
const WEIGHTS: &str = "crates/router/model/weights.tsv";

/// Judges every request by its words alone; no setting has a say.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Lines of `mode<TAB>category<TAB>request` [default: the part that nothing was tuned on]
    file: Option<PathBuf>,
    /// Leave the trained model out
    #[arg(long)]
    rules_only: bool,
    /// Name every request whose mode is wrong
    #[arg(long)]
    errors: bool,
    /// Name every request whose category is wrong, too
    #[arg(long)]
    categories: bool,
    /// Measure how long a request takes instead
    #[arg(long)]
    speed: bool,
}

/// Makes the model anew from the tuning part.
#[derive(Debug, Args)]
pub(crate) struct TrainArguments {
    /// Judge by parts instead: each is judged by what the others taught
    #[arg(long, value_name = "PARTS")]
    folds: Option<usize>,
    /// Keep the families together when cutting into parts
    #[arg(long)]
    by_family: bool,
    /// Name every request whose mode is wrong
    #[arg(long)]
    errors: bool,
    /// Keep weights smaller (default 0.02)
    #[arg(long)]
    decay: Option<f32>,
    /// How often each request is seen
    #[arg(long)]
    rounds: Option<usize>,
    /// Requests in which a feature must occur to be learned
    #[arg(long)]
    fewest: Option<usize>,
    /// How much more an error on dependent work counts
    #[arg(long)]
    caution: Option<f32>,
    /// How often words are passed over while learning
    #[arg(long)]
    forgetting: Option<f32>,
}

/// `cargo xtask eval-router`
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let path = arguments
        .file
        .clone()
        .unwrap_or_else(|| root().join(HELD_OUT));
    let requests = labelled::read(&path)?;
    let mut router = Router::shipped()?;
    if arguments.rules_only {
        router = router.without_model();
    }
    if arguments.speed {
        speed::measure(&requests, &router);
        return Ok(ExitCode::SUCCESS);
    }
    let figures = judge(
        requests.iter(),
        &router,
        arguments.errors,
        arguments.categories,
    );
    print!("{}", figures.report());
    Ok(ExitCode::SUCCESS)
}

fn judge<'a>(
    requests: impl Iterator<Item = &'a Labelled>,
    router: &Router,
    tells_errors: bool,
    tells_categories: bool,
) -> Figures {
    let mut figures = Figures::default();
    for labelled in requests {
        let verdict = router.classify(&labelled.request);
        figures.add(labelled, &verdict);
        let wrong_mode = labelled.mode != verdict.mode;
        if (tells_errors && wrong_mode)
            || (tells_categories && labelled.category != verdict.category)
        {
            println!(
                "line {}: {} taken for {} ({:.2}): {}",
                labelled.line,
                labelled.category,
                verdict.category,
                verdict.dependent_score,
                labelled.request
            );
        }
    }
    figures
}

/// `cargo xtask train-router`
pub(crate) fn run_training(arguments: &TrainArguments) -> Result<ExitCode, Failure> {
    let requests = labelled::read(&root().join(TUNING))?;
    let router = Router::shipped()?.without_model();
    let mut plan = train::Plan::default();
    plan.decay = arguments.decay.unwrap_or(plan.decay);
    plan.rounds = arguments.rounds.unwrap_or(plan.rounds);
    plan.fewest = arguments.fewest.unwrap_or(plan.fewest);
    plan.caution = arguments.caution.unwrap_or(plan.caution);
    plan.forgetting = arguments.forgetting.unwrap_or(plan.forgetting);
    let Some(folds) = arguments.folds else {
        let all: Vec<&Labelled> = requests.iter().collect();
        let weights = train::train(&all, &router, plan).file();
        fs::write(root().join(WEIGHTS), &weights)?;
        println!(
            "{WEIGHTS}: {} features, {} bytes",
            weights.lines().count() - 1,
            weights.len()
        );
        return Ok(ExitCode::SUCCESS);
    };
    let folds = folds.max(2);
    let part = |place: usize, labelled: &Labelled| {
        if arguments.by_family {
            let sum = labelled.family.bytes().fold(5381_usize, |sum, byte| {
                sum.wrapping_mul(33) ^ usize::from(byte)
            });
            sum % folds
        } else {
            place % folds
        }
    };
    let mut figures = Figures::default();
    for fold in 0..folds {
        let (mut others, mut own) = (Vec::new(), Vec::new());
        for (place, labelled) in requests.iter().enumerate() {
            if part(place, labelled) == fold {
                own.push(labelled)
            } else {
                others.push(labelled)
            }
        }
        let weights = train::train(&others, &router, plan).file();
        let taught = Router::with_weights(Rules::shipped()?, &weights)?;
        for labelled in own {
            let verdict = taught.classify(&labelled.request);
            figures.add(labelled, &verdict);
            if arguments.errors && verdict.mode != labelled.mode {
                println!(
                    "line {}: {} taken for {} ({:.2}): {}",
                    labelled.line,
                    labelled.category,
                    verdict.category,
                    verdict.dependent_score,
                    labelled.request
                );
            }
        }
    }
    print!("{}", figures.report());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_router_understands_what_it_was_not_tuned_on() {
        let requests = labelled::read(&root().join(HELD_OUT)).expect("well formed");
        let router = Router::shipped().expect("the shipped rules are right");
        let figures = judge(requests.iter(), &router, false, false);
        assert!(figures.right_modes() >= 0.92, "{}", figures.report());
        assert!(figures.costly() <= 0.05, "{}", figures.report());
    }

    #[test]
    fn the_labels_say_of_each_category_one_mode() {
        for path in [TUNING, HELD_OUT] {
            for labelled in labelled::read(&root().join(path)).expect("well formed") {
                assert_eq!(
                    labelled.mode,
                    labelled.category.mode(),
                    "{path}:{}",
                    labelled.line
                );
            }
        }
    }
}
