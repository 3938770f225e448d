//! Which classes of words a word belongs to, and which word a mistyped one was meant to be.

use std::collections::HashMap;

use crate::text::stem;

/// A set of classes, one bit each.
pub(crate) type Classes = u128;
/// More classes have no bit.
pub(crate) const MOST_CLASSES: usize = 128;

/// Classes that a word has by its shape, whatever the lists say.
pub(crate) const SHAPES: [&str; 8] = [
    "whole-number",
    "major-version",
    "minor-version",
    "dotted-name",
    "path-name",
    "flag-name",
    "code-name",
    "arrow",
];

/// What a class of words stands for in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What is done.
    Verb,
    /// What it is done to.
    Object,
    /// Where, how far and from when on.
    Sign,
    /// Proper names, known even where a capital letter makes others mere names.
    Name,
}

/// The classes with their words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lexicon {
    classes: Vec<(String, Part)>,
    stems: HashMap<String, Classes>,
    exact: HashMap<String, Classes>,
    /// By the joined stems of two neighbours.
    pairs: HashMap<String, Classes>,
    /// Words with one letter left out, so that a mistyped word meets the one that was meant.
    near: HashMap<String, Vec<String>>,
    /// Words that are right as they are.
    known: HashMap<String, ()>,
    verbs: Classes,
    names: Classes,
}

impl Lexicon {
    /// The class of that name; made when there is none. `None` when there are too many.
    pub(crate) fn class(&mut self, name: &str, part: Part) -> Option<usize> {
        if let Some(found) = self.find(name) {
            return Some(found);
        }
        if self.classes.len() >= MOST_CLASSES {
            return None;
        }
        let index = self.classes.len();
        self.classes.push((name.to_owned(), part));
        match part {
            Part::Verb => self.verbs |= 1 << index,
            Part::Name => self.names |= 1 << index,
            Part::Object | Part::Sign => {}
        }
        Some(index)
    }

    /// The index of a class.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|(known, _)| known == name)
    }

    /// The part that a class plays.
    pub(crate) fn part(&self, class: usize) -> Option<Part> {
        self.classes.get(class).map(|(_, part)| *part)
    }

    /// The name of a class.
    pub(crate) fn name(&self, class: usize) -> &str {
        self.classes.get(class).map_or("", |(name, _)| name)
    }

    /// Adds a word: `=word` only as written, `two words` side by side, else by its stem.
    pub(crate) fn add(&mut self, class: usize, word: &str) {
        let word = word.to_lowercase();
        let bit = 1 << class;
        if let Some(exact) = word.strip_prefix('=') {
            *self.exact.entry(exact.to_owned()).or_default() |= bit;
            self.known.insert(stem(exact).0.into_owned(), ());
        } else if let Some((first, second)) = word.split_once(' ') {
            let pair = format!("{} {}", stem(first).0, stem(second).0);
            *self.pairs.entry(pair).or_default() |= bit;
        } else {
            let stem = stem(&word).0.into_owned();
            self.learn(&stem);
            *self.stems.entry(stem).or_default() |= bit;
        }
    }

    /// A word that is right as it is, whatever it looks like.
    pub(crate) fn add_known(&mut self, word: &str) {
        self.known
            .insert(stem(&word.to_lowercase()).0.into_owned(), ());
    }

    fn learn(&mut self, stem: &str) {
        if self.known.insert(stem.to_owned(), ()).is_none() && is_correctable(stem) {
            for shorter in shortened(stem).chain([stem.to_owned()]) {
                let meant = self.near.entry(shorter).or_default();
                if !meant.iter().any(|word| word == stem) {
                    meant.push(stem.to_owned());
                }
            }
        }
    }

    /// The classes of one word.
    pub(crate) fn of(&self, lower: &str, stem: &str) -> Classes {
        let exact = self.exact.get(lower).copied().unwrap_or_default();
        exact | self.stems.get(stem).copied().unwrap_or_default()
    }

    /// The classes of two neighbours together.
    pub(crate) fn of_pair(&self, first: &str, second: &str, space: &mut String) -> Classes {
        space.clear();
        space.push_str(first);
        space.push(' ');
        space.push_str(second);
        self.pairs.get(space.as_str()).copied().unwrap_or_default()
    }

    /// The word that a mistyped one was meant to be: one letter more, less, wrong or swapped.
    pub(crate) fn correct(&self, stem: &str) -> Option<&str> {
        if !is_correctable(stem) || self.known.contains_key(stem) {
            return None;
        }
        let first = stem.chars().next();
        // The same input always finds the same word, whatever the order in the map.
        shortened(stem)
            .chain([stem.to_owned()])
            .filter_map(|shorter| self.near.get(&shorter))
            .flatten()
            .filter(|meant| meant.chars().next() == first && is_near(stem, meant))
            .min()
            .map(String::as_str)
    }

    pub(crate) fn verbs(&self) -> Classes {
        self.verbs
    }

    pub(crate) fn names(&self) -> Classes {
        self.names
    }
}

/// Short words are too near to one another, and long ones are no words.
fn is_correctable(stem: &str) -> bool {
    (5..=20).contains(&stem.len()) && stem.bytes().all(|letter| letter.is_ascii_lowercase())
}

fn shortened(stem: &str) -> impl Iterator<Item = String> + '_ {
    (0..stem.len()).map(|at| {
        let (before, after) = stem.split_at(at);
        let mut shorter = before.to_owned();
        shorter.extend(after.chars().skip(1));
        shorter
    })
}

/// Whether one edit, or one swap of neighbours, turns one word into the other.
fn is_near(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let start = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let shorter = one.len().min(other.len()) - start;
    let backwards = one.iter().rev().zip(other.iter().rev()).take(shorter);
    let end = backwards.take_while(|(a, b)| a == b).count();
    let middle = |word: &'_ [u8]| word.len() - end;
    match (one.get(start..middle(one)), other.get(start..middle(other))) {
        (Some([]), Some([_])) | (Some([_]), Some([] | [_])) => true,
        (Some([a, b]), Some([c, d])) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        let rename = lexicon.class("rename", Part::Verb).expect("room");
        lexicon.add(rename, "rename");
        lexicon.add(rename, "refactor");
        lexicon.add(rename, "=called");
        lexicon.add(rename, "save game");
        lexicon.add_known("factor");
        lexicon.add_known("reactor");
        lexicon
    }

    #[test]
    fn words_are_found_by_stem_by_form_and_in_pairs() {
        let lexicon = lexicon();
        assert_eq!(lexicon.of("renaming", &stem("renaming").0), 1);
        assert_eq!(lexicon.of("called", &stem("called").0), 1);
        assert_eq!(lexicon.of("call", &stem("call").0), 0);
        let (save, game) = (stem("saved").0, stem("games").0);
        assert_eq!(lexicon.of_pair(&save, &game, &mut String::new()), 1);
        assert_eq!(
            lexicon.find("rename").map(|class| lexicon.name(class)),
            Some("rename")
        );
    }

    #[test]
    fn mistyped_words_are_understood_and_others_left_alone() {
        let lexicon = lexicon();
        for typo in ["refacotr", "refactr", "refactorr", "rafactor", "renmae"] {
            let meant = lexicon.correct(&stem(typo).0);
            assert!(
                matches!(meant, Some("refactor" | "renam")),
                "{typo}: {meant:?}"
            );
        }
        for word in ["factor", "fable", "reactor", "rename", "enam"] {
            assert_eq!(lexicon.correct(&stem(word).0), None, "{word}");
        }
    }
}
