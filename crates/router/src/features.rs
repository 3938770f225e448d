//! What the model sees of a clause: its words, which of them stand side by side, and what is
//! done to what.

use crate::reading::{Clause, Word};
use crate::rules::lexicon::Classes;
use crate::rules::{Hit, Rules};
use crate::text::Form;

/// How far apart two classes of words may stand to be seen as a pair.
const WIDEST_PAIR: usize = 5;
/// Words of a clause that are looked at; what comes later hardly changes what is asked for.
const MOST_WORDS: usize = 60;

/// Calls `see` with each feature's name and the places of the words that it comes from.
pub(crate) fn features(
    clause: &Clause<'_>,
    hits: &[Hit<'_>],
    rules: &Rules,
    see: &mut dyn FnMut(&str, (usize, usize)),
) {
    let words = clause.words.get(..MOST_WORDS).unwrap_or(&clause.words);
    let mut name = Name {
        text: String::with_capacity(48),
        see,
    };
    let whole = (0, words.len());
    name.see(&["bias"], whole);
    if clause.asks {
        name.see(&["asks"], whole);
    }
    if let Some(prefix) = &clause.prefix {
        name.see(&["prefix ", prefix], whole);
    }
    for hit in hits {
        name.see(&["rule ", hit.rule], hit.words);
    }
    words_and_neighbours(words, &mut name);
    ends(words, &mut name);
    of_classes(words, rules, &mut name);
    if let Some(head) = clause.head.filter(|head| *head < words.len()) {
        of_head(words, head, rules, &mut name);
    } else {
        name.see(&["no head"], whole);
    }
}

/// Builds names in one buffer.
struct Name<'a> {
    text: String,
    see: &'a mut dyn FnMut(&str, (usize, usize)),
}

impl Name<'_> {
    fn see(&mut self, parts: &[&str], words: (usize, usize)) {
        self.text.clear();
        for part in parts {
            self.text.push_str(part);
        }
        (self.see)(&self.text, words);
    }
}

fn words_and_neighbours(words: &[Word<'_>], name: &mut Name<'_>) {
    let mut before: Option<(usize, &Word<'_>)> = None;
    for (at, word) in words.iter().enumerate() {
        let denied = if word.negated { "not " } else { "" };
        name.see(&["w ", denied, word.key()], (at, at + 1));
        if let Some((place, before)) = before
            && before.negated == word.negated
        {
            name.see(
                &["b ", denied, before.key(), " ", word.key()],
                (place, at + 1),
            );
        }
        before = Some((at, word));
    }
}

fn ends(words: &[Word<'_>], name: &mut Name<'_>) {
    if let Some(first) = words.first() {
        let denied = if first.negated { "not " } else { "" };
        name.see(&["first ", denied, first.key(), form(first.form)], (0, 1));
    }
    if let [first, second, ..] = words {
        name.see(&["start ", first.key(), " ", second.key()], (0, 2));
    }
    if let Some(last) = words.last() {
        let at = words.len() - 1;
        name.see(&["last ", last.key()], (at, at + 1));
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Base => "",
        Form::S => "+s",
        Form::Ed => "+ed",
        Form::Ing => "+ing",
    }
}

fn of_classes(words: &[Word<'_>], rules: &Rules, name: &mut Name<'_>) {
    let lexicon = &rules.lexicon;
    let mut seen: Classes = 0;
    let mut denied: Classes = 0;
    for (at, word) in words.iter().enumerate() {
        for class in each(word.classes & !seen) {
            name.see(&["c ", lexicon.name(class)], (at, at + 1));
        }
        for class in each(word.denied & !denied) {
            name.see(&["c not ", lexicon.name(class)], (at, at + 1));
        }
        seen |= word.classes;
        denied |= word.denied;
        let following = words.get(at + 1..).unwrap_or_default();
        for (after, next) in (at + 1..).zip(following.iter().take(WIDEST_PAIR)) {
            for one in each(word.classes) {
                for other in each(next.classes) {
                    let pair = ["p ", lexicon.name(one), " ", lexicon.name(other)];
                    name.see(&pair, (at, after + 1));
                }
            }
        }
        if let Some(next) = following.first() {
            for class in each(word.classes) {
                name.see(&["cw ", lexicon.name(class), " ", next.key()], (at, at + 2));
            }
            for class in each(next.classes) {
                name.see(&["wc ", word.key(), " ", lexicon.name(class)], (at, at + 2));
            }
        }
    }
}

fn of_head(words: &[Word<'_>], head: usize, rules: &Rules, name: &mut Name<'_>) {
    let lexicon = &rules.lexicon;
    let Some(verb) = words.get(head) else { return };
    let place = match head {
        0 => "at once",
        1 | 2 => "soon",
        _ => "late",
    };
    name.see(&["head ", &verb.stem, form(verb.form)], (head, head + 1));
    let verbs = verb.classes & lexicon.verbs();
    let mut seen: Classes = 0;
    for class in each(verbs) {
        let class = lexicon.name(class);
        name.see(
            &["hp ", class, " ", place, form(verb.form)],
            (head, head + 1),
        );
    }
    for (at, word) in (head + 1..).zip(words.get(head + 1..).unwrap_or_default()) {
        for object in each(word.classes & !seen) {
            for class in each(verbs) {
                let pair = ["h ", lexicon.name(class), " ", lexicon.name(object)];
                name.see(&pair, (head, at + 1));
            }
        }
        seen |= word.classes;
        name.see(&["hw ", &verb.stem, " ", word.key()], (head, at + 1));
    }
    let before: Classes = words
        .iter()
        .take(head)
        .fold(0, |all, word| all | word.classes);
    for subject in each(before) {
        for class in each(verbs) {
            let pair = ["sv ", lexicon.name(subject), " ", lexicon.name(class)];
            name.see(&pair, (0, head + 1));
        }
    }
}

/// The places of the bits that are set.
fn each(mut classes: Classes) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = classes.trailing_zeros();
        (classes != 0).then(|| {
            classes &= classes - 1;
            lowest as usize
        })
    })
}
