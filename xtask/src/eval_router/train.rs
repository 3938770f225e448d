//! Learns the weights of the router's model from labelled requests.
//!
//! Multinomial logistic regression by gradient descent with a step of its own for each weight
//! (AdaGrad: Duchi, Hazan and Singer 2011) and weight decay. What the rules say is the starting
//! point, so that only the rest is learned. A request of several clauses teaches by its strictest
//! clause (multiple-instance learning), which is also the one that decides later. No randomness but
//! a fixed sequence: the same data give the same weights.

use std::collections::{BTreeMap, HashMap};

use saferun_router::training::Example;
use saferun_router::{Category, Router};

use super::labelled::Labelled;

const CATEGORIES: usize = Category::ALL.len();
type Scores = [f32; CATEGORIES];

/// How the learning goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// How often each request is seen.
    pub rounds: usize,
    /// The first step's length.
    pub step: f32,
    /// The weight's share of the gradient: larger keeps weights smaller.
    pub decay: f32,
    /// A feature that is seen in fewer requests is not learned.
    pub fewest: usize,
    /// How much more an error on dependent work counts.
    pub caution: f32,
    /// How often a feature that holds a word of the request is passed over, so that what its
    /// words have in common with others is learned too.
    pub forgetting: f32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rounds: 30,
            step: 0.15,
            decay: 0.02,
            fewest: 2,
            caution: 3.5,
            forgetting: 0.4,
        }
    }
}

/// Weights by the name of the feature.
pub(super) struct Weights {
    names: Vec<String>,
    values: Vec<Scores>,
}

/// A request as the places of its features.
struct Lesson {
    clauses: Vec<(Vec<usize>, Scores)>,
    category: Category,
}

/// Learns from requests, read the way `router` reads them.
pub(super) fn train(requests: &[&Labelled], router: &Router, plan: Plan) -> Weights {
    let examples: Vec<Vec<Example>> = requests
        .iter()
        .map(|labelled| router.examples(&labelled.request))
        .collect();
    let names = frequent(&examples, plan.fewest);
    let places: HashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    let lessons: Vec<Lesson> = requests
        .iter()
        .zip(&examples)
        .map(|(labelled, clauses)| Lesson {
            clauses: clauses
                .iter()
                .map(|clause| {
                    let known = clause
                        .features
                        .iter()
                        .filter_map(|name| places.get(name.as_str()));
                    (known.copied().collect(), clause.rules)
                })
                .collect(),
            category: labelled.category,
        })
        .collect();
    let lexical: Vec<bool> = names.iter().map(|name| is_lexical(name)).collect();
    let values = learn(&lessons, &lexical, plan);
    Weights { names, values }
}

/// The names that occur in enough requests, in a fixed order.
fn frequent(examples: &[Vec<Example>], fewest: usize) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for clauses in examples {
        let mut names: Vec<&str> = clauses
            .iter()
            .flat_map(|clause| &clause.features)
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            *counts.entry(name).or_default() += 1;
        }
    }
    let enough = counts.into_iter().filter(|(_, count)| *count >= fewest);
    enough.map(|(name, _)| name.to_owned()).collect()
}

fn learn(lessons: &[Lesson], lexical: &[bool], plan: Plan) -> Vec<Scores> {
    let features = lexical.len();
    let mut weights = vec![Scores::default(); features];
    let mut sums = vec![[1e-6_f32; CATEGORIES]; features];
    let mut order: Vec<usize> = (0..lessons.len()).collect();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..plan.rounds {
        for at in (1..order.len()).rev() {
            order.swap(at, dice.throw() as usize % (at + 1));
        }
        for lesson in order.iter().filter_map(|at| lessons.get(*at)) {
            let forgets = |_: &usize| dice.share() < plan.forgetting;
            study(
                &lesson.without(lexical, forgets),
                &mut weights,
                &mut sums,
                plan,
            );
        }
    }
    weights
}

/// Whether a feature holds a word itself.
fn is_lexical(name: &str) -> bool {
    let kind = name.split(' ').next().unwrap_or_default();
    ["w", "b", "hw", "cw", "wc", "start", "first", "last", "head"].contains(&kind)
}

/// The same numbers each time (Knuth's linear congruential generator for MMIX).
struct Dice(u64);

impl Dice {
    fn throw(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The high bits are the better ones.
        self.0 >> 33
    }

    fn share(&mut self) -> f32 {
        self.throw() as f32 / (1_u64 << 31) as f32
    }
}

impl Lesson {
    /// The lesson without some of the features that hold words.
    fn without(&self, lexical: &[bool], mut forgets: impl FnMut(&usize) -> bool) -> Self {
        let mut keeps = |feature: &usize| !lexical[*feature] || !forgets(feature);
        let clauses = self.clauses.iter();
        Self {
            clauses: clauses
                .map(|(features, rules)| {
                    (
                        features.iter().copied().filter(&mut keeps).collect(),
                        *rules,
                    )
                })
                .collect(),
            category: self.category,
        }
    }
}

/// One step on the clause that decides.
fn study(lesson: &Lesson, weights: &mut [Scores], sums: &mut [Scores], plan: Plan) {
    let judged = lesson
        .clauses
        .iter()
        .map(|(features, rules)| (features, shares(features, rules, weights)));
    let strictest = judged.reduce(|best, next| {
        if dependent(&next.1) > dependent(&best.1) {
            next
        } else {
            best
        }
    });
    let Some((features, shares)) = strictest else {
        return;
    };
    let strength = if lesson.category.is_dependent() {
        plan.caution
    } else {
        1.0
    };
    for feature in features {
        for (category, share) in shares.iter().enumerate() {
            let wanted = f32::from(u8::from(Category::ALL[category] == lesson.category));
            let weight = &mut weights[*feature][category];
            let slope = strength * (share - wanted) + plan.decay * *weight;
            let sum = &mut sums[*feature][category];
            *sum += slope * slope;
            *weight -= plan.step * slope / sum.sqrt();
        }
    }
}

fn shares(features: &[usize], rules: &Scores, weights: &[Scores]) -> Scores {
    let mut scores = *rules;
    for feature in features {
        for (score, weight) in scores.iter_mut().zip(&weights[*feature]) {
            *score += weight;
        }
    }
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = scores.map(|score| (score - highest).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

fn dependent(shares: &Scores) -> f32 {
    let all = Category::ALL.into_iter().zip(shares);
    all.filter(|(category, _)| category.is_dependent())
        .map(|(_, share)| share)
        .sum()
}

impl Weights {
    /// The file of weights, a line for each feature.
    pub(super) fn file(&self) -> String {
        let columns = Category::ALL.map(Category::name).join("\t");
        let mut text = format!("# Made by `cargo xtask train-router`. feature\t{columns}\n");
        for (name, weights) in self.names.iter().zip(&self.values) {
            if let Some(line) = saferun_router::training::line(name, weights) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}
