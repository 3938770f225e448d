//! The rules: what classes of words there are, and what their being together means.

mod error;
mod file;
pub(crate) mod lexicon;
mod pattern;

use std::collections::{BTreeMap, HashSet};

pub use error::RuleError;

use crate::category::Category;
use crate::reading::{Clause, Word};
use crate::text::{Form, stem};
use file::{Frame, Phrase, Prefix, Reading, RuleFile};
use lexicon::{Classes, Lexicon, Part};
use pattern::{Index, Pattern};

/// The rules that come with the crate.
pub const SHIPPED: &str = include_str!("../../../../config/router.toml");

/// The weights of a rule lie between these.
const LARGEST_WEIGHT: f64 = 20.0;
/// Backtracking over more gaps than these would no longer be cheap.
const MOST_GAPS: usize = 3;

/// Rules, read and checked.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Below this confidence a plan is sequential.
    pub(crate) least_confidence: f64,
    /// What a request is cut to.
    pub(crate) request_bytes: usize,
    /// Whether the trained model has a say.
    pub(crate) uses_model: bool,
    pub(crate) lexicon: Lexicon,
    pub(crate) steering: Steering,
    phrases: Vec<PhraseRule>,
    index: Index,
    frames: Vec<FrameRule>,
    /// By the type of a conventional commit, such as `fix`.
    prefixes: BTreeMap<String, Prefix>,
}

/// Words that steer how a sentence is read, by their lower-case form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steering {
    pub polite: HashSet<String>,
    pub determiners: HashSet<String>,
    pub negators: HashSet<String>,
    pub negation_ends: HashSet<String>,
    pub no_negation_before: HashSet<String>,
    pub connectives: HashSet<String>,
    pub fillers: HashSet<String>,
    pub embedding: HashSet<String>,
}

#[derive(Clone, Debug)]
struct PhraseRule {
    rule: Phrase,
    patterns: Vec<Pattern>,
    unless: Classes,
}

#[derive(Clone, Debug)]
struct FrameRule {
    rule: Frame,
    verbs: Classes,
    to: Classes,
    with: Classes,
    unless: Classes,
}

/// A rule that holds for a clause.
#[derive(Clone, Debug)]
pub(crate) struct Hit<'a> {
    pub rule: &'a str,
    pub category: Category,
    pub weight: f64,
    /// The words that made it hold, by their places in the clause.
    pub words: (usize, usize),
}

impl Rules {
    /// The rules that come with the crate.
    pub fn shipped() -> Result<Self, RuleError> {
        Self::parse(&[("config/router.toml", SHIPPED)])
    }

