//! From a request in words to a verdict with its evidence.

use serde::Serialize;
use thiserror::Error;

use crate::category::{Category, Mode};
use crate::features::features;
use crate::model::{Model, ModelError, Scores, shares};
use crate::reading::{Clause, clauses};
use crate::rules::{Hit, RuleError, Rules};

/// Why a router could not be made.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum RouterError {
    /// The rules are wrong.
    #[error(transparent)]
    Rules(#[from] RuleError),
    /// The weights are wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Tells what kind of work a request asks for.
#[derive(Clone, Debug)]
pub struct Router {
    rules: Rules,
    model: Option<Model>,
}

/// What a request asks for, and why we think so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The strictest of what is asked for.
    pub category: Category,
    /// Whether that tolerates company, as far as it is certain.
    pub mode: Mode,
    /// How certain it is that the work is dependent, or that it is not: from 0.5 to 1.
    pub confidence: f64,
    /// How likely it is that the work is dependent: from 0 to 1.
    pub dependent_score: f64,
    /// Whether the confidence is below the least that is asked for; the mode is sequential then.
    pub is_uncertain: bool,
    /// What spoke for the category, the strongest first.
    pub evidence: Vec<Evidence>,
    /// How many bytes of the request were read, when it was too long to be read whole.
    pub cut_to_bytes: Option<usize>,
}

/// One thing that speaks for a category.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// The words.
    pub words: String,
    /// The rule, or `model`.
    pub rule: String,
    /// What it speaks for.
    pub category: Category,
    /// How strongly, in natural logarithms of odds.
    pub weight: f64,
}

/// What one clause asks for.
struct Judged<'a> {
    clause: &'a Clause<'a>,
    hits: Vec<Hit<'a>>,
    shares: [f64; Category::ALL.len()],
    dependent: f64,
}

/// More pieces of evidence than a person reads.
const MOST_EVIDENCE: usize = 5;
/// A clause more than these says nothing new about what is asked for first.
const MOST_CLAUSES: usize = 400;

impl Router {
    /// The router with the rules and the model that come with the crate.
    pub fn shipped() -> Result<Self, RouterError> {
        Self::new(Rules::shipped()?)
    }

    /// A router with these rules.
    pub fn new(rules: Rules) -> Result<Self, RouterError> {
        let model = rules.uses_model.then(Model::shipped).transpose()?;
        Ok(Self { rules, model })
    }

    /// A router with these rules, and weights of one's own, in the form of `model/weights.tsv`.
    pub fn with_weights(rules: Rules, weights: &str) -> Result<Self, RouterError> {
        let model = Some(Model::parse(weights)?);
        Ok(Self { rules, model })
    }

    /// The same rules without a model.
    #[must_use]
    pub fn without_model(mut self) -> Self {
        self.model = None;
        self
    }

    /// Below this confidence work is taken for dependent.
    pub fn least_confidence(&self) -> f64 {
        self.rules.least_confidence
    }

    /// What a request asks for. Takes time linear in the request's length, up to the length at
    /// which it is cut.
    pub fn classify(&self, request: &str) -> Verdict {
        let read = cut(request, self.rules.request_bytes);
        let mut clauses = clauses(read, &self.rules);
        clauses.truncate(MOST_CLAUSES);
        let judged = self.judge(&clauses);
        // The strictest part decides. Among parts that are all independent, the first names it.
        let strictest = judged.iter().reduce(|best, next| {
            if next.dependent > best.dependent {
                next
            } else {
                best
            }
        });
        let dependent = strictest.map_or(0.5, |part| part.dependent);
        let is_dependent = dependent >= 0.5;
        let named = if is_dependent {
            strictest
        } else {
            judged.first()
        };
        let category = named.map_or(Category::Feature, |part| {
            best(&part.shares, |category| {
                category.is_dependent() == is_dependent
            })
        });
        let confidence = dependent.max(1.0 - dependent);
        let is_uncertain = confidence < self.rules.least_confidence;
        Verdict {
            category,
            mode: if is_dependent || is_uncertain {
                Mode::Sequential
            } else {
                Mode::Parallel
            },
            confidence: rounded(confidence),
            dependent_score: rounded(dependent),
            is_uncertain,
            evidence: named
                .map(|part| self.evidence(part, category))
                .unwrap_or_default(),
            cut_to_bytes: (read.len() < request.len()).then_some(read.len()),
        }
    }

