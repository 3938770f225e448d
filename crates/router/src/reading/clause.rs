//! A request cut into what it asks for one after another.

use std::mem;

use super::{Word, major};
use crate::rules::Rules;
use crate::rules::lexicon::Classes;
use crate::text::{Form, Kind, tokens};

/// One thing that is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clause<'a> {
    pub words: Vec<Word<'a>>,
    /// Where the word stands that says what is done.
    pub head: Option<usize>,
    /// Whether it ends with a question mark.
    pub asks: bool,
    /// The type of a conventional commit in front of it, such as `fix`.
    pub prefix: Option<String>,
}

impl Clause<'_> {
    /// Whether all that it says is what shall not be done.
    pub(crate) fn only_denies(&self) -> bool {
        let said = |word: &Word<'_>| word.counts() && word.classes != 0;
        self.words.iter().any(|word| word.negated) && !self.words.iter().any(said)
    }

    /// Whether anything in it is known.
    pub(crate) fn is_known(&self) -> bool {
        self.words
            .iter()
            .any(|word| word.classes | word.denied != 0)
    }
}

/// Reads a request.
pub(crate) fn clauses<'a>(request: &'a str, rules: &Rules) -> Vec<Clause<'a>> {
    let mut words: Vec<Word<'a>> = tokens(request).into_iter().map(Word::new).collect();
    classify(&mut words, rules);
    deny(&mut words, rules);
    let prefix = take_prefix(&mut words);
    let mut found: Vec<Clause<'a>> = Vec::new();
    let mut current = Clause::default();
    for (at, word) in words.iter().enumerate() {
        let following = words.get(at + 1..).unwrap_or_default();
        match word.token.kind {
            Kind::Stop => finish(&mut current, &mut found, rules),
            Kind::Question => {
                current.asks = true;
                finish(&mut current, &mut found, rules);
            }
            _ if starts_anew(word, &current, following, rules) => {
                finish(&mut current, &mut found, rules);
            }
            _ => current.words.push(word.clone()),
        }
    }
    finish(&mut current, &mut found, rules);
    if let Some(first) = found.first_mut() {
        first.prefix = prefix;
    }
    found
}