    /// The rules of several files, each with its name. A later one adds words and rules,
    /// replaces rules of the same name, and overrides settings; a rule of weight 0 is none.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, RuleError> {
        let mut rules = Self {
            least_confidence: 0.6,
            request_bytes: 16 * 1024,
            uses_model: true,
            lexicon: Lexicon::default(),
            steering: Steering::default(),
            phrases: Vec::new(),
            index: Index::default(),
            frames: Vec::new(),
            prefixes: BTreeMap::new(),
        };
        for shape in lexicon::SHAPES {
            rules.lexicon.class(shape, Part::Sign);
        }
        for (name, text) in files {
            let file: RuleFile = toml::from_str(text).map_err(|error| RuleError::Syntax {
                file: (*name).to_owned(),
                what: error.to_string().trim_end().to_owned(),
            })?;
            rules.take(name, file)?;
        }
        for (number, phrase) in rules.phrases.iter().enumerate() {
            for pattern in &phrase.patterns {
                rules.index.add(pattern, number);
            }
        }
        Ok(rules)
    }

    fn take(&mut self, name: &str, file: RuleFile) -> Result<(), RuleError> {
        let setting = |key, what: &str| RuleError::Setting {
            file: name.to_owned(),
            key,
            what: what.to_owned(),
        };
        if let Some(least) = file.decision.least_confidence {
            if !(0.5..=1.0).contains(&least) {
                return Err(setting(
                    "decision.least_confidence",
                    "not between 0.5 and 1",
                ));
            }
            self.least_confidence = least;
        }
        if let Some(bytes) = file.decision.request_bytes {
            if !(256..=1 << 20).contains(&bytes) {
                return Err(setting(
                    "decision.request_bytes",
                    "not between 256 and 1048576",
                ));
            }
            self.request_bytes = bytes;
        }
        self.uses_model = file.decision.model.unwrap_or(self.uses_model);
        for (part, kind, classes) in [
            (Part::Verb, "verbs", &file.verbs),
            (Part::Object, "objects", &file.objects),
            (Part::Sign, "signs", &file.signs),
            (Part::Name, "names", &file.names),
        ] {
            self.add_words(name, part, kind, classes)?;
        }
        self.steering.take(file.reading, &mut self.lexicon);
        for (prefix, rule) in file.prefixes {
            check_weight(rule.weight).map_err(|what| RuleError::Rule {
                file: name.to_owned(),
                kind: "prefixes",
                rule: prefix.clone(),
                what,
            })?;
            self.prefixes.insert(prefix, rule);
        }
        for phrase in file.phrase {
            let compiled = self.phrase(name, phrase)?;
            let place = self
                .phrases
                .iter()
                .position(|known| known.rule.name == compiled.rule.name);
            place_in(&mut self.phrases, place, compiled);
        }
        for frame in file.frame {
            let compiled = self.frame(name, frame)?;
            let place = self
                .frames
                .iter()
                .position(|known| known.rule.name == compiled.rule.name);
            place_in(&mut self.frames, place, compiled);
        }
        Ok(())
    }

    fn add_words(
        &mut self,
        file: &str,
        part: Part,
        kind: &'static str,
        classes: &BTreeMap<String, Vec<String>>,
    ) -> Result<(), RuleError> {
        for (class, words) in classes {
            let error = |what: String| RuleError::Rule {
                file: file.to_owned(),
                kind,
                rule: class.clone(),
                what,
            };
            let index = self
                .lexicon
                .class(class, part)
                .ok_or_else(|| error(format!("more than {} classes", lexicon::MOST_CLASSES)))?;
            if self.lexicon.part(index) != Some(part) {
                return Err(error(String::from(
                    "there is a class of that name elsewhere",
                )));
            }
            for word in words {
                let parts = word.split(' ').count();
                if word.trim().is_empty() || parts > 2 || word.split(' ').any(str::is_empty) {
                    return Err(error(format!("'{word}' is neither a word nor two")));
                }
                self.lexicon.add(index, word);
            }
        }
        Ok(())
    }

    fn phrase(&self, file: &str, rule: Phrase) -> Result<PhraseRule, RuleError> {
        let error = |what: String| RuleError::Rule {
            file: file.to_owned(),
            kind: "phrase",
            rule: rule.name.clone(),
            what,
        };
        check_weight(rule.weight).map_err(error)?;
        if rule.text.is_empty() {
            return Err(error(String::from("has no text")));
        }
        let mut patterns = Vec::new();
        for text in &rule.text {
            if text.split_whitespace().filter(|word| *word == "..").count() > MOST_GAPS {
                return Err(error(format!("'{text}' has more than {MOST_GAPS} gaps")));
            }
            patterns.push(Pattern::parse(text, &self.lexicon).map_err(error)?);
        }
        let unless = self.classes(&rule.unless).map_err(error)?;
        Ok(PhraseRule {
            patterns,
            unless,
            rule,
        })
    }

    fn frame(&self, file: &str, rule: Frame) -> Result<FrameRule, RuleError> {
        let error = |what: String| RuleError::Rule {
            file: file.to_owned(),
            kind: "frame",
            rule: rule.name.clone(),
            what,
        };
        check_weight(rule.weight).map_err(error)?;
        if rule.verbs.is_empty() {
            return Err(error(String::from("`do` names no verbs")));
        }
        for class in &rule.verbs {
            let part = self
                .lexicon
                .find(class)
                .and_then(|found| self.lexicon.part(found));
            if part.is_some_and(|part| part != Part::Verb) {
                return Err(error(format!("'{class}' in `do` is no class of verbs")));
            }
        }
        Ok(FrameRule {
            verbs: self.classes(&rule.verbs).map_err(error)?,
            to: self.classes(&rule.to).map_err(error)?,
            with: self.classes(&rule.with).map_err(error)?,
            unless: self.classes(&rule.unless).map_err(error)?,
            rule,
        })
    }

    fn classes(&self, names: &[String]) -> Result<Classes, String> {
        names.iter().try_fold(0, |found, name| {
            let class = self.lexicon.find(name);
            let class = class.ok_or_else(|| format!("there is no class of words '{name}'"))?;
            Ok(found | 1 << class)
        })
    }

    /// The rules that hold for a clause. Each counts once.
    pub(crate) fn hits<'a>(&'a self, clause: &Clause<'_>) -> Vec<Hit<'a>> {
        let mut hits = Vec::new();
        let words = &clause.words;
        let all = words.iter().fold(0, |all, word| all | word.classes);
        self.add_prefix(clause, &mut hits);
        self.add_phrases(words, all, &mut hits);
        self.add_frames(words, clause.head, all, &mut hits);
        hits
    }

    fn add_prefix<'a>(&'a self, clause: &Clause<'_>, hits: &mut Vec<Hit<'a>>) {
        let prefix = clause.prefix.as_deref().unwrap_or_default();
        let known = self.prefixes.get_key_value(prefix.trim_end_matches('!'));
        if let Some((name, prefix)) = known {
            hits.push(Hit {
                rule: name,
                category: prefix.category,
                weight: prefix.weight,
                words: (0, 0),
            });
        }
    }

    fn add_phrases<'a>(&'a self, words: &[Word<'_>], all: Classes, hits: &mut Vec<Hit<'a>>) {
        let mut done: Vec<usize> = Vec::new();
        for (start, word) in words.iter().enumerate() {
            for number in self.index.candidates(&word.stem) {
                let Some(phrase) = self.phrases.get(number) else {
                    continue;
                };
                if phrase.unless & all != 0 || done.contains(&number) {
                    continue;
                }
                let end = phrase
                    .patterns
                    .iter()
                    .find_map(|one| one.matches(words, start));
                if let Some(end) = end {
                    done.push(number);
                    hits.push(Hit {
                        rule: &phrase.rule.name,
                        category: phrase.rule.category,
                        weight: phrase.rule.weight,
                        words: (start, end),
                    });
                }
            }
        }
    }

    fn add_frames<'a>(
        &'a self,
        words: &[Word<'_>],
        head: Option<usize>,
        all: Classes,
        hits: &mut Vec<Hit<'a>>,
    ) {
        let Some((at, verb)) = head.and_then(|at| Some((at, words.get(at)?))) else {
            return;
        };
        let after = words.get(at + 1..).unwrap_or_default();
        for frame in &self.frames {
            // "Merging layers loses colours" reports; it asks for no merging.
            let reports = at == 0 && verb.form == Form::Ing;
            if reports || frame.verbs & verb.classes == 0 || frame.unless & all != 0 {
                continue;
            }
            if frame.with != 0 && frame.with & all == 0 {
                continue;
            }
            let object = after.iter().position(|word| word.classes & frame.to != 0);
            if frame.to != 0 && object.is_none() {
                continue;
            }
            hits.push(Hit {
                rule: &frame.rule.name,
                category: frame.rule.category,
                weight: frame.rule.weight,
                words: (at, object.map_or(at + 1, |object| at + object + 2)),
            });
        }
    }
}

