//! Phrases as patterns over words.
//!
//! `^` the clause's first word comes next · `a|b` one of these words, whatever their inflection ·
//! `=word` as written · `{class}` a word of that class · `*` any one word · `..` up to six words ·
//! `$` the clause's end. Words that are negated or quoted match nothing.

use std::collections::HashMap;

use super::lexicon::{Classes, Lexicon};
use crate::reading::Word;
use crate::text::stem;

/// How many words `..` passes over at most; a bound keeps matching linear.
const WIDEST_GAP: usize = 6;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Start,
    End,
    /// Stems, and words as written.
    Words(Vec<String>, Vec<String>),
    Class(Classes),
    Any,
    Gap,
}

/// One phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    elements: Vec<Element>,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub(crate) fn parse(text: &str, lexicon: &Lexicon) -> Result<Self, String> {
        let mut elements = Vec::new();
        for word in text.split_whitespace() {
            elements.push(match word {
                "^" => Element::Start,
                "$" => Element::End,
                "*" => Element::Any,
                ".." => Element::Gap,
                _ if word.starts_with('{') => Element::Class(classes(word, lexicon)?),
                _ => {
                    let (exact, stems): (Vec<&str>, Vec<&str>) =
                        word.split('|').partition(|word| word.starts_with('='));
                    Element::Words(
                        stems
                            .iter()
                            .map(|word| stem(&word.to_lowercase()).0.into_owned())
                            .collect(),
                        exact.iter().map(|word| word[1..].to_lowercase()).collect(),
                    )
                }
            });
        }
        let misplaced = |element: &Element, place: usize| match element {
            Element::Start => place != 0,
            Element::End => place + 1 != elements.len(),
            _ => false,
        };
        if (0..)
            .zip(&elements)
            .any(|(place, element)| misplaced(element, place))
        {
            return Err(String::from("`^` stands first and `$` last"));
        }
        let says = |element: &Element| matches!(element, Element::Words(..) | Element::Class(_));
        if !elements.iter().any(says) {
            return Err(format!("'{text}' would match everything"));
        }
        if elements.first() == Some(&Element::Gap) {
            return Err(String::from("`..` can't stand first"));
        }
        Ok(Self { elements })
    }

    /// Where in the clause it matches when it starts at `start`: the first word and the one after
    /// the last.
    pub(crate) fn matches(&self, words: &[Word<'_>], start: usize) -> Option<usize> {
        Self::step(&self.elements, words, start)
    }

    fn step(elements: &[Element], words: &[Word<'_>], at: usize) -> Option<usize> {
        let Some((first, rest)) = elements.split_first() else {
            return Some(at);
        };
        let word = words.get(at);
        let taken = match first {
            Element::Start => return (at == 0).then(|| Self::step(rest, words, at))?,
            Element::End => return (at == words.len()).then_some(at),
            Element::Gap => {
                return (at..=at + WIDEST_GAP).find_map(|at| Self::step(rest, words, at));
            }
            Element::Words(stems, exact) => word.is_some_and(|word| {
                word.counts()
                    && (stems.iter().any(|stem| *stem == word.stem)
                        || exact.iter().any(|exact| word.is_exactly(exact)))
            }),
            Element::Class(classes) => word.is_some_and(|word| word.classes & classes != 0),
            Element::Any => word.is_some(),
        };
        if taken {
            Self::step(rest, words, at + 1)
        } else {
            None
        }
    }

    /// The stems that it can start with; `None` when anything may come first.
    fn first_stems(&self) -> Option<&[String]> {
        match self.elements.first() {
            Some(Element::Words(stems, exact)) if exact.is_empty() => Some(stems),
            _ => None,
        }
    }
}

fn classes(word: &str, lexicon: &Lexicon) -> Result<Classes, String> {
    let names = word
        .strip_prefix('{')
        .and_then(|word| word.strip_suffix('}'))
        .ok_or_else(|| format!("'{word}' lacks its closing brace"))?;
    let mut found = 0;
    for name in names.split('|') {
        let class = lexicon.find(name);
        found |= 1 << class.ok_or_else(|| format!("there is no class of words '{name}'"))?;
    }
    Ok(found)
}

/// Which of many patterns can start with a word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    by_stem: HashMap<String, Vec<usize>>,
    anywhere: Vec<usize>,
}

impl Index {
    /// Files a pattern under `number`.
    pub(crate) fn add(&mut self, pattern: &Pattern, number: usize) {
        match pattern.first_stems() {
            Some(stems) => {
                for stem in stems {
                    self.by_stem.entry(stem.clone()).or_default().push(number);
                }
            }
            None => self.anywhere.push(number),
        }
    }

    /// The numbers of those that may match where this word stands.
    pub(crate) fn candidates(&self, stem: &str) -> impl Iterator<Item = usize> + '_ {
        let named = self.by_stem.get(stem).map_or(&[][..], Vec::as_slice);
        named.iter().chain(&self.anywhere).copied()
    }
}