fn classify(words: &mut [Word<'_>], rules: &Rules) {
    compare_versions(words);
    let lexicon = &rules.lexicon;
    for word in words.iter_mut() {
        word.classes = match word.token.kind {
            Kind::Word => lexicon.of(&word.lower, &word.stem),
            Kind::Capitalised | Kind::Name => lexicon.of(&word.lower, &word.stem) & lexicon.names(),
            _ => 0,
        };
        if let Some(shape) = word.shape.and_then(|shape| lexicon.find(shape)) {
            word.classes |= 1 << shape;
        }
        if word.token.kind == Kind::Bang
            && let Some(breaks) = lexicon.find("breaks")
        {
            word.classes |= 1 << breaks;
        }
        if word.classes == 0
            && word.token.kind == Kind::Word
            && let Some(meant) = lexicon.correct(&word.stem)
        {
            word.classes = lexicon.of("", meant);
            word.stem = meant.to_owned().into();
        }
    }
    let mut space = String::new();
    for second in 1..words.len() {
        if let Some([one, other]) = words.get_mut(second - 1..=second)
            && one.token.kind != Kind::Quoted
            && other.token.kind != Kind::Quoted
        {
            other.classes |= lexicon.of_pair(&one.stem, &other.stem, &mut space);
        }
    }
}

/// "from 2.7 to 3.2": two versions tell by their first numbers whether the step is a large one.
fn compare_versions(words: &mut [Word<'_>]) {
    const FARTHEST: usize = 3;
    let mut before: Option<usize> = None;
    for at in 0..words.len() {
        let Some(word) = words.get(at).filter(|word| word.token.kind == Kind::Number) else {
            continue;
        };
        if let Some(place) = before.filter(|place| at - place <= FARTHEST)
            && let Some(old) = words.get(place)
            && [old, word].iter().any(|word| word.token.text.contains('.'))
        {
            let is_large = major(old.token.text) != major(word.token.text);
            let shape = if is_large {
                "major-version"
            } else {
                "minor-version"
            };
            for place in [place, at] {
                if let Some(word) = words.get_mut(place) {
                    word.shape = Some(shape);
                }
            }
        }
        before = Some(at);
    }
}

/// Marks what is denied. What is no longer so is not denied but ended.
fn deny(words: &mut [Word<'_>], rules: &Rules) {
    let steering = &rules.steering;
    let mut until = 0;
    for at in 0..words.len() {
        let Some(word) = words.get(at) else { return };
        let lower: &str = &word.lower;
        let ends = matches!(word.token.kind, Kind::Stop | Kind::Question | Kind::Comma)
            || matches!(word.token.kind, Kind::Colon)
            || steering.negation_ends.contains(lower);
        let follows = |set: &std::collections::HashSet<String>| {
            let next = words.get(at + 1).map(|next| &*next.lower);
            next.is_some_and(|next| set.contains(next))
        };
        if ends {
            until = 0;
        } else if steering.negators.contains(lower) && !follows(&steering.no_negation_before) {
            let rest = words.get(at + 1..).unwrap_or_default();
            // "can't be used any more" removes what could be used.
            let ended = rest
                .iter()
                .take_while(|word| !matches!(word.token.kind, Kind::Stop | Kind::Question))
                .take(LONGEST_DENIAL + 4)
                .any(|word| matches!(&*word.lower, "anymore" | "longer" | "more"));
            until = if ended { 0 } else { at + LONGEST_DENIAL };
        } else if at <= until
            && until > 0
            && let Some(word) = words.get_mut(at)
        {
            word.negated = true;
            word.denied = mem::take(&mut word.classes);
        }
    }
}

/// In words.
const LONGEST_DENIAL: usize = 6;

/// Takes `fix(parser):` or `feat!:` from the front.
fn take_prefix(words: &mut Vec<Word<'_>>) -> Option<String> {
    let colon = words
        .iter()
        .take(4)
        .position(|word| matches!(word.token.kind, Kind::Colon | Kind::Bang))?;
    let first = words.first()?.lower.to_string();
    let known = [
        "feat", "fix", "docs", "test", "tests", "perf", "refactor", "chore", "ci", "build",
        "style", "revert", "bug", "feature", "breaking", "spike", "db", "infra", "research",
        "review",
    ];
    if !known.contains(&&*first) {
        return None;
    }
    let breaks = words
        .get(colon)
        .is_some_and(|word| word.token.kind == Kind::Bang);
    // The mark itself stays: it says that something breaks.
    words.drain(..if breaks { colon } else { colon + 1 });
    Some(if breaks { format!("{first}!") } else { first })
}

/// Whether a new clause starts after this word.
fn starts_anew(
    word: &Word<'_>,
    current: &Clause<'_>,
    following: &[Word<'_>],
    rules: &Rules,
) -> bool {
    let verbs = rules.lexicon.verbs();
    let said = |word: &Word<'_>| word.classes & verbs != 0;
    let is_then = &*word.lower == "then" || &*word.lower == "afterwards";
    let joins = word.token.kind == Kind::Comma
        || rules.steering.connectives.contains(&*word.lower)
        || is_then;
    let has_verb = current
        .words
        .iter()
        .any(|word| (word.classes | word.denied) & verbs != 0);
    if !joins || current.words.is_empty() {
        return false;
    }
    // "…, and then also drop it": the verb is what counts.
    let skipped = following
        .iter()
        .take_while(|next| {
            rules.steering.connectives.contains(&*next.lower)
                || rules.steering.polite.contains(&*next.lower)
                || matches!(&*next.lower, "then" | "afterwards" | "that" if next.token.kind == Kind::Word)
                || rules.steering.fillers.contains(&*next.lower)
                || next.token.kind == Kind::Comma
        })
        .count();
    let Some(next) = following.get(skipped) else {
        return false;
    };
    let then = is_then
        || following
            .iter()
            .take(skipped)
            .any(|next| &*next.lower == "then");
    let is_verb = (next.classes | next.denied) & verbs != 0 && next.form == Form::Base;
    if !then && !has_verb {
        return false;
    }
    if then {
        return is_verb || following.iter().skip(skipped).take(4).any(said);
    }
    if word.token.kind == Kind::Comma && skipped == 0 {
        return is_verb || starts_subject(following, verbs);
    }
    is_verb && !is_noun_here(following.get(skipped + 1)) && !is_embedded(current, rules)
}

/// After a comma: "…, the module gets its own crate".
fn starts_subject(following: &[Word<'_>], verbs: Classes) -> bool {
    let determined = following
        .first()
        .is_some_and(|word| matches!(&*word.lower, "the" | "a" | "it" | "we" | "they" | "this"));
    determined
        && following
            .iter()
            .skip(1)
            .take(4)
            .any(|word| word.classes & verbs != 0)
}

/// "rename and delete": what comes after "delete" tells whether it is one more thing to do.
fn is_noun_here(next: Option<&Word<'_>>) -> bool {
    next.is_none_or(|next| {
        matches!(next.token.kind, Kind::Comma | Kind::Stop | Kind::Question)
            || matches!(
                &*next.lower,
                "and" | "or" | "of" | "is" | "are" | "in" | "for" | "with"
            )
            || matches!(
                &*next.stem,
                "button"
                    | "dialog"
                    | "command"
                    | "flow"
                    | "menu"
                    | "feature"
                    | "action"
                    | "step"
                    | "test"
                    | "path"
                    | "script"
                    | "page"
                    | "event"
                    | "operation"
                    | "log"
                    | "key"
            )
    })
}

/// "let users rename and move files", "how to rename and move files": both verbs are theirs.
fn is_embedded(current: &Clause<'_>, rules: &Rules) -> bool {
    let verbs = rules.lexicon.verbs();
    let after_to = current.words.windows(2).rev().find_map(|pair| match pair {
        [before, verb] if verb.classes & verbs != 0 && verb.form == Form::Base => {
            Some(&*before.lower == "to")
        }
        _ => None,
    });
    let permits = |word: &Word<'_>| rules.steering.embedding.contains(&*word.stem);
    after_to == Some(true) || current.words.iter().take(4).any(permits)
}

fn finish<'a>(current: &mut Clause<'a>, found: &mut Vec<Clause<'a>>, rules: &Rules) {
    let mut clause = mem::take(current);
    let polite = |word: &Word<'_>| {
        rules.steering.polite.contains(&*word.lower)
            || rules.steering.connectives.contains(&*word.lower)
            || matches!(word.token.kind, Kind::Comma | Kind::Colon)
            || &*word.lower == "then"
    };
    let mut skipped = clause.words.iter().take_while(|word| polite(word)).count();
    if skipped > 0 || !found.is_empty() {
        let filler =
            |word: &&Word<'_>| rules.steering.fillers.contains(&*word.lower) || polite(word);
        let more = clause.words.iter().skip(skipped).take_while(filler).count();
        let next = clause.words.get(skipped + more);
        if next.is_some_and(|word| word.classes & rules.lexicon.verbs() != 0) {
            skipped += more;
        }
    }
    clause.words.drain(..skipped);
    while clause
        .words
        .last()
        .is_some_and(|word| word.token.kind == Kind::Comma)
    {
        clause.words.pop();
    }
    if clause.words.is_empty() {
        return;
    }
    clause.head = head(&clause.words, rules);
    found.push(clause);
}

/// The first word that can be a verb and doesn't follow an article.
fn head(words: &[Word<'_>], rules: &Rules) -> Option<usize> {
    let verbs = rules.lexicon.verbs();
    let mut determined = false;
    for (at, word) in words.iter().enumerate() {
        if word.classes & verbs != 0 && !determined {
            return Some(at);
        }
        determined = rules.steering.determiners.contains(&*word.lower);
    }
    None
}