impl Steering {
    fn take(&mut self, reading: Reading, lexicon: &mut Lexicon) {
        for word in &reading.known {
            lexicon.add_known(word);
        }
        for (set, words) in [
            (&mut self.polite, reading.polite),
            (&mut self.determiners, reading.determiners),
            (&mut self.negators, reading.negators),
            (&mut self.negation_ends, reading.negation_ends),
            (&mut self.no_negation_before, reading.no_negation_before),
            (&mut self.connectives, reading.connectives),
            (&mut self.fillers, reading.fillers),
        ] {
            for word in &words {
                lexicon.add_known(word);
            }
            set.extend(words.into_iter().map(|word| word.to_lowercase()));
        }
        let embedding = reading.embedding.iter();
        self.embedding
            .extend(embedding.map(|word| stem(&word.to_lowercase()).0.into_owned()));
    }
}

fn check_weight(weight: f64) -> Result<(), String> {
    if weight.is_finite() && weight.abs() <= LARGEST_WEIGHT {
        Ok(())
    } else {
        Err(format!(
            "the weight {weight} is not between -{LARGEST_WEIGHT} and {LARGEST_WEIGHT}"
        ))
    }
}

fn place_in<T>(rules: &mut Vec<T>, place: Option<usize>, rule: T) {
    match place.and_then(|place| rules.get_mut(place)) {
        Some(old) => *old = rule,
        None => rules.push(rule),
    }
}