    /// Judges the clauses that ask for something. What only says what shall not be done asks for
    /// nothing, unless there is nothing else.
    fn judge<'a>(&'a self, clauses: &'a [Clause<'a>]) -> Vec<Judged<'a>> {
        let asking = asking(clauses);
        asking
            .into_iter()
            .map(|clause| {
                let mut scores = Scores::default();
                let hits = self.rules.hits(clause);
                add(&hits, &mut scores);
                let mut is_known = !hits.is_empty();
                if let Some(model) = &self.model {
                    features(clause, &hits, &self.rules, &mut |feature, _| {
                        let is_learned = model.add(feature, &mut scores).is_some();
                        is_known |= is_learned && says_something(feature);
                    });
                }
                let shares = shares(&scores);
                let dependent = if is_known {
                    dependent_share(&shares)
                } else {
                    0.5
                };
                Judged {
                    clause,
                    hits,
                    shares,
                    dependent,
                }
            })
            .collect()
    }

    /// What speaks for a category in a clause, the strongest first.
    fn evidence(&self, part: &Judged<'_>, category: Category) -> Vec<Evidence> {
        let words = &part.clause.words;
        let mut found: Vec<(String, (usize, usize), Category, f64)> = part
            .hits
            .iter()
            .map(|hit| (hit.rule.to_owned(), hit.words, hit.category, hit.weight))
            .collect();
        found.sort_by(|one, other| other.3.total_cmp(&one.3));
        if let Some(model) = &self.model {
            let mut learned: Vec<((usize, usize), f64)> = Vec::new();
            features(
                part.clause,
                &part.hits,
                &self.rules,
                &mut |feature, words| {
                    let mut ignored = Scores::default();
                    let weights = model.add(feature, &mut ignored);
                    let weight = weights.and_then(|weights| weights.get(category.index()));
                    if let Some(weight) = weight.copied().filter(|weight| *weight > 0.0)
                        && words != (0, part.clause.words.len())
                    {
                        match learned.iter_mut().find(|(known, _)| *known == words) {
                            Some((_, sum)) => *sum += f64::from(weight),
                            None => learned.push((words, f64::from(weight))),
                        }
                    }
                },
            );
            learned.sort_by(|one, other| other.1.total_cmp(&one.1));
            found.extend(
                learned
                    .into_iter()
                    .map(|(words, weight)| (String::from("model"), words, category, weight)),
            );
        }
        found.truncate(MOST_EVIDENCE);
        let text = |(from, to): (usize, usize)| {
            let words = words.get(from..to.min(words.len())).unwrap_or_default();
            let words: Vec<&str> = words.iter().map(|word| word.token.text).collect();
            words.join(" ")
        };
        found
            .into_iter()
            .map(|(rule, words, category, weight)| Evidence {
                words: text(words),
                rule,
                category,
                weight: rounded(weight),
            })
            .collect()
    }

    /// For training: what each asking clause has, and what the rules say of it.
    #[cfg(feature = "training")]
    pub fn examples(&self, request: &str) -> Vec<crate::training::Example> {
        let clauses = clauses(cut(request, self.rules.request_bytes), &self.rules);
        asking(&clauses)
            .into_iter()
            .map(|clause| {
                let mut rules = Scores::default();
                let hits = self.rules.hits(clause);
                add(&hits, &mut rules);
                let mut names = Vec::new();
                features(clause, &hits, &self.rules, &mut |feature, _| {
                    names.push(feature.to_owned())
                });
                names.sort_unstable();
                names.dedup();
                crate::training::Example {
                    features: names,
                    rules,
                }
            })
            .collect()
    }
}

/// Whether a feature is a word or a class of words; the rest tells only of the sentence's shape.
fn says_something(feature: &str) -> bool {
    feature.starts_with("c ") || (feature.starts_with("w ") && !feature.starts_with("w <"))
}

/// Adds what the rules say.
fn add(hits: &[Hit<'_>], scores: &mut Scores) {
    for hit in hits {
        if let Some(score) = scores.get_mut(hit.category.index()) {
            *score += hit.weight as f32;
        }
    }
}

fn asking<'a>(clauses: &'a [Clause<'a>]) -> Vec<&'a Clause<'a>> {
    let asks = |clause: &&Clause<'_>| !clause.only_denies() && clause.is_known();
    let known: Vec<&Clause<'_>> = clauses.iter().filter(asks).collect();
    if known.is_empty() {
        clauses.iter().collect()
    } else {
        known
    }
}

pub(crate) fn dependent_share(shares: &[f64]) -> f64 {
    Category::ALL
        .into_iter()
        .zip(shares)
        .filter(|(category, _)| category.is_dependent())
        .map(|(_, share)| share)
        .sum()
}

fn best(shares: &[f64], fits: impl Fn(Category) -> bool) -> Category {
    Category::ALL
        .into_iter()
        .zip(shares)
        .filter(|(category, _)| fits(*category))
        .max_by(|one, other| one.1.total_cmp(other.1))
        .map_or(Category::Feature, |(category, _)| category)
}

/// The start of a text, cut between letters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// More digits than these mean nothing.
fn rounded(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}
